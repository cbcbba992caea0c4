internal import CKernels

// Elementwise operations, copies, reductions and random numbers. Strided tensors have four dimensions, outermost first; strides are in
// elements.
extension Processor {
    /// y = f(x)
    package func apply(_ f: UnaryFunction, _ x: Buffer, into y: Buffer) {
        require(x.count == y.count, "\(f): \(x.count) elements into \(y.count)")
        measured("elementwise", bytes: x.count * (x.type.size + y.type.size)) {
            if let gpu, gpu.apply(f, x, into: y) { return }
            split(x.count, atLeast: 1 << 12, multipleOf: vectorWidth) { range in
                table.unary(f.rawValue, x[range].pointer, x.type.code, y[range].pointer, y.type.code, range.count)
            }
        }
    }

    /// dx = dy·f'(x), or dx += dy·f'(x) if `adding`.
    package func applyGradient(_ f: UnaryFunction, dy: Buffer, x: Buffer, into dx: Buffer, adding: Bool) {
        require(x.count == dx.count && dy.count == x.count, "\(f) gradient: \(dy.count) elements for \(x.count)")
        measured("elementwise gradient", bytes: x.count * (x.type.size + dy.type.size + dx.type.size * (adding ? 2 : 1))) {
            if let gpu, gpu.applyGradient(f, dy: dy, x: x, into: dx, adding: adding) { return }
            split(x.count, atLeast: 1 << 12, multipleOf: vectorWidth) { range in
                table.unary_gradient(
                    f.rawValue, dy[range].pointer, dy.type.code, x[range].pointer, x.type.code, dx[range].pointer, dx.type.code,
                    range.count, adding)
            }
        }
    }

    /// y = cap·tanh(x/cap): nearly x for small x, and never beyond ±cap. y may be x.
    package func softCap(_ x: Buffer, at cap: Float, into y: Buffer) {
        require(x.count == y.count && cap > 0, "soft cap of \(cap): \(x.count) elements into \(y.count)")
        measured("soft cap", bytes: x.count * (x.type.size + y.type.size)) {
            if let gpu, gpu.softCap(x, at: cap, into: y) { return }
            split(x.count, atLeast: 1 << 12, multipleOf: vectorWidth) { range in
                table.soft_cap(cap, x[range].pointer, x.type.code, y[range].pointer, y.type.code, range.count)
            }
        }
    }

    /// dx = dy·(1 − (y/cap)²), from the result y. dx may be dy.
    package func softCapGradient(dy: Buffer, y: Buffer, cap: Float, into dx: Buffer) {
        require(dy.count == y.count && dx.count == y.count && cap > 0, "soft cap gradient: \(dy.count) elements for \(y.count)")
        measured("soft cap gradient", bytes: y.count * (y.type.size + dy.type.size + dx.type.size)) {
            if let gpu, gpu.softCapGradient(dy: dy, y: y, cap: cap, into: dx) { return }
            split(y.count, atLeast: 1 << 12, multipleOf: vectorWidth) { range in
                table.soft_cap_gradient(
                    cap, dy[range].pointer, dy.type.code, y[range].pointer, y.type.code, dx[range].pointer, dx.type.code, range.count)
            }
        }
    }

    /// Gated activation: y [N, F] = f(x[:, 0 ..< F])·x[:, F ..< 2F].   x [N, 2F]
    package func gatedActivation(_ f: UnaryFunction, _ x: Buffer, N: Int, F: Int, into y: Buffer) {
        require(x.count == 2 * N * F && y.count == N * F, "gated activation: \(x.count) elements into \(y.count), not [\(N), \(F)]")
        measured("gated activation", bytes: x.count * x.type.size + y.count * y.type.size) {
            if let gpu, gpu.gatedActivation(f, x, N: N, F: F, into: y) { return }
            split(N, atLeast: 1 + 4_096 / max(F, 1)) { rows in
                let n = rows.lowerBound
                table.gated_activation(
                    f.rawValue, x[2 * n * F..<x.count].pointer, x.type.code, y[n * F..<y.count].pointer, y.type.code, rows.count, F)
            }
        }
    }

    /// Writes dx.
    package func gatedActivationGradient(_ f: UnaryFunction, dy: Buffer, x: Buffer, N: Int, F: Int, into dx: Buffer) {
        require(
            x.count == 2 * N * F && dy.count == N * F && dx.count == x.count && x.type == dy.type && x.type == dx.type,
            "gated activation gradient: \(dy.count) and \(x.count) elements, not [\(N), \(F)]")
        measured("gated activation gradient", bytes: (2 * x.count + dy.count) * x.type.size) {
            if let gpu, gpu.gatedActivationGradient(f, dy: dy, x: x, N: N, F: F, into: dx) { return }
            split(N, atLeast: 1 + 4_096 / max(F, 1)) { rows in
                let n = rows.lowerBound
                table.gated_activation_gradient(
                    f.rawValue, dy[n * F..<dy.count].pointer, x[2 * n * F..<x.count].pointer, dx[2 * n * F..<x.count].pointer, x.type.code,
                    rows.count, F)
            }
        }
    }

    /// y = a ∘ b. y is contiguous.
    package func combine(
        _ f: ArithmeticOperator, shape: [Int], _ a: Buffer, strides aStrides: [Int], _ b: Buffer, strides bStrides: [Int], into y: Buffer
    ) {
        checkReach(a, shape, aStrides)
        checkReach(b, shape, bStrides)
        let count = shape.reduce(1, *)
        require(y.count >= count, "\(f): \(shape) into \(y.count) elements")
        measured("elementwise", bytes: count * (a.type.size + b.type.size + y.type.size)) {
            splitOutermost(shape) { part, start in
                let out = start * count / max(1, shape[part.axis])
                table.binary(
                    f.rawValue, part.shape, a.pointer + start * aStrides[part.axis] * a.type.size, a.type.code, aStrides,
                    b.pointer + start * bStrides[part.axis] * b.type.size, b.type.code, bStrides, y.pointer + out * y.type.size, y.type.code
                )
            }
        }
    }

    /// y = scale·x, or y += scale·x if `adding`, with strides on both sides. Sums x over axes where a stride of y is 0; ``sum`` is more
    /// accurate for long axes.
    package func copy(
        shape: [Int], _ x: Buffer, strides xStrides: [Int], into y: Buffer, strides yStrides: [Int], scale: Float = 1, adding: Bool = false
    ) {
        checkReach(x, shape, xStrides)
        checkReach(y, shape, yStrides)
        let count = shape.reduce(1, *)
        measured("copy", bytes: count * (x.type.size + y.type.size * (adding ? 2 : 1))) {
            splitOutermost(shape, unless: { yStrides[$0] == 0 }) { part, start in
                table.copy(part.shape, x.pointer + start * xStrides[part.axis] * x.type.size, x.type.code, xStrides,
                           y.pointer + start * yStrides[part.axis] * y.type.size, y.type.code, yStrides, scale, adding)
            }
        }
    }

    /// y = scale·x, or y += scale·x if `adding`.
    package func copy(_ x: Buffer, into y: Buffer, scale: Float = 1, adding: Bool = false) {
        require(x.count == y.count, "copy: \(x.count) elements into \(y.count)")
        if gpu != nil, copyOnDevice(x, into: y, scale: scale, adding: adding) { return }
        copy(shape: [1, 1, 1, x.count], x, strides: [0, 0, 0, 1], into: y, strides: [0, 0, 0, 1], scale: scale, adding: adding)
    }

    private func copyOnDevice(_ x: Buffer, into y: Buffer, scale: Float, adding: Bool) -> Bool {
        var isDone = false
        measured("copy", bytes: x.count * (x.type.size + y.type.size * (adding ? 2 : 1))) {
            isDone = gpu?.copy(x, into: y, scale: scale, adding: adding) ?? false
        }
        return isDone
    }

    /// y [outer, inner] = scale·Σ x [outer, R, inner] along R, added to y if `adding`. Partial sums are f64 on the CPU.
    package func sum(_ x: Buffer, outer: Int, R: Int, inner: Int, into y: Buffer, scale: Float = 1, adding: Bool = false) {
        require(
            x.count >= outer * R * inner && y.count >= outer * inner,
            "sum: [\(outer), \(R), \(inner)] from \(x.count) elements into \(y.count)")
        measured("sum", bytes: outer * R * inner * x.type.size) {
            if let gpu, gpu.sum(x, outer: outer, R: R, inner: inner, into: y, scale: scale, adding: adding, on: self) { return }
            if outer == 1, inner > 1 {
                split(inner, atLeast: max(vectorWidth, 4_096 / max(1, R)), multipleOf: vectorWidth) { columns in
                    let i = columns.lowerBound
                    table.sum(x.pointer + i * x.type.size, x.type.code, 1, R, columns.count, inner, y.floats + i, scale, adding)
                }
            } else {
                split(outer, atLeast: 1 + 4_096 / max(1, R * inner)) { rows in
                    let o = rows.lowerBound
                    table.sum(
                        x.pointer + o * R * inner * x.type.size, x.type.code, rows.count, R, inner, inner, y.floats + o * inner, scale,
                        adding)
                }
            }
        }
    }

    /// y [outer, inner] = max x [outer, R, inner] along R; `indices` receives the first index along R that has it.
    package func maximum(_ x: Buffer, outer: Int, R: Int, inner: Int, into y: Buffer, at indices: Buffer) {
        require(R > 0, "max: an axis of length 0")
        require(
            x.count >= outer * R * inner && y.count >= outer * inner && indices.count >= outer * inner,
            "max: [\(outer), \(R), \(inner)] from \(x.count)")
        measured("max", bytes: outer * R * inner * x.type.size) {
            split(outer, atLeast: 1 + 4_096 / max(1, R * inner)) { rows in
                table.maximum(
                    x.pointer + rows.lowerBound * R * inner * x.type.size, x.type.code, rows.count, R, inner,
                    y.floats + rows.lowerBound * inner,
                    indices.ids + rows.lowerBound * inner)
            }
        }
    }

    /// y = x/(1 − p), or 0 with probability p. The result depends only on x, p, the seed and `start`.
    package func dropout(_ x: Buffer, into y: Buffer, p: Float, seed: UInt64, start: UInt64, adding: Bool = false) {
        require(x.count == y.count && p >= 0 && p < 1, "dropout: p = \(p), \(x.count) elements into \(y.count)")
        measured("dropout", bytes: x.count * (x.type.size + y.type.size)) {
            if let gpu, gpu.dropout(x, into: y, p: p, seed: seed, start: start, adding: adding) { return }
            split(x.count, atLeast: 1 << 12, multipleOf: vectorWidth) { range in
                table.dropout(
                    x[range].pointer, x.type.code, y[range].pointer, y.type.code, range.count, p, seed, start + UInt64(range.lowerBound),
                    adding)
            }
        }
    }

    /// Fills y with numbers that are uniformly distributed in [0, 1): elements of the stream `seed`, from `start` on.
    package func uniform(into y: Buffer, seed: UInt64, start: UInt64 = 0) {
        split(y.count, atLeast: 1 << 12, multipleOf: vectorWidth) { range in
            table.uniform(y.floats + range.lowerBound, range.count, seed, start + UInt64(range.lowerBound))
        }
    }

    /// Fills y with normally distributed numbers of mean 0 and variance 1: elements of the stream `seed`, from `start` on.
    package func normal(into y: Buffer, seed: UInt64, start: UInt64 = 0) {
        split(y.count, atLeast: 1 << 12, multipleOf: vectorWidth) { range in
            table.normal(y.floats + range.lowerBound, range.count, seed, start + UInt64(range.lowerBound))
        }
    }

    private func checkReach(_ x: Buffer, _ shape: [Int], _ strides: [Int]) {
        require(shape.count == 4 && strides.count == 4, "expected four dimensions, found \(shape.count) with \(strides.count) strides")
        let last = zip(shape, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 }
        require(
            shape.contains(0) || (last >= 0 && last < x.count),
            "\(shape) with strides \(strides) exceeds a buffer of \(x.count) elements")
    }

    /// Splits the outermost axis that is longer than 1 among the threads, unless they would write to the same elements. Calls `body` with
    /// that axis, the shape of a part, and where on the axis the part begins.
    private func splitOutermost(
        _ shape: [Int], unless isNotSplittable: (_ axis: Int) -> Bool = { _ in false },
        _ body: ((axis: Int, shape: [Int]), _ start: Int) -> Void
    ) {
        if shape.contains(0) { return }
        let axis = shape.firstIndex { $0 > 1 } ?? 3
        if isNotSplittable(axis) { return body((axis, shape), 0) }
        let rest = shape[(axis + 1)...].reduce(1, *)
        split(shape[axis], atLeast: 1 + 4_096 / rest, multipleOf: axis == 3 ? vectorWidth : 1) { range in
            var part = shape
            part[axis] = range.count
            body((axis, part), range.lowerBound)
        }
    }
}
