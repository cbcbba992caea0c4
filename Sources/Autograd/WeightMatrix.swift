import Kernels

/// A matrix [O, I] to multiply with: a tensor, or frozen weights in bf16, int8 or int4. Codes are widened to f32 a few rows at a time, so
/// that the whole matrix never exists in f32 (as in QLoRA, Dettmers et al. 2023). Matmuls read bf16 as it is.
///
/// Documentation/decisions/quantized-bases.md compares the alternatives.
enum WeightMatrix {
    case tensor(Tensor)
    case quantized(QuantizedWeights)

    /// Elements of a block of widened rows: 8 MB, which a second-level or third-level cache holds.
    private static let blockElements = 1 << 21

    var shape: Shape {
        switch self {
        case .tensor(let tensor): tensor.shape
        case .quantized(let weights): [weights.outputs, weights.inputs]
        }
    }

    /// nil if the weights are frozen.
    var gradient: GradientTarget? { if case .tensor(let tensor) = self { GradientTarget(tensor) } else { nil } }

    /// Calls `body` with blocks of rows, in order: the whole tensor, or a few rows in f32 that are overwritten by the next ones.
    func forEachBlock(on processor: Processor, _ body: (_ rows: Range<Int>, _ block: Matrix) -> Void) {
        switch self {
        case .tensor(let tensor): body(0..<tensor.shape[0], tensor.matrix)
        case .quantized(let weights):
            if let numbers = weights.bfloat16 {
                return body(0..<weights.outputs, Matrix(numbers, rows: weights.outputs, columns: weights.inputs))
            }
            let (O, I) = (weights.outputs, weights.inputs)
            let size = max(1, min(O, Self.blockElements / max(I, 1)))
            let widened = processor.buffer(of: size * I, .float32)
            for start in stride(from: 0, to: O, by: size) {
                let rows = start..<min(start + size, O)
                let values = widened[0..<rows.count * I]
                processor.dequantize(weights, rows: rows, into: values)
                body(rows, Matrix(values, rows: rows.count, columns: I))
            }
        }
    }
}

extension Tape {
    func matrix(of parameter: Parameter) -> WeightMatrix {
        parameters?.quantized(parameter).map { .quantized($0) } ?? .tensor(value(of: parameter))
    }
}
