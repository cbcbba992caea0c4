import Autograd
import Kernels

/// A low-rank factorization of n-gram statistics: one row per context and a shared head, trained on the next-token distributions of the
/// counts.
///
/// A context that occurs ten thousand times needs only one training row.
///
///     var fit = NGramTableFit(
///         of: counts, vocabulary: 16_387, width: 352, .init(rows: 400_000), on: processor, precision: .bfloat16, seed: 1
///     )
///     while fit.share < 1 { fit.advance() }
///     let table = NGramTable(fit)
struct NGramTable {
    /// [V + pairs, width], each row with mean 0 and variance 1.
    let rows: [Float]
    /// [V, width]: the logits after the context of row r are head·(gain·r + shift).
    let head: [Float]
    let gain, shift: [Float]
    let width: Int

    init(_ fit: NGramTableFit) {
        let values = fit.parameters.values
        width = fit.width
        rows = Self.normalized(values[fit.table.table.range].copied, width: width)
        head = values[fit.head.range].copied
        gain = values[fit.norm.weight.range].copied
        shift = fit.norm.bias.map { values[$0.range].copied } ?? []
    }

    /// Normalizes each row as a layer norm does, which leaves the layer norm of the row unchanged.
    private static func normalized(_ table: [Float], width: Int) -> [Float] {
        var result = table
        for start in stride(from: 0, to: table.count, by: width) {
            let row = table[start..<start + width]
            let mean = row.reduce(0, +) / Float(width)
            let deviation = (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(width)).squareRoot()
            for i in row.indices { result[i] = (table[i] - mean) / max(deviation, 1e-6) }
        }
        return result
    }
}

extension Buffer {
    var copied: [Float] { read { span in span.indices.map { span[$0] } } }
}
