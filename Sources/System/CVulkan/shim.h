// The functions of the Vulkan loader that slm uses. Only machines with a GPU have it, so it is opened with dlopen on demand
// (Kernels/Vulkan/VulkanLibrary.swift).
#pragma once
#include <dlfcn.h>
#include <stddef.h>
#include <vulkan/vulkan_core.h>

#define VULKAN_FUNCTIONS(USE) \
    USE(CreateInstance) USE(EnumeratePhysicalDevices) USE(GetPhysicalDeviceProperties2) USE(GetPhysicalDeviceFeatures2) \
    USE(GetPhysicalDeviceMemoryProperties) USE(GetPhysicalDeviceQueueFamilyProperties) USE(EnumerateDeviceExtensionProperties) \
    USE(CreateDevice) USE(DestroyDevice) USE(GetDeviceQueue) \
    USE(CreateBuffer) USE(DestroyBuffer) USE(GetBufferMemoryRequirements) USE(GetBufferDeviceAddress) USE(AllocateMemory) \
    USE(FreeMemory) USE(BindBufferMemory) USE(MapMemory) \
    USE(CreateShaderModule) USE(DestroyShaderModule) USE(CreatePipelineLayout) USE(DestroyPipelineLayout) USE(CreateComputePipelines) \
    USE(DestroyPipeline) USE(CreateCommandPool) USE(DestroyCommandPool) USE(AllocateCommandBuffers) USE(BeginCommandBuffer) \
    USE(EndCommandBuffer) USE(CmdBindPipeline) USE(CmdPushConstants) USE(CmdDispatch) USE(CmdPipelineBarrier) USE(QueueSubmit) \
    USE(CreateSemaphore) USE(DestroySemaphore) USE(WaitSemaphores) USE(DeviceWaitIdle)

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

/// VK_WHOLE_SIZE and versions are macros that Swift cannot import.
static const uint64_t vulkan_whole_size = VK_WHOLE_SIZE;
static const uint32_t vulkan_version_1_2 = VK_API_VERSION_1_2;
