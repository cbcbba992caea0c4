internal import CKernels
import Glibc

// What is done to questions and keys, which stand at the beginning of rows that are C wide: `heads` of them, each D wide. The rest of a row
// is copied.
extension Processor {
    /// The cosines and sines [T, D] of the angles at positions `start` and on: pair i of a head's D/2 turns by base^(−2i/D) from one
    /// position to the next,
    /// the first fastest.
    package func rotaryAngles(of T: Int, width D: Int, from start: Int = 0, base: Double = 10_000) -> Buffer {
        let speeds = (0..<D / 2).map { pow(base, -2 * Double($0) / Double(D)) }, angles = buffer(of: T * D, .float32)
        angles.write { span in
            for t in 0..<T {
                for (i, speed) in speeds.enumerated() {
                    let angle = Double(start + t) * speed
                    span[t * D + i] = Float(cos(angle))
                    span[t * D + D / 2 + i] = Float(sin(angle))
                }
            }
        }
        return angles
    }

    /// Turns the heads of row n by the angles of place n % T, or back; y may be x. `angles` [T, D] holds cosines, then sines.
    package func rotate(_ x: Buffer, N: Int, C: Int, heads: Int, D: Int, by angles: Buffer, into y: Buffer, isBack: Bool = false) {
        let T = D == 0 ? 0 : angles.count / D
        require(
            D % 2 == 0 && x.count == N * C && heads * D <= C && (T > 0 || N * D == 0), "rotate: [\(N), \(C)] with \(heads) heads of \(D)")
        require(y.count == x.count && y.type == x.type, "rotate: \(x.count) \(x.type.rawValue) into \(y.count) \(y.type.rawValue)")
        if x.count == 0 { return }
        measured("rotate", bytes: 2 * x.count * x.type.size) {
            split(N, atLeast: 16) { rows in
                let n = rows.lowerBound
                table.rotate(
                    x[n * C..<N * C].pointer, x.type.code, angles.floats, max(T, 1), n, heads, D, isBack ? -1 : 1, y[n * C..<N * C].pointer,
                    rows.count, C)
            }
        }
    }

    /// y = x/√(⟨x²⟩ + ε) in each head. The statistics, rstd [N, heads], are kept for the way back.
    package func normHeads(_ x: Buffer, N: Int, C: Int, heads: Int, D: Int, into y: Buffer, rstd: Buffer, epsilon: Float) {
        checkHeads([x, y], N: N, C: C, heads: heads, D: D, rstd)
        measured("norm of heads", bytes: 2 * x.count * x.type.size) {
            split(N, atLeast: 16) { rows in
                let n = rows.lowerBound
                table.norm_heads(
                    x[n * C..<N * C].pointer, x.type.code, heads, D, y[n * C..<N * C].pointer, rstd[n * heads..<N * heads].floats,
                    rows.count, C, epsilon)
            }
        }
    }

    /// dx is written, from the result y.
    package func normHeadsGradient(dy: Buffer, y: Buffer, N: Int, C: Int, heads: Int, D: Int, rstd: Buffer, into dx: Buffer) {
        checkHeads([dy, y, dx], N: N, C: C, heads: heads, D: D, rstd)
        measured("norm of heads gradient", bytes: 3 * y.count * y.type.size) {
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
            "norm of heads: [\(N), \(C)] with \(heads) heads of \(D), \(rstd.count) statistics")
        for buffer in buffers {
            require(
                buffer.count == N * C && buffer.type == buffers[0].type,
                "norm of heads: \(buffer.count) \(buffer.type.rawValue) for [\(N), \(C)]")
        }
    }
}
