internal import CVulkan
package import SharedLibraries

/// A GPU of this machine, or a software driver, that Vulkan can compute on.
///
///     let devices = try GPUDevice.all()
///     let processor = try Processor(gpu: try GPU(devices[0]))
package struct GPUDevice: Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        case discrete, integrated
        /// A driver that computes on the CPU, such as Mesa's llvmpipe.
        case software
    }

    let library: VulkanLibrary
    let device: VulkanPhysicalDevice
    /// The bytes of memory that the device and the CPU can both access; those of a GPU's own memory, if they can.
    package let memoryBytes: Int

    package var name: String { device.name }
    package var kind: Kind { device.kind }
    /// Whether it multiplies matrices of bf16 on matrix units.
    package var hasMatrixUnits: Bool { device.hasMatrixUnits }
    package var description: String { name }

    /// All devices, in the order that `--device vulkan:N` counts them.
    package static func all() throws(GPUError) -> [GPUDevice] {
        let library = try VulkanLibrary()
        return library.devices().map { GPUDevice(library: library, device: $0, memoryBytes: GPUMemoryTypes(of: $0, library).bytes) }
    }

    /// The device with a number; nil: the first that is no software driver, or else the first.
    package static func choose(_ number: Int?) throws(GPUError) -> GPUDevice {
        let devices = try all()
        guard let first = devices.first else { throw .noDevice }
        guard let number else { return devices.first { $0.kind != .software } ?? first }
        guard devices.indices.contains(number) else { throw .unknownDevice(number, known: devices.map(\.name)) }
        return devices[number]
    }
}

/// Why a GPU cannot be used.
package enum GPUError: Error, Equatable, CustomStringConvertible {
    case noLoader(MissingLibrary)
    case noDevice
    case unknownDevice(Int, known: [String])
    case missingFeature(String, device: String)
    case noSharedMemory(device: String)
    case failed(String, code: Int32)

    package var description: String {
        switch self {
        case .noLoader(let library): "\(library)"
        case .noDevice:
            "found no Vulkan driver. Install your GPU's: sudo apt-get install mesa-vulkan-drivers (AMD, Intel), or NVIDIA's driver."
        case .unknownDevice(let number, let known):
            "found no device vulkan:\(number). There are: "
                + known.enumerated().map { "vulkan:\($0.offset) (\($0.element))" }.joined(separator: ", ") + "."
        case .missingFeature(let feature, let device):
            "the driver of \(device) has no \(feature), which slm needs. Update the driver, or use the CPU."
        case .noSharedMemory(let device):
            "\(device) has no memory that the CPU can access. Enable 'resizable BAR' in the computer's setup, or use the CPU."
        case .failed(let function, let code):
            "\(function) failed with Vulkan's error \(code). Update the driver, or use the CPU."
        }
    }
}
