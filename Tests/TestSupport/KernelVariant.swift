package import Kernels
package import Testing

/// A combination of kernels and types that a test runs with.
package struct KernelVariant: Sendable, CustomStringConvertible {
    package let instructionSet: String
    /// The type in which matrices are multiplied.
    package let precision: DataType
    /// The type in which values are stored between operations.
    package var storage = DataType.float32
    package var blas = BLAS.slm
    /// Whether a Vulkan device computes.
    package var usesGPU = false

    /// Each precision on every instruction set of this CPU that supports it, then each BLAS library on the best one.
    package static let standard: [KernelVariant] = {
        var variants = Processor.instructionSets.map { KernelVariant(instructionSet: $0, precision: .float32) } + bfloat16
        for blas in [BLAS.onednn, .openblas] {
            variants.append(KernelVariant(instructionSet: Processor.instructionSets[0], precision: .float32, blas: blas))
        }
        if let best = bfloat16.first {
            variants.append(KernelVariant(instructionSet: best.instructionSet, precision: .bfloat16, blas: .onednn))
        }
        return variants
    }()

    /// The same, bf16 activations on the instruction sets that cannot multiply bf16, and a Vulkan device.
    package static let training = standard + Processor.instructionSets.filter { !bfloat16InstructionSets.contains($0) }.map {
        KernelVariant(instructionSet: $0, precision: .float32, storage: .bfloat16)
    } + devices

    /// A Vulkan device in each precision; none if there is no driver.
    package static let devices = TestGPU.device == nil ? [] : [DataType.float32, .bfloat16].map {
        KernelVariant(instructionSet: Processor.instructionSets[0], precision: $0, storage: $0, usesGPU: true)
    }

    /// The same, and variants that store all values in bf16.
    package static let all = training + bfloat16.map {
        KernelVariant(instructionSet: $0.instructionSet, precision: .bfloat16, storage: .bfloat16)
    }

    /// The instruction sets of this CPU with bf16 matmul.
    package static let bfloat16InstructionSets = Processor.instructionSets.filter { instructionSet in
        do { return try Processor(threads: 1, instructionSet: instructionSet).hasBFloat16 } catch { preconditionFailure("\(error)") }
    }

    private static let bfloat16 = bfloat16InstructionSets.map { KernelVariant(instructionSet: $0, precision: .bfloat16) }

    package var description: String {
        "\(instructionSet) \(precision.rawValue)" + (storage == .float32 ? "" : ", stored in \(storage.rawValue)")
            + (blas == .slm ? "" : ", \(blas.rawValue)") + (usesGPU ? ", vulkan" : "")
    }

    /// With two threads, so that operations are split.
    package func processor() throws -> Processor {
        if blas == .slm, !usesGPU { KernelPaths.record(instructionSet, precision) }
        return try Processor(threads: 2, instructionSet: instructionSet, blas: blas, gpu: usesGPU ? TestGPU.open() : nil)
    }

    /// The precision of a tape or a trainer.
    package var activations: DataType { storage == .bfloat16 ? .bfloat16 : precision }
    package var forward: Tolerance { activations == .float32 ? .forward : .bfloat16 }
    package var gradient: Tolerance { activations == .float32 ? .gradient : .bfloat16Gradient }
}

extension Trait where Self == ConditionTrait {
    /// Skips a test of bf16 matmul, and says so, on a CPU that has no instructions for it.
    package static var needsBFloat16: ConditionTrait {
        .enabled(if: !KernelVariant.bfloat16InstructionSets.isEmpty, "this CPU has no bf16 instructions")
    }
}
