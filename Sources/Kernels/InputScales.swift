import Glibc

/// Scales for the inputs of weights that are quantized.
///
/// A group of inputs shares a scale, and in int6 and int4 the scales of a row's groups are steps of one scale. An input whose weights are
/// far larger than those of the others leaves few steps for them; one whose weights are far smaller, because its activations are far
/// larger, is itself left with few steps, and so are the activations of its group. Dividing the weights of such an input by their size,
/// and multiplying its activations with it, changes no product, and gives both the steps that their part in the output deserves.
enum InputScales {
    /// Rows from which the sizes are estimated.
    private static let sampledRows = 128
    /// Fewer rows say too little about the size of an input.
    private static let leastRows = 32
    /// Inputs whose weights differ from the median of their group by less than this power of two are not scaled.
    private static let leastExponent: Float = 1.5

    /// Returns a power of two for each input of weights [O, I], which scales without rounding; nil if no input needs one.
    ///
    /// - Parameters:
    ///   - together: The number of inputs with whose median an input is compared.
    ///   - readRow: Writes the weights of one output.
    static func find(
        outputs O: Int, inputs I: Int, together: Int, readRow: (Int, UnsafeMutablePointer<Float>) -> Void
    ) -> [Float]? {
        guard O >= leastRows else { return nil }
        let rows = min(O, sampledRows)
        // Means of roots: single large weights, which are not the size of their input's weights, hardly change them.
        var roots = [Float](repeating: 0, count: I)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: I) { weights in
            guard let start = weights.baseAddress else { return }
            roots.withUnsafeMutableBufferPointer { roots in
                guard let sums = roots.baseAddress else { return }
                for row in 0..<rows {
                    readRow(row * O / rows, start)
                    for i in 0..<I { sums[i] += abs(start[i]).squareRoot() }             // without bounds checks, in vectors
                }
            }
        }
        var scales = [Float](repeating: 1, count: I)
        for first in stride(from: 0, to: I, by: together) {
            let group = first..<min(first + together, I)
            let median = roots[group].sorted()[group.count / 2]
            guard median > 0, median.isFinite else { continue }
            for i in group where roots[i] > 0 && roots[i].isFinite {
                let exponent = 2 * log2f(roots[i] / median)
                if abs(exponent) >= leastExponent { scales[i] = exp2f(min(max(exponent.rounded(), -24), 24)) }
            }
        }
        return scales.contains { $0 != 1 } ? scales : nil
    }
}
