import Kernels
import TestSupport
import Testing

/// Compares matmuls and embedding lookups of the same weights, packed and where they are stored, bit by bit.
func expectSameResults(
    _ packed: PackedWeights, _ unpacked: PackedWeights, rows N: Int, on p: Processor, _ what: String,
    at location: SourceLocation = #_sourceLocation
) {
    let O = packed.outputs, I = packed.inputs, x = p.buffer(TestRandom.numbers(N * I, seed: 1))
    let bias = p.buffer(TestRandom.numbers(O, seed: 3)), plus = p.buffer(TestRandom.numbers(N * O, seed: 4))
    let ids = p.ids([0, Int32(O - 1), Int32(O / 2)]), positions = p.buffer(TestRandom.numbers(3 * I, seed: 5))
    let results = [packed, unpacked].map { weights in
        let y = p.buffer(of: N * O, .float32), rows = p.buffer(of: 3 * I, .float32), sums = p.buffer(of: 3 * I, .float32)
        p.packedMatmul(x, rows: N, by: weights, bias: bias, then: .relu, plus: plus, into: y)
        p.embed(ids, in: weights, plus: nil, into: rows)
        p.embed(ids, in: weights, plus: positions, into: sums)
        return [y, rows, sums].map { p.floats($0).map(\.bitPattern) }
    }
    for (part, name) in ["matmul", "lookup", "lookup with positions"].enumerated() {
        let isSame = results[0][part] == results[1][part]
        #expect(isSame, "\(what): \(name)", sourceLocation: location)
    }
}
