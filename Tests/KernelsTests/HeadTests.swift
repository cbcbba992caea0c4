import Glibc
import Kernels
import TestSupport
import Testing

/// What is done to questions and keys before they meet, against plain loops in f64.
@Suite struct Heads {
    /// Rows N, of which every T-th stands at the same place; heads of D, and what follows them.
    static let cases = [
        (N: 0, T: 2, heads: 2, D: 4, rest: 3), (1, 1, 1, 2, 0), (5, 3, 2, 6, 6), (70, 35, 3, 34, 17), (3, 3, 1, 66, 1), (2, 2, 2, 64, 64),
    ]

    @Test(arguments: Machine.all)
    func `are turned by their place, and back`(machine: Machine) throws {
        let p = try machine.processor()
        for (N, T, heads, D, rest) in Self.cases {
            let C = heads * D + rest, half = D / 2, angles = TestRandom.numbers(T * half, seed: 1).map { 3 * $0 }
            let turns = angles.indices.reduce(into: [Float](repeating: 0, count: T * D)) { turns, i in
                turns[i / half * D + i % half] = cosf(angles[i])
                turns[i / half * D + half + i % half] = sinf(angles[i])
            }
            for type in [DataType.float32, .bfloat16] {
                let given = TestRandom.numbers(N * C, seed: 2), x = p.buffer(given, type), y = p.buffer(of: N * C, type),
                    old = p.floats(x).map { Double($0) }
                var wanted = old
                for n in 0..<N {
                    for i in 0..<heads * half {
                        let a = n * C + i / half * D + i % half, b = a + half, angle = Double(angles[n % T * half + i % half])
                        wanted[a] = old[a] * cos(angle) - old[b] * sin(angle)
                        wanted[b] = old[b] * cos(angle) + old[a] * sin(angle)
                    }
                }
                let near = type == .float32 ? Tolerance.forward : .stored
                p.rotate(x, N: N, C: C, heads: heads, D: D, by: p.buffer(turns), into: y)
                expectClose(p.floats(y), wanted, within: near, "\((N, T, heads, D, rest)) of \(type)")
                p.rotate(y, N: N, C: C, heads: heads, D: D, by: p.buffer(turns), into: y, isBack: true)
                expectClose(p.floats(y), old, within: type == .float32 ? .forward : .bfloat16, terms: 1,          // rounded twice
                             "turned back in place, \((N, T, heads, D, rest)) of \(type)")
            }
        }
    }

    @Test(arguments: Machine.all)
    func `are made equally long, and their gradient agrees`(machine: Machine) throws {
        let p = try machine.processor()
        for (N, _, heads, D, rest) in Self.cases {
            let C = heads * D + rest
            for type in [DataType.float32, .bfloat16] {
                let x = p.buffer(TestRandom.numbers(N * C, seed: 1).map { $0 < 0 ? $0 - 0.2 : $0 + 0.2 }, type),
                    dy = p.buffer(TestRandom.numbers(N * C, seed: 2), type)
                let y = p.buffer(of: N * C, type), dx = p.buffer(of: N * C, type), rstd = p.buffer(of: N * heads, .float32)
                p.normHeads(x, N: N, C: C, heads: heads, D: D, into: y, rstd: rstd, epsilon: 1e-5)
                p.normHeadsGradient(dy: dy, y: y, N: N, C: C, heads: heads, D: D, rstd: rstd, into: dx)
                let old = p.floats(x).map { Double($0) }, slope = p.floats(dy).map { Double($0) }
                var wanted = old, gradient = slope
                for start in (0..<N).flatMap({ n in (0..<heads).map { n * C + $0 * D } }) {
                    let head = start..<start + D, r = 1 / (head.reduce(0) { $0 + old[$1] * old[$1] } / Double(D) + 1e-5).squareRoot()
                    let along = head.reduce(0) { $0 + slope[$1] * old[$1] * r } / Double(D)
                    for i in head {
                        wanted[i] = old[i] * r
                        gradient[i] = r * (slope[i] - old[i] * r * along)
                    }
                }
                let isExact = type == .float32, what = "\((N, heads, D, rest)) of \(type)"
                expectClose(p.floats(y), wanted, within: isExact ? .forward : .stored, what)
                expectClose(p.floats(dx), gradient, within: isExact ? .gradient : .bfloat16Gradient, terms: 1, "gradient of \(what)")
            }
        }
    }
}
