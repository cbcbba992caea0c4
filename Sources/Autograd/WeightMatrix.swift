import Kernels

/// A matrix [O, I] to multiply with: a tensor, or frozen weights in bf16, int8 or int4. Codes are widened a part at a time, to the numbers
/// that the matmul multiplies, so that the whole matrix never exists widened (as in QLoRA, Dettmers et al. 2023). Matmuls read bf16 as it
/// is.
///
/// Documentation/decisions/quantized-bases.md compares the alternatives.
enum WeightMatrix {
    case tensor(Tensor)
    case quantized(QuantizedWeights)

    /// Bytes of a widened block, which a second-level or third-level cache holds.
    private static let blockBytes = 8 << 20
    /// Rows of a block for products that are summed over rows: a matmul splits longer sums as well.
    private static let summedRows = 2_048

    var shape: Shape {
        switch self {
        case .tensor(let tensor): tensor.shape
        case .quantized(let weights): [weights.outputs, weights.inputs]
        }
    }

    /// nil if the weights are frozen.
    var gradient: GradientTarget? { if case .tensor(let tensor) = self { GradientTarget(tensor) } else { nil } }

    /// Whether the sums of a product x·W are computed in parts.
    var isSummedInBlocks: Bool {
        guard case .quantized(let weights) = self, weights.bfloat16 == nil else { return false }
        return weights.outputs > Self.summedRows
    }

    /// Calls `body` with blocks of whole rows, in order: all rows, or a few that are overwritten by the next ones.
    ///
    /// - Parameter type: The numbers that the matmul multiplies.
    func forEachBlockOfRows(on processor: Processor, as type: DataType, _ body: (_ rows: Range<Int>, _ block: Matrix) -> Void) {
        if let whole { return body(0..<whole.rows, whole) }
        let I = shape[1]
        forEachBlock(of: (Self.blockBytes / (type.size * max(I, 1)), I), on: processor, as: type) { rows, _, block in body(rows, block) }
    }

    /// Calls `body` with blocks for a product x·W: those of the same columns follow each other, in the order of their rows.
    func forEachSummedBlock(
        on processor: Processor, as type: DataType, _ body: (_ rows: Range<Int>, _ columns: Range<Int>, _ block: Matrix) -> Void
    ) {
        if let whole { return body(0..<whole.rows, 0..<whole.columns, whole) }
        let rows = min(Self.summedRows, shape[0])
        forEachBlock(of: (rows, Self.blockBytes / (type.size * max(rows, 1))), on: processor, as: type, body)
    }

    /// A matrix that matmuls read as it is.
    private var whole: Matrix? {
        switch self {
        case .tensor(let tensor): tensor.matrix
        case .quantized(let weights): weights.bfloat16.map { Matrix($0, rows: weights.outputs, columns: weights.inputs) }
        }
    }

    /// Widens blocks of at most `size`.
    private func forEachBlock(
        of size: (rows: Int, columns: Int), on processor: Processor, as type: DataType,
        _ body: (_ rows: Range<Int>, _ columns: Range<Int>, _ block: Matrix) -> Void
    ) {
        guard case .quantized(let weights) = self else { return }
        let (O, I) = (weights.outputs, weights.inputs), together = QuantizedWeights.columnsTogether
        let C = size.columns >= I ? I : max(together, size.columns / together * together), R = max(1, min(O, size.rows))
        let widened = processor.buffer(of: R * C, type)
        for left in stride(from: 0, to: I, by: max(C, 1)) {
            let columns = left..<min(left + C, I)
            for top in stride(from: 0, to: O, by: R) {
                let rows = top..<min(top + R, O), values = widened[0..<rows.count * columns.count]
                processor.dequantize(weights, rows: rows, columns: columns, into: values)
                body(rows, columns, Matrix(values, rows: rows.count, columns: columns.count))
            }
        }
    }
}

extension Tape {
    func matrix(of parameter: Parameter) -> WeightMatrix {
        parameters?.quantized(parameter).map { .quantized($0) } ?? .tensor(value(of: parameter))
    }
}
