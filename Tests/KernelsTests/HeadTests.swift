import Glibc
import Kernels
import TestSupport
import Testing

/// Rotary position embedding and the norm of heads, against reference loops in f64.
@Suite struct HeadTests {
    /// N rows, with position n % T; heads of width D, and the width of the rest of a row.
    static let cases = [
        (N: 0, T: 2, heads: 2, D: 4, rest: 3), (1, 1, 1, 2, 0), (5, 3, 2, 6, 6), (70, 35, 3, 34, 17), (3, 3, 1, 66, 1), (2, 2, 2, 64, 64),
    ]

    @Test(arguments: ProcessorVariant.devices)
    func `heads are rotated to their positions and back`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (N, T, heads, D, rest) in Self.cases {
            let C = heads * D + rest, half = D / 2, angles = TestRandom.numbers(T * half, seed: 1).map { 3 * $0 }
            let table = angles.indices.reduce(into: [Float](repeating: 0, count: T * D)) { table, i in
                table[i / half * D + i % half] = cosf(angles[i])
                table[i / half * D + half + i % half] = sinf(angles[i])
            }
            for type in [DataType.float32, .bfloat16] {
                let x = p.buffer(TestRandom.numbers(N * C, seed: 2), type), y = p.buffer(of: N * C, type)
                let old = p.floats(x).map { Double($0) }
                var expected = old
                for n in 0..<N {
                    for i in 0..<heads * half {
                        let a = n * C + i / half * D + i % half, b = a + half, angle = Double(angles[n % T * half + i % half])
                        expected[a] = old[a] * cos(angle) - old[b] * sin(angle)
                        expected[b] = old[b] * cos(angle) + old[a] * sin(angle)
                    }
                }
                let tolerance = type == .float32 ? Tolerance.forward : .stored
                p.rotate(x, N: N, C: C, heads: heads, D: D, by: p.buffer(table), into: y)
                expectClose(p.floats(y), expected, within: tolerance, "\((N, T, heads, D, rest)) of \(type)")
                p.rotate(y, N: N, C: C, heads: heads, D: D, by: p.buffer(table), into: y, inverse: true)
                expectClose(p.floats(y), old, within: type == .float32 ? .forward : .bfloat16, terms: 1,          // rounded twice
                             "rotated back in place, \((N, T, heads, D, rest)) of \(type)")
            }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `the norm of heads and its gradient agree with reference loops`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (N, _, heads, D, rest) in Self.cases {
            let C = heads * D + rest
            for type in [DataType.float32, .bfloat16] {
                let x = p.buffer(TestRandom.numbers(N * C, seed: 1).map { $0 < 0 ? $0 - 0.2 : $0 + 0.2 }, type),
                    dy = p.buffer(TestRandom.numbers(N * C, seed: 2), type)
                let y = p.buffer(of: N * C, type), dx = p.buffer(of: N * C, type), rstd = p.buffer(of: N * heads, .float32)
                p.normHeads(x, N: N, C: C, heads: heads, D: D, into: y, rstd: rstd, epsilon: 1e-5)
                p.normHeadsGradient(dy: dy, x: y, N: N, C: C, heads: heads, D: D, rstd: rstd, into: dx)
                let old = p.floats(x).map { Double($0) }, gradientOfY = p.floats(dy).map { Double($0) }
                var expected = old, gradient = gradientOfY
                for start in (0..<N).flatMap({ n in (0..<heads).map { n * C + $0 * D } }) {
                    let head = start..<start + D, r = 1 / (head.reduce(0) { $0 + old[$1] * old[$1] } / Double(D) + 1e-5).squareRoot()
                    let projection = head.reduce(0) { $0 + gradientOfY[$1] * old[$1] * r } / Double(D)
                    for i in head {
                        expected[i] = old[i] * r
                        gradient[i] = r * (gradientOfY[i] - old[i] * r * projection)
                    }
                }
                let isExact = type == .float32, what = "\((N, heads, D, rest)) of \(type)"
                expectClose(p.floats(y), expected, within: isExact ? .forward : .stored, what)
                expectClose(p.floats(dx), gradient, within: isExact ? .gradient : .bfloat16Gradient, terms: 1, "gradient of \(what)")
            }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `the weighted norm of heads and its gradient agree with reference loops`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (N, heads) in [(1, AttentionHeads(1, width: 1)), (5, .init(4, keys: 2, width: 17)), (70, .init(3, keys: 1, width: 33))] {
            let C = heads.rowWidth, D = heads.width, H = heads.positioned
            let weights = TestRandom.numbers(2 * D, seed: 3)
            for type in [DataType.float32, .bfloat16] {
                let x = p.buffer(TestRandom.numbers(N * C, seed: 1).map { $0 < 0 ? $0 - 0.2 : $0 + 0.2 }, type)
                let dy = p.buffer(TestRandom.numbers(N * C, seed: 2), type), w = p.buffer(weights)
                let y = p.buffer(of: N * C, type), dx = p.buffer(of: N * C, type), rstd = p.buffer(of: N * H, .float32), dw = p.zeros(2 * D)
                p.normHeads(x, N: N, C: C, heads: H, D: D, scale: w, queries: heads.queries, into: y, rstd: rstd, epsilon: 1e-6)
                p.normHeadsGradient(
                    dy: dy, x: x, N: N, C: C, heads: H, D: D, scale: w, queries: heads.queries, rstd: rstd, into: dx, dw: dw)
                let old = p.floats(x).map { Double($0) }, slope = p.floats(dy).map { Double($0) }
                var expected = old, gradient = slope, weightGradient = [Double](repeating: 0, count: 2 * D)
                for (n, h) in (0..<N).flatMap({ n in (0..<H).map { (n, $0) } }) {
                    let start = n * C + h * D, part = h < heads.queries ? 0 : D
                    let r = 1 / ((0..<D).reduce(0) { $0 + old[start + $1] * old[start + $1] } / Double(D) + 1e-6).squareRoot()
                    let g = (0..<D).map { slope[start + $0] * Double(weights[part + $0]) }
                    let projection = (0..<D).reduce(0) { $0 + g[$1] * old[start + $1] * r } / Double(D)
                    for i in 0..<D {
                        expected[start + i] = old[start + i] * r * Double(weights[part + i])
                        gradient[start + i] = r * (g[i] - old[start + i] * r * projection)
                        weightGradient[part + i] += slope[start + i] * old[start + i] * r
                    }
                }
                let what = "\(N) rows, \(heads) of \(type)"
                expectClose(p.floats(y), expected, within: type == .float32 ? .forward : .stored, "y, \(what)")
                expectClose(p.floats(dx), gradient, within: type == .float32 ? .gradient : .bfloat16, "dx, \(what)")
                expectClose(p.floats(dw), weightGradient, within: .gradient, terms: Double(N), "dw, \(what)")
            }
        }
    }
}
