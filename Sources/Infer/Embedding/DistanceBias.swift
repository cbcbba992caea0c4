import Glibc
import Kernels
import Model

/// The bias that MPNet adds to the scores of attention: a number for each head and each group of distances between two tokens. Near
/// distances have groups of their own, before and after a token; far ones share groups whose sizes grow with the distance.
struct DistanceBias {
    /// [buckets, H]
    private let table: [Float]
    private let heads, buckets, context: Int
    /// [H, length, length], for texts of up to so many tokens.
    private var biases: (length: Int, values: Buffer)?

    /// Distances from here on are in the last group.
    private static let farthest = 128

    init(_ table: Buffer, _ configuration: BERTConfiguration) {
        self.table = table.read { span in span.indices.map { span[$0] } }
        heads = configuration.heads
        buckets = configuration.distanceBuckets
        context = configuration.context
    }

    /// - Parameter scores: [H, Q, T], of a block whose keys are those of all T tokens of a text.
    mutating func add(to scores: Buffer, of block: AttentionBlock, on processor: Processor) {
        let (Q, T) = (block.queries.count, block.keys.count), (length, values) = biases(forLength: T, on: processor)
        let start = (block.queries.lowerBound - block.keys.lowerBound) * length
        processor.combine(
            .add, shape: [1, heads, Q, T], scores, strides: [0, Q * T, T, 1], values[start..<values.count],
            strides: [0, length * length, length, 1], into: scores)
    }

    private mutating func biases(forLength T: Int, on processor: Processor) -> (length: Int, values: Buffer) {
        if let biases, biases.length >= T { return biases }
        let L = min(context, (T + 63) / 64 * 64), values = processor.buffer(of: heads * L * L, .float32)
        let groups = (0..<2 * L - 1).map { bucket(ofDistance: $0 - (L - 1)) }
        values.write { span in
            for h in 0..<heads {
                for q in 0..<L { for k in 0..<L { span[(h * L + q) * L + k] = table[groups[k - q + L - 1] * heads + h] } }
            }
        }
        biases = (L, values)
        return (L, values)
    }

    /// - Parameter distance: From a token to the one that it attends to, which comes later if it is positive.
    private func bucket(ofDistance distance: Int) -> Int {
        let half = buckets / 2, exact = half / 2, n = abs(distance), first = distance > 0 ? half : 0
        if n < exact { return first + n }
        // In f32, as in PyTorch: the borders of the groups depend on its rounding.
        let share = log(Float(n) / Float(exact)) / Float(log(Double(Self.farthest) / Double(exact)))
        return first + min(exact + Int(share * Float(half - exact)), half - 1)
    }
}
