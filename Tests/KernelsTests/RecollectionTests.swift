import Glibc
import Kernels
import TestSupport
import Testing

/// Attention over what sequences remember, against softmax by the book in f64.
@Suite struct KVCaches {
    private static let forms: [WeightPrecision] = [.float32, .bfloat16, .int8]

    /// y [T, H·D] for rows qkv [T, 3·H·D], each seeing all rows up to itself.
    private func attention(_ qkv: [Float], T: Int, H: Int, D: Int, kept: (Float) -> Float) -> [Double] {
        let C = H * D
        var y = [Double](repeating: 0, count: T * C)
        for t in 0..<T {
            for h in 0..<H {
                let q = (0..<D).map { Double(qkv[t * 3 * C + h * D + $0]) }
                let scores = (0...t).map { s in
                    (0..<D).reduce(0.0) { $0 + q[$1] * Double(kept(qkv[s * 3 * C + C + h * D + $1])) } / Double(D).squareRoot()
                }
                let most = scores.max() ?? 0, shares = scores.map { exp($0 - most) }, sum = shares.reduce(0, +)
                for d in 0..<D {
                    y[t * C + h * D + d] = (0...t).reduce(0.0) { $0 + shares[$1] / sum * Double(kept(qkv[$1 * 3 * C + 2 * C + h * D + d])) }
                }
            }
        }
        return y
    }

    @Test(arguments: Machine.all)
    func `are asked as attention asks`(machine: Machine) throws {
        let p = try machine.processor()
        for (T, H, D) in [(1, 1, 1), (5, 2, 3), (33, 2, 16), (70, 3, 34), (130, 1, 64), (20, 1, 129)] {
            let qkv = TestRandom.numbers(T * 3 * H * D, seed: UInt64(T)).map { 2 * $0 }
            for form in Self.forms {
                let memory = p.makeKVCache(layers: 2, heads: H, headWidth: D, room: T + 3, form), y = p.buffer(of: T * H * D, .float32)
                p.recall(p.buffer(qkv), rows: [.init(memory, from: 0, count: T)], layer: 1, into: y)
                let wanted = attention(qkv, T: T, H: H, D: D) { form == .bfloat16 ? rounded($0) : $0 }
                expectClose(p.floats(y), wanted, within: form == .float32 ? .gradient : .bfloat16Gradient, terms: 2, "\((T, H, D)) \(form)")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `give the same bits in one step, in many, and among others`(path: String) throws {
        let p = try Processor(threads: 3, instructionSet: path), (T, H, D) = (75, 2, 24), C = H * D
        let qkv = TestRandom.numbers(T * 3 * C, seed: 1), other = TestRandom.numbers(9 * 3 * C, seed: 2)
        for form in Self.forms {
            func memory() -> KVCache { p.makeKVCache(layers: 1, heads: H, headWidth: D, room: 80, form) }
            let whole = p.buffer(of: T * C, .float32), alone = memory()
            p.recall(p.buffer(qkv), rows: [.init(alone, from: 0, count: T)], layer: 0, into: whole)
            let wanted = p.floats(whole).map(\.bitPattern)
            let mine = memory(), theirs = memory()
            var at = 0, found: [UInt32] = []
            for count in [1, 1, 30, 1, 17, 2, 23] {
                let y = p.buffer(of: (9 + count) * C, .float32)
                p.recall(
                    p.buffer(other + qkv[at * 3 * C..<(at + count) * 3 * C]),
                    rows: [.init(theirs, from: 0, count: 9), .init(mine, from: at, count: count)], layer: 0, into: y)
                found += p.floats(y)[(9 * C)...].map(\.bitPattern)
                at += count
            }
            let same = found == wanted
            #expect(same, "\(form)")
            // A copy goes on as the one that it was copied from.
            let copy = memory()
            for known in [T - 1, 33, 7] {
                copy.empty()
                copy.copy(known, from: alone)
                let rest = p.buffer(of: (T - known) * C, .float32)
                p.recall(
                    p.buffer(Array(qkv[known * 3 * C..<T * 3 * C])), rows: [.init(copy, from: known, count: T - known)], layer: 0,
                    into: rest)
                let isCopy = p.floats(rest).map(\.bitPattern) == Array(wanted[(known * C)...])
                #expect(isCopy, "\(form), \(known)")
            }
        }
    }
}
