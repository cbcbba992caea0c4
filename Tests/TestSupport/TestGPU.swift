package import Kernels
package import Testing

/// The Vulkan device that tests compute on: a GPU, or Mesa's driver that computes on the CPU.
package enum TestGPU {
    /// nil if there is no driver.
    package static let device: GPUDevice? = try? GPUDevice.choose(nil)

    package static func open() throws -> GPU { try GPU(GPUDevice.choose(nil)) }
}

extension Trait where Self == ConditionTrait {
    /// Skips a test of shaders, and says so, where no Vulkan driver is installed.
    package static var needsVulkan: ConditionTrait {
        .enabled(if: TestGPU.device != nil, "no Vulkan driver is installed: sudo apt-get install mesa-vulkan-drivers")
    }
}
