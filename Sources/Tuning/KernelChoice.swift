package import Kernels

/// What a run computes with: kernels, data type, and who multiplies matrices.
package struct KernelChoice: Sendable, Hashable, CustomStringConvertible {
    package let instructionSet: String
    /// The type of matmuls in training, and of the stored weights in inference.
    package let precision: DataType
    package let blas: BLAS

    package init(_ instructionSet: String, _ precision: DataType, _ blas: BLAS = .slm) {
        self.instructionSet = instructionSet
        self.precision = precision
        self.blas = blas
    }

    package var description: String {
        "\(precision.rawValue), \(instructionSet) kernels" + (blas == .slm ? "" : ", \(blas.rawValue)")
    }
}

/// What kernels are measured for.
package enum TuningUse: Sendable, Hashable {
    /// Training steps of models about this wide: one of ``widths``.
    case training(width: Int)
    /// A prompt and an answer of one sequence. Quantized weights always use the best kernels for bytes, which need no measurement.
    case inference

    package static let widths = [64, 128, 256, 512]

    /// Training a model of this width. Wider models behave as those of 512 channels: their matmuls have the same limits.
    package static func forTraining(modelOfWidth width: Int) -> TuningUse {
        .training(width: widths.last { 2 * $0 <= 3 * width } ?? widths[0])
    }

    package var name: String {
        switch self {
        case .training(let width): "training-\(width)"
        case .inference: "inference"
        }
    }
}

extension KernelChoice {
    /// The choices to measure, in the order of preference: the first is the one that the CPU's features suggest.
    ///
    /// - Parameters:
    ///   - instructionSets: Those that the CPU supports, best first.
    ///   - multipliesBFloat16: Whether an instruction set multiplies bf16.
    package static func candidates(
        for use: TuningUse, among instructionSets: [String], multipliesBFloat16: (String) -> Bool
    ) -> [KernelChoice] {
        guard let best = instructionSets.first else { return [] }
        // Narrower vectors can be faster where wide ones lower the clock or are computed in halves.
        let narrower = instructionSets.first { vectors(of: $0) != vectors(of: best) && $0 != "plain" }
        let sets = [best] + (narrower.map { [$0] } ?? [])
        let types: [DataType] = multipliesBFloat16(best) ? [.bfloat16, .float32] : [.float32, .bfloat16]
        // bf16 is multiplied as it is, or widened to f32 where the instructions for bf16 are slow.
        let withoutBFloat16 = multipliesBFloat16(best)
            ? instructionSets.first { vectors(of: $0) == vectors(of: best) && !multipliesBFloat16($0) } : nil
        let widening = withoutBFloat16.map { [KernelChoice($0, .bfloat16)] } ?? []
        switch use {
        case .training:
            // Libraries choose their own instructions, whatever the rest of a step uses.
            let libraryTypes: [DataType] = multipliesBFloat16(best) ? [.bfloat16, .float32] : [.float32]
            return types.map { KernelChoice(best, $0) } + libraryTypes.map { KernelChoice(best, $0, .onednn) }
                + [KernelChoice(best, .float32, .openblas)] + widening + sets.dropFirst().map { KernelChoice($0, .float32) }
        case .inference:
            return types.map { KernelChoice(best, $0) } + widening
                + sets.dropFirst().flatMap { set in types.map { KernelChoice(set, $0) } }
        }
    }

    /// Instruction sets with the same vectors differ in single instructions.
    private static func vectors(of instructionSet: String) -> String {
        ["avx512", "avx2", "neon"].first { instructionSet.hasPrefix($0) } ?? instructionSet
    }
}
