internal import CVulkan
import SharedLibraries

/// The Vulkan loader with an instance: finds the devices of this machine.
final class VulkanLibrary: Sendable {
    private let library: LibraryFunctions<vulkan_functions>
    var call: vulkan_functions { library.table }
    private let instance: VulkanHandle

    init() throws(GPUError) {
        let loaded: LibraryFunctions<vulkan_functions>
        do throws(MissingLibrary) {
            loaded = try SharedLibrary("libvulkan.so.1", package: "libvulkan1").functions(vulkan_functions(), vulkan_find)
        } catch { throw .noLoader(error) }
        var application = VkApplicationInfo()
        application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO
        application.apiVersion = vulkan_version_1_3        // the newest that slm uses; devices may have less
        var created: VkInstance?
        let result = withUnsafePointer(to: application) { application in
            var information = VkInstanceCreateInfo()
            information.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
            information.pApplicationInfo = application
            return loaded.table.CreateInstance(&information, nil, &created)
        }
        // Without any driver, the loader does not create an instance.
        if result == VK_ERROR_INCOMPATIBLE_DRIVER { throw .noDevice }
        guard result == VK_SUCCESS, let created else { throw .failed("vkCreateInstance", code: result.rawValue) }
        library = loaded
        instance = VulkanHandle(created)
    }

    /// The devices with Vulkan 1.2, in the loader's order.
    func devices() -> [VulkanPhysicalDevice] {
        var count: UInt32 = 0
        guard call.EnumeratePhysicalDevices(instance.pointer, &count, nil) == VK_SUCCESS, count > 0 else { return [] }
        var found = [VkPhysicalDevice?](repeating: nil, count: Int(count))
        guard call.EnumeratePhysicalDevices(instance.pointer, &count, &found) == VK_SUCCESS else { return [] }
        return found.prefix(Int(count)).compactMap { $0 }.map { VulkanPhysicalDevice($0, of: self) }
            .filter { $0.version >= vulkan_version_1_2 }
    }

    /// The extensions of a device.
    fileprivate func extensions(of device: VkPhysicalDevice) -> Set<String> {
        var count: UInt32 = 0
        guard call.EnumerateDeviceExtensionProperties(device, nil, &count, nil) == VK_SUCCESS else { return [] }
        var found = [VkExtensionProperties](repeating: VkExtensionProperties(), count: Int(count))
        _ = call.EnumerateDeviceExtensionProperties(device, nil, &count, &found)
        return Set(found.map { withUnsafeBytes(of: $0.extensionName) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } })
    }

    /// Whether a device has matrix units for bf16 that the shaders can use, in subgroups of 32.
    fileprivate func multipliesBFloat16(_ device: VkPhysicalDevice) -> Bool {
        vulkan_multiplies_bfloat16(call.GetInstanceProcAddr, instance.pointer, device)
    }

    /// Whether workgroups can share matrices of bf16 of many sizes, and all that the shaders do with them.
    fileprivate func multipliesInWorkgroups(_ device: VkPhysicalDevice) -> Bool {
        var matrices = VkPhysicalDeviceCooperativeMatrix2FeaturesNV(), features = VkPhysicalDeviceFeatures2()
        matrices.sType = VkStructureType(rawValue: vulkan_cooperative_matrix2_features)
        features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
        withUnsafeMutablePointer(to: &matrices) {
            features.pNext = UnsafeMutableRawPointer($0)
            call.GetPhysicalDeviceFeatures2(device, &features)
        }
        return [
            matrices.cooperativeMatrixWorkgroupScope, matrices.cooperativeMatrixFlexibleDimensions, matrices.cooperativeMatrixReductions,
            matrices.cooperativeMatrixConversions, matrices.cooperativeMatrixPerElementOperations,
            matrices.cooperativeMatrixTensorAddressing,
        ].allSatisfy { $0 != 0 } && vulkan_multiplies_in_workgroups(call.GetInstanceProcAddr, instance.pointer, device)
    }
}

/// A handle of the loader.
///
/// `@unchecked Sendable`: it is never changed, and Vulkan lets several threads use an instance or a physical device at once.
struct VulkanHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }
}

/// A device that the loader found, with what slm needs to know of it.
struct VulkanPhysicalDevice: Sendable {
    let handle: VulkanHandle
    let name: String
    let version: UInt32
    let kind: GPUDevice.Kind
    let maxSharedMemory, maxGroups: Int
    let maxAllocation: Int
    /// Invocations of a subgroup.
    let subgroup: Int
    /// Whether its subgroups can add up numbers.
    let addsInSubgroups: Bool
    /// Whether it multiplies matrices of bf16 on matrix units, and whether workgroups can share such matrices.
    let hasMatrixUnits, hasWorkgroupMatrices: Bool

    fileprivate init(_ device: VkPhysicalDevice, of library: VulkanLibrary) {
        handle = VulkanHandle(device)
        var maintenance = VkPhysicalDeviceMaintenance3Properties()
        maintenance.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES
        var subgroups = VkPhysicalDeviceSubgroupProperties()
        subgroups.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES
        var all = VkPhysicalDeviceProperties2()
        all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2
        withUnsafeMutablePointer(to: &subgroups) { subgroups in
            withUnsafeMutablePointer(to: &maintenance) { maintenance in
                maintenance.pointee.pNext = UnsafeMutableRawPointer(subgroups)
                all.pNext = UnsafeMutableRawPointer(maintenance)
                library.call.GetPhysicalDeviceProperties2(device, &all)
            }
        }
        name = withUnsafeBytes(of: all.properties.deviceName) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        version = all.properties.apiVersion
        kind = switch all.properties.deviceType {
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: .discrete
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: .integrated
        default: .software
        }
        maxSharedMemory = Int(all.properties.limits.maxComputeSharedMemorySize)
        maxGroups = min(Int(all.properties.limits.maxComputeWorkGroupCount.0), Int(all.properties.limits.maxComputeWorkGroupCount.1))
        maxAllocation = Int(clamping: maintenance.maxMemoryAllocationSize)
        subgroup = Int(subgroups.subgroupSize)
        addsInSubgroups = subgroups.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT.rawValue != 0
        let extensions = library.extensions(of: device)
        hasMatrixUnits = version >= vulkan_version_1_3 && subgroup == 32 && GPUContext.matrixExtensions.allSatisfy(extensions.contains)
            && library.multipliesBFloat16(device)
        hasWorkgroupMatrices = hasMatrixUnits && extensions.contains(GPUContext.workgroupMatrixExtension)
            && library.multipliesInWorkgroups(device)
    }
}
