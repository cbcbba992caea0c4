internal import CKernels
import Glibc

// Transformations of queries and keys before attention. Rows are C wide and begin with `heads` heads of queries and keys, each D wide;
// the rest of a row is copied.
extension Processor {
    /// The cosines and sines [T, D] of rotary position embedding, for T positions from `start` on. Pair i of a head's D/2 pairs
    /// rotates by base^(−2i/D) per position.
    package func rotaryAngles(of T: Int, width D: Int, from start: Int = 0, base: Double = 10_000) -> Buffer {
        let frequencies = (0..<D / 2).map { pow(base, -2 * Double($0) / Double(D)) }
        let angles = buffer(of: T * D, .float32)
        angles.write { span in
            for t in 0..<T {
                for (i, frequency) in frequencies.enumerated() {
                    let angle = Double(start + t) * frequency
                    span[t * D + i] = Float(cos(angle))
                    span[t * D + D / 2 + i] = Float(sin(angle))
                }
            }
        }
        return angles
    }

    /// Rotates the heads of row n to position n % T, or back if `inverse`. `angles` [T, D] holds cosines, then sines. y may be x.
    package func rotate(_ x: Buffer, N: Int, C: Int, heads: Int, D: Int, by angles: Buffer, into y: Buffer, inverse: Bool = false) {
        let T = D == 0 ? 0 : angles.count / D
        require(
            D % 2 == 0 && x.count == N * C && heads * D <= C && (T > 0 || N * D == 0), "rotate: [\(N), \(C)] with \(heads) heads of \(D)")
        require(y.count == x.count && y.type == x.type, "rotate: \(x.count) \(x.type.rawValue) into \(y.count) \(y.type.rawValue)")
        if x.count == 0 { return }
        measured("rotate", bytes: 2 * x.count * x.type.size) {
            split(N, atLeast: 16) { rows in
                let n = rows.lowerBound
                table.rotate(
                    x[n * C..<N * C].pointer, x.type.code, angles.floats, max(T, 1), n, heads, D, inverse ? -1 : 1,
                    y[n * C..<N * C].pointer, rows.count, C)
            }
        }
    }

    /// RMS norm of each head: y = x/√(⟨x²⟩ + ε). Stores rstd [N, heads] for the backward pass.
    package func normHeads(_ x: Buffer, N: Int, C: Int, heads: Int, D: Int, into y: Buffer, rstd: Buffer, epsilon: Float) {
        checkHeads([x, y], N: N, C: C, heads: heads, D: D, rstd)
        measured("head norm", bytes: 2 * x.count * x.type.size) {
            split(N, atLeast: 16) { rows in
                let n = rows.lowerBound
                table.norm_heads(
                    x[n * C..<N * C].pointer, x.type.code, heads, D, y[n * C..<N * C].pointer, rstd[n * heads..<N * heads].floats,
                    rows.count, C, epsilon)
            }
        }
    }

    /// Writes dx, from the result y.
    package func normHeadsGradient(dy: Buffer, y: Buffer, N: Int, C: Int, heads: Int, D: Int, rstd: Buffer, into dx: Buffer) {
        checkHeads([dy, y, dx], N: N, C: C, heads: heads, D: D, rstd)
        measured("head norm gradient", bytes: 3 * y.count * y.type.size) {
            split(N, atLeast: 16) { rows in
                let n = rows.lowerBound
                table.norm_heads_gradient(
                    dy[n * C..<N * C].pointer, y[n * C..<N * C].pointer, y.type.code, heads, D, rstd[n * heads..<N * heads].floats,
                    dx[n * C..<N * C].pointer, rows.count, C)
            }
        }
    }

    private func checkHeads(_ buffers: [Buffer], N: Int, C: Int, heads: Int, D: Int, _ rstd: Buffer) {
        require(
            heads * D <= C && D > 0 && rstd.count == N * heads,
            "head norm: [\(N), \(C)] with \(heads) heads of \(D), \(rstd.count) elements of rstd")
        for buffer in buffers {
            require(
                buffer.count == N * C && buffer.type == buffers[0].type,
                "head norm: \(buffer.count) \(buffer.type.rawValue) for [\(N), \(C)]")
        }
    }
}
