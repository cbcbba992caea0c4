// Elementwise operations, copies and sums. Each returns false if the CPU has to compute, because a buffer is not on the device, or because
// shaders lack the function.
extension GPU {
    func clear(_ y: Buffer) -> Bool { moveWords(nil, into: y) }

    func move(_ x: Buffer, into y: Buffer) -> Bool { moveWords(x, into: y) }

    private func moveWords(_ x: Buffer?, into y: Buffer) -> Bool {
        switch y.type.size {
        case 4: runElementwise(Shader("move"), [x, y], writing: [1], count: y.count)
        case 2: runElementwise(Shader("move_halves"), [x, y], writing: [1], count: y.count)
        default: false
        }
    }

    func apply(_ f: UnaryFunction, _ x: Buffer, into y: Buffer) -> Bool {
        f.hasShader && runElementwise(Shader("unary"), [x, y], writing: [1], count: x.count, [Int(f.rawValue)])
    }

    func applyGradient(_ f: UnaryFunction, dy: Buffer, x: Buffer, into dx: Buffer, adding: Bool) -> Bool {
        f.hasShader && runInEights("unary_gradient", [dy, x, dx], writing: [2], count: x.count, [Int(f.rawValue), adding ? 1 : 0])
    }

    func softCap(_ x: Buffer, at cap: Float, into y: Buffer) -> Bool {
        runElementwise(Shader("soft_cap"), [x, y], writing: [1], count: x.count, [], [cap])
    }

    func softCapGradient(dy: Buffer, y: Buffer, cap: Float, into dx: Buffer) -> Bool {
        runElementwise(Shader("soft_cap"), [y, dx, dy], writing: [1], count: y.count, [], [cap])
    }

    func gatedActivation(_ f: UnaryFunction, _ x: Buffer, N: Int, F: Int, into y: Buffer) -> Bool {
        f.hasShader
            && run(Shader("gated_activation"), [x, y], writing: [1], [N, F, Int(f.rawValue)], groups: (N * F + 255) / 256)
    }

    func gatedActivationGradient(_ f: UnaryFunction, dy: Buffer, x: Buffer, N: Int, F: Int, into dx: Buffer) -> Bool {
        f.hasShader && run(
            Shader("gated_activation_gradient"), [dy, x, dx], writing: [2], [N, F, Int(f.rawValue)], groups: (N * F + 255) / 256)
    }

    func copy(_ x: Buffer, into y: Buffer, scale: Float, adding: Bool) -> Bool {
        runInEights("copy", [x, y], writing: [1], count: x.count, [adding ? 1 : 0], [scale])
    }

    func dropout(_ x: Buffer, into y: Buffer, p: Float, seed: UInt64, start: UInt64, adding: Bool) -> Bool {
        let threshold = UInt64(Double(p) * 4_294_967_296), scale = 1 / (1 - p)
        let halves = [seed, start].flatMap { [Int($0 & 0xffff_ffff), Int($0 >> 32)] }
        return runElementwise(
            Shader("dropout"), [x, y], writing: [1], count: x.count, [adding ? 1 : 0] + halves + [Int(threshold)], [scale])
    }

    /// y [outer, inner] (+)= scale·Σ x [outer, R, inner]: for one outer index, or for inner 1.
    func sum(_ x: Buffer, outer: Int, R: Int, inner: Int, into y: Buffer, scale: Float, adding: Bool, on processor: Processor) -> Bool {
        if inner == 1, outer > 1 || R <= 4_096 {
            return run(
                Shader("sum_rows"), [x, y], writing: [1], [R, adding ? 1 : 0, 0, outer * R], [scale], groups: outer)
        }
        guard outer == 1, x.isOn(self), y.isOn(self) else { return false }
        if inner == 1 {
            let parts = 256, length = (R + parts - 1) / parts, partial = processor.buffer(of: (R + length - 1) / length, .float32)
            return run(Shader("sum_rows"), [x, partial], writing: [1], [length, 0, 0, R], [1], groups: partial.count)
                && run(
                    Shader("sum_rows"), [partial, y], writing: [1], [partial.count, adding ? 1 : 0, 0, partial.count], [scale],
                    groups: 1)
        }
        let parts = rowParts(R)
        if parts == 1 { return sumColumns(x, R: R, C: inner, into: y, scale: scale, adding: adding) }
        let partial = processor.buffer(of: parts * inner, .float32)
        return sumColumns(x, R: R, C: inner, parts: parts, into: partial, adding: false)
            && sumColumns(partial, R: parts, C: inner, into: y, scale: scale, adding: adding)
    }

    /// In how many parts a sum over R rows is added up: enough for a large device.
    func rowParts(_ R: Int) -> Int { min(256, max(1, R / 64)) }

    /// y [parts, C] (+)= scale·Σ x [R, C] along the rows of each part. Rows of x are `stride` apart.
    func sumColumns(
        _ x: Buffer, R: Int, C: Int, stride: Int? = nil, parts: Int = 1, into y: Buffer, scale: Float = 1, adding: Bool
    ) -> Bool {
        run(
            Shader("sum_columns"), [x, y], writing: [1], [R, C, parts, adding ? 1 : 0, stride ?? C], [scale], groups: (C + 31) / 32,
            rows: parts)
    }

    /// Σ x² of each block of so many elements; nil if x is not on the device.
    func sumsOfSquares(_ x: Buffer, block: Int, on processor: Processor) -> [Double]? {
        // Each block in parts: a workgroup adds up few numbers in f32, and the CPU adds up the parts in f64.
        let part = block % (1 << 12) == 0 ? 1 << 12 : block, parts = (x.count + part - 1) / part
        let sums = processor.buffer(of: parts, .float32)
        guard run(Shader("sum_rows"), [x, sums], writing: [1], [part, 0, 1, x.count], [1], groups: parts) else { return nil }
        let perBlock = block / part
        return sums.read { sums in
            stride(from: 0, to: parts, by: perBlock).map { first in
                (first..<min(first + perBlock, parts)).reduce(0) { $0 + Double(sums[$1]) }
            }
        }
    }

    func adamW(
        _ step: AdamWStep, corrections: (first: Float, second: Float), weights w: Buffer, gradients g: Buffer, first m: Buffer,
        second v: Buffer, on processor: Processor
    ) -> Bool {
        let settings = processor.buffer(of: 4, .float32)
        settings.write { span in
            span[0] = step.beta1
            span[1] = step.beta2
            span[2] = step.epsilon
            span[3] = 1 / corrections.second.squareRoot()
        }
        return runElementwise(
            Shader("adamw"), [w, g, m, v, settings], writing: [0, 2, 3], count: w.count, [],
            [step.rate / corrections.first, 1 - step.rate * step.decay, step.gradientScale])
    }
}

extension UnaryFunction {
    fileprivate var hasShader: Bool { self != .clampedSiLU }
}
