package import Kernels

/// Kernels and a precision that a test runs with.
package struct KernelVariant: Sendable, CustomStringConvertible {
    package let path: String
    package let precision: DataType
    /// What values are stored as before an operation takes them.
    package var storage = DataType.float32
    package var blas = BLAS.slm

    /// Each precision on every path of this CPU that has it, then with each library on the best of them.
    package static let tapes: [KernelVariant] = {
        var tapes = Processor.instructionSets.map { KernelVariant(path: $0, precision: .float32) } + bfloat16
        for blas in [BLAS.onednn, .openblas] {
            tapes.append(KernelVariant(path: Processor.instructionSets[0], precision: .float32, blas: blas))
        }
        if let best = bfloat16.first { tapes.append(KernelVariant(path: best.path, precision: .bfloat16, blas: .onednn)) }
        return tapes
    }()

    /// The same, and with all values stored in bf16.
    package static let all = tapes + bfloat16.map { KernelVariant(path: $0.path, precision: .bfloat16, storage: .bfloat16) }

    private static let bfloat16 = Processor.instructionSets.filter { path in
        do { return try Processor(threads: 1, instructionSet: path).hasBFloat16 } catch { preconditionFailure("\(error)") }
    }.map { KernelVariant(path: $0, precision: .bfloat16) }

    package var description: String {
        "\(path) \(precision.rawValue)" + (storage == .float32 ? "" : ", stored in \(storage.rawValue)")
            + (blas == .slm ? "" : ", \(blas.rawValue)")
    }

    /// Two threads, so that work is split wherever it can be.
    package func processor() throws -> Processor { try Processor(threads: 2, instructionSet: path, blas: blas) }

    package var forward: Tolerance { precision == .float32 ? .forward : .bfloat16 }
    package var gradient: Tolerance { precision == .float32 ? .gradient : .bfloat16Gradient }
}
