internal import CVulkan
import Glibc

/// A logical device with one queue for compute.
final class GPUContext {
    let library: VulkanLibrary
    var call: vulkan_functions { library.call }
    let device: VkDevice
    let queue: VkQueue
    let queueFamily: UInt32
    /// What matrix units for bf16 need.
    static let matrixExtensions = ["VK_KHR_cooperative_matrix", "VK_KHR_shader_bfloat16"]
    /// What workgroups need that share matrices.
    static let workgroupMatrixExtension = "VK_NV_cooperative_matrix2"

    init(_ chosen: GPUDevice) throws(GPUError) {
        library = chosen.library
        let call = chosen.library.call, physical = chosen.device.handle.pointer
        var count: UInt32 = 0
        call.GetPhysicalDeviceQueueFamilyProperties(physical, &count, nil)
        var families = [VkQueueFamilyProperties](repeating: VkQueueFamilyProperties(), count: Int(count))
        call.GetPhysicalDeviceQueueFamilyProperties(physical, &count, &families)
        guard let family = families.firstIndex(where: { $0.queueFlags & VK_QUEUE_COMPUTE_BIT.rawValue != 0 }) else {
            throw .missingFeature("queue for compute", device: chosen.name)
        }
        queueFamily = UInt32(family)

        var features11 = VkPhysicalDeviceVulkan11Features(), features12 = VkPhysicalDeviceVulkan12Features()
        features11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES
        features12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES
        var created: VkDevice?
        var missing: String?
        var result = VK_SUCCESS
        withUnsafeMutablePointer(to: &features12) { features12 in
            withUnsafeMutablePointer(to: &features11) { features11 in
                features11.pointee.pNext = UnsafeMutableRawPointer(features12)
                var features = VkPhysicalDeviceFeatures2()
                features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
                features.pNext = UnsafeMutableRawPointer(features11)
                call.GetPhysicalDeviceFeatures2(physical, &features)
                missing = Self.missingFeature(features.features, features11.pointee, features12.pointee)
                    ?? (chosen.device.addsInSubgroups ? nil : "sums of subgroups")
                if missing != nil { return }
                // Only what the shaders use: some features make access to memory slower.
                features.features = VkPhysicalDeviceFeatures()
                features.features.shaderInt64 = 1
                features.features.shaderInt16 = 1
                features11.pointee = VkPhysicalDeviceVulkan11Features()
                features11.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES
                features11.pointee.pNext = UnsafeMutableRawPointer(features12)
                features11.pointee.storageBuffer16BitAccess = 1
                features12.pointee = VkPhysicalDeviceVulkan12Features()
                features12.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES
                features12.pointee.bufferDeviceAddress = 1
                features12.pointee.scalarBlockLayout = 1
                features12.pointee.timelineSemaphore = 1
                if chosen.device.hasMatrixUnits {
                    features12.pointee.vulkanMemoryModel = 1
                    features12.pointee.vulkanMemoryModelDeviceScope = 1
                }
                var priority: Float = 1
                result = withUnsafePointer(to: &priority) { priority in
                    var queue = VkDeviceQueueCreateInfo()
                    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO
                    queue.queueFamilyIndex = UInt32(family)
                    queue.queueCount = 1
                    queue.pQueuePriorities = priority
                    return withUnsafePointer(to: queue) { queue in
                        Self.withMatrixFeatures(of: chosen.device, &features) { features, extensions in
                            var information = VkDeviceCreateInfo()
                            information.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO
                            information.pNext = UnsafeRawPointer(features)
                            information.queueCreateInfoCount = 1
                            information.pQueueCreateInfos = queue
                            information.enabledExtensionCount = UInt32(extensions.count)
                            information.ppEnabledExtensionNames = extensions.baseAddress
                            return call.CreateDevice(physical, &information, nil, &created)
                        }
                    }
                }
            }
        }
        if let missing { throw .missingFeature(missing, device: chosen.name) }
        guard result == VK_SUCCESS, let created else { throw .failed("vkCreateDevice", code: result.rawValue) }
        device = created
        var found: VkQueue?
        call.GetDeviceQueue(created, UInt32(family), 0, &found)
        guard let found else { throw .failed("vkGetDeviceQueue", code: 0) }
        queue = found
    }

    deinit { call.DestroyDevice(device, nil) }

    /// Calls `body` with the features and extensions of matrix units in addition to others, if the device has them.
    private static func withMatrixFeatures(
        of device: VulkanPhysicalDevice, _ features: inout VkPhysicalDeviceFeatures2,
        _ body: (UnsafePointer<VkPhysicalDeviceFeatures2>, UnsafeBufferPointer<UnsafePointer<CChar>?>) -> VkResult
    ) -> VkResult {
        if !device.hasMatrixUnits { return withUnsafePointer(to: features) { body($0, UnsafeBufferPointer(start: nil, count: 0)) } }
        var numbers = VkPhysicalDeviceShaderBfloat16FeaturesKHR()
        var matrices = VkPhysicalDeviceCooperativeMatrixFeaturesKHR(), shared = VkPhysicalDeviceCooperativeMatrix2FeaturesNV()
        numbers.sType = VkStructureType(rawValue: vulkan_bfloat16_features)
        numbers.shaderBFloat16Type = 1
        numbers.shaderBFloat16CooperativeMatrix = 1
        matrices.sType = VkStructureType(rawValue: vulkan_cooperative_matrix_features)
        matrices.cooperativeMatrix = 1
        shared.sType = VkStructureType(rawValue: vulkan_cooperative_matrix2_features)
        shared.cooperativeMatrixWorkgroupScope = 1
        shared.cooperativeMatrixFlexibleDimensions = 1
        shared.cooperativeMatrixReductions = 1
        shared.cooperativeMatrixConversions = 1
        shared.cooperativeMatrixPerElementOperations = 1
        shared.cooperativeMatrixTensorAddressing = 1
        let names = (matrixExtensions + (device.hasWorkgroupMatrices ? [workgroupMatrixExtension] : [])).map { strdup($0) }
        defer { for name in names { free(name) } }
        numbers.pNext = features.pNext
        return withUnsafeMutablePointer(to: &numbers) { numbers in
            matrices.pNext = UnsafeMutableRawPointer(numbers)
            return withUnsafeMutablePointer(to: &matrices) { matrices in
                shared.pNext = UnsafeMutableRawPointer(matrices)
                return withUnsafeMutablePointer(to: &shared) { shared in
                    features.pNext = device.hasWorkgroupMatrices ? UnsafeMutableRawPointer(shared) : UnsafeMutableRawPointer(matrices)
                    return names.map { UnsafePointer($0) }.withUnsafeBufferPointer { names in
                        withUnsafePointer(to: features) { body($0, names) }
                    }
                }
            }
        }
    }

    private static func missingFeature(
        _ features: VkPhysicalDeviceFeatures, _ features11: VkPhysicalDeviceVulkan11Features, _ features12: VkPhysicalDeviceVulkan12Features
    ) -> String? {
        let needed = [
            ("shaderInt64", features.shaderInt64), ("shaderInt16", features.shaderInt16),
            ("storageBuffer16BitAccess", features11.storageBuffer16BitAccess),
            ("bufferDeviceAddress", features12.bufferDeviceAddress), ("scalarBlockLayout", features12.scalarBlockLayout),
            ("timelineSemaphore", features12.timelineSemaphore),
        ]
        return needed.first { $0.1 == 0 }?.0
    }
}
