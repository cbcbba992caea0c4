// The functions of the Vulkan loader that slm uses. Only machines with a GPU have it, so it is opened with dlopen on demand
// (Kernels/Vulkan/VulkanLibrary.swift).
#pragma once
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <vulkan/vulkan_core.h>

#define VULKAN_FUNCTIONS(USE) \
    USE(GetInstanceProcAddr) USE(CreateInstance) USE(EnumeratePhysicalDevices) USE(GetPhysicalDeviceProperties2) \
    USE(GetPhysicalDeviceFeatures2) USE(GetPhysicalDeviceMemoryProperties) USE(GetPhysicalDeviceQueueFamilyProperties) \
    USE(EnumerateDeviceExtensionProperties) USE(CreateDevice) USE(DestroyDevice) USE(GetDeviceQueue) USE(CreateBuffer) \
    USE(DestroyBuffer) USE(GetBufferMemoryRequirements) USE(GetBufferDeviceAddress) USE(AllocateMemory) USE(FreeMemory) \
    USE(BindBufferMemory) USE(MapMemory) USE(CreateShaderModule) USE(DestroyShaderModule) USE(CreatePipelineLayout) \
    USE(DestroyPipelineLayout) USE(CreateComputePipelines) USE(DestroyPipeline) USE(CreateCommandPool) USE(DestroyCommandPool) \
    USE(AllocateCommandBuffers) USE(BeginCommandBuffer) USE(EndCommandBuffer) USE(CmdBindPipeline) USE(CmdPushConstants) \
    USE(CmdDispatch) USE(CmdPipelineBarrier) USE(QueueSubmit) USE(CreateSemaphore) USE(DestroySemaphore) USE(WaitSemaphores) \
    USE(DeviceWaitIdle)

typedef struct {
#define USE(name) __typeof__(&vk##name) name;
    VULKAN_FUNCTIONS(USE)
#undef USE
} vulkan_functions;

/// Looks up all functions. Returns the name of the first one that is missing, or NULL.
static inline const char *vulkan_find(void *library, vulkan_functions *found) {
#define USE(name) if (!(found->name = (__typeof__(&vk##name))dlsym(library, "vk" #name))) return "vk" #name;
    VULKAN_FUNCTIONS(USE)
#undef USE
    return NULL;
}

// VK_KHR_cooperative_matrix and VK_KHR_shader_bfloat16, which Debian 12's headers do not have yet.
#ifndef VK_KHR_cooperative_matrix
typedef struct {
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrix, cooperativeMatrixRobustBufferAccess;
} VkPhysicalDeviceCooperativeMatrixFeaturesKHR;
typedef struct {
    VkStructureType sType;
    void *pNext;
    uint32_t MSize, NSize, KSize, AType, BType, CType, ResultType;
    VkBool32 saturatingAccumulation;
    uint32_t scope;
} VkCooperativeMatrixPropertiesKHR;
#endif
#ifndef VK_KHR_shader_bfloat16
typedef struct {
    VkStructureType sType;
    void *pNext;
    VkBool32 shaderBFloat16Type, shaderBFloat16DotProduct, shaderBFloat16CooperativeMatrix;
} VkPhysicalDeviceShaderBfloat16FeaturesKHR;
#endif
#ifndef VK_NV_cooperative_matrix2
typedef struct {
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrixWorkgroupScope, cooperativeMatrixFlexibleDimensions, cooperativeMatrixReductions,
        cooperativeMatrixConversions, cooperativeMatrixPerElementOperations, cooperativeMatrixTensorAddressing,
        cooperativeMatrixBlockLoads;
} VkPhysicalDeviceCooperativeMatrix2FeaturesNV;
typedef struct {
    VkStructureType sType;
    void *pNext;
    uint32_t MGranularity, NGranularity, KGranularity, AType, BType, CType, ResultType;
    VkBool32 saturatingAccumulation;
    uint32_t scope, workgroupInvocations;
} VkCooperativeMatrixFlexibleDimensionsPropertiesNV;
#endif
static const uint32_t vulkan_cooperative_matrix2_features = 1000593000, vulkan_flexible_dimensions_properties = 1000593001;
static const uint32_t vulkan_cooperative_matrix_features = 1000506000, vulkan_cooperative_matrix_properties = 1000506001;
static const uint32_t vulkan_bfloat16_features = 1000141000;

// The body of a function that says whether `condition` holds for one of the properties `p` that Vulkan's `function` lists.
#define VULKAN_ANY(type, structure, function, condition)                                                \
    const PFN_vkVoidFunction found = get(instance, function);                                           \
    VkResult (*const list)(VkPhysicalDevice, uint32_t *, type *) = (__typeof__(list))found;             \
    type all[128];                                                                                      \
    uint32_t count = sizeof all / sizeof all[0];                                                        \
    memset(all, 0, sizeof all);                                                                         \
    for (uint32_t i = 0; i < count; i++) all[i].sType = (VkStructureType)structure;                     \
    if (!list || list(device, &count, all) < 0) return false;                                           \
    for (const type *p = all; p < all + count; p++) if (condition) return true;                         \
    return false;
// Values of VkComponentTypeKHR and VkScopeKHR.
static const uint32_t vulkan_f32 = 1, vulkan_bf16 = 1000141000, vulkan_workgroup_scope = 2, vulkan_subgroup_scope = 3;

/// Whether a device multiplies matrices [16, 16] of bf16 into sums in f32, in the scope of a subgroup.
static inline bool vulkan_multiplies_bfloat16(PFN_vkGetInstanceProcAddr get, VkInstance instance, VkPhysicalDevice device) {
    VULKAN_ANY(
        VkCooperativeMatrixPropertiesKHR, vulkan_cooperative_matrix_properties, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR",
        p->MSize == 16 && p->NSize == 16 && p->KSize == 16 && p->AType == vulkan_bf16 && p->BType == vulkan_bf16
            && p->CType == vulkan_f32 && p->ResultType == vulkan_f32 && p->scope == vulkan_subgroup_scope)
}

/// Whether workgroups of 128 can multiply matrices of bf16, whose sizes are multiples of 32, 16 and 16, into sums in f32.
static inline bool vulkan_multiplies_in_workgroups(PFN_vkGetInstanceProcAddr get, VkInstance instance, VkPhysicalDevice device) {
    VULKAN_ANY(
        VkCooperativeMatrixFlexibleDimensionsPropertiesNV, vulkan_flexible_dimensions_properties,
        "vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV",
        p->AType == vulkan_bf16 && p->BType == vulkan_bf16 && p->CType == vulkan_f32 && p->ResultType == vulkan_f32
            && p->scope == vulkan_workgroup_scope && p->workgroupInvocations == 128 && 32 % p->MGranularity == 0
            && 16 % p->NGranularity == 0 && 16 % p->KGranularity == 0)
}
#undef VULKAN_ANY

/// VK_WHOLE_SIZE and versions are macros that Swift cannot import.
static const uint64_t vulkan_whole_size = VK_WHOLE_SIZE;
static const uint32_t vulkan_version_1_2 = VK_API_VERSION_1_2, vulkan_version_1_3 = VK_API_VERSION_1_3;
