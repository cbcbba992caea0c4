import Glibc
import Kernels
import TestSupport
import Testing

@Suite struct AttentionTests {
    static let cases = [(B: 1, T: 1, H: 1, D: 1), (2, 1, 2, 3), (1, 3, 3, 17), (1, 47, 1, 8), (2, 48, 1, 33), (1, 49, 2, 5),
        (1, 97, 2, 17), (1, 65, 1, 64), (1, 205, 1, 40)]

    @Test(arguments: ProcessorVariant.all, [false, true])
    func `results and gradients agree with reference loops`(variant: ProcessorVariant, hasDocuments: Bool) throws {
        try check(variant, hasDocuments: hasDocuments)
    }

    @Test(.needsBFloat16, arguments: ProcessorVariant.bfloat16(of: ProcessorVariant.devices), [false, true])
    func `results and gradients of bf16 matmul agree with reference loops`(variant: ProcessorVariant, hasDocuments: Bool) throws {
        try check(variant, hasDocuments: hasDocuments)
    }

    private func check(_ variant: ProcessorVariant, hasDocuments: Bool) throws {
        let p = try variant.processor(), precision = variant.precision
        let equalHeads = Self.cases.map { (B, T, H, D) in AttentionSample(B: B, T: T, H: H, D: D, hasDocuments: hasDocuments) }
        let samples = equalHeads + [
            AttentionSample(B: 2, T: 50, H: 4, K: 2, D: 16, hasDocuments: hasDocuments),
            AttentionSample(B: 1, T: 131, H: 3, K: 1, D: 33, window: 40, hasDocuments: hasDocuments),
            AttentionSample(B: 2, T: 100, H: 2, D: 8, window: 1, hasDocuments: hasDocuments),
            AttentionSample(B: 1, T: 210, H: 6, K: 2, D: 20, window: 97, hasDocuments: hasDocuments),
            AttentionSample(B: 2, T: 50, H: 4, K: 2, D: 16, cap: 0.3, hasDocuments: hasDocuments),
            AttentionSample(B: 1, T: 131, H: 2, D: 33, window: 60, cap: 2, hasDocuments: hasDocuments),
            AttentionSample(B: 2, T: 70, H: 4, K: 2, D: 16, window: 60, hasSinks: true, hasDocuments: hasDocuments),
        ]
        for sample in samples {
            for type in [DataType.float32, .bfloat16] {
                let actual = sample.run(on: p, storing: type, in: precision), expected = sample.reference(storing: type)
                let isExact = type == .float32 && precision == .float32, tolerance = isExact ? Tolerance.forward : .bfloat16
                let what = "\(sample.B) × \(sample.T), \(sample.heads) of \(type) in \(precision)"
                expectClose(actual.y, expected.y, within: tolerance, "y \(what)")
                expectClose(actual.logSums, expected.logSums, within: tolerance, "log sums \(what)")
                let loose = isExact ? Tolerance.gradient : .bfloat16Gradient
                expectClose(actual.gradient, expected.gradient, within: loose, "gradient \(what)")
                expectClose(actual.sinkGradient, expected.sinkGradient, within: loose, terms: Double(sample.T), "gradient of sinks \(what)")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `bits do not depend on the number of threads`(instructionSet: String) throws {
        let sample = AttentionSample(B: 3, T: 97, H: 6, K: 3, D: 17, window: 50, hasDocuments: true)
        let runs = try [1, 1, 2, 2, 3].map {
            try sample.run(on: Processor(threads: $0, cores: $0, instructionSet: instructionSet), storing: .float32, in: .float32)
        }
        for run in runs {
            expectSame(run.y, runs[0].y)
            expectSame(run.gradient, runs[0].gradient)
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `positions attend neither to later positions nor to other documents`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), T = 50
        var sample = AttentionSample(B: 1, T: T, H: 1, D: 8, hasDocuments: false)
        sample.first = (0..<T).map { $0 < 20 ? 0 : 20 }
        let before = sample.run(on: p, storing: .float32, in: .float32)
        for i in 0..<24 * 20 { sample.qkv[i] += 1 }             // the first document
        for i in 24 * 45..<24 * T { sample.qkv[i] -= 1 }        // the last positions
        let after = sample.run(on: p, storing: .float32, in: .float32)
        expectSame(Array(before.y[8 * 20..<8 * 45]), Array(after.y[8 * 20..<8 * 45]))
    }

    @Test(arguments: ProcessorVariant.devices)
    func `huge scores are accurate and NaN stays in its row`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        var sample = AttentionSample(B: 1, T: 33, H: 1, D: 4, hasDocuments: false)
        for i in sample.qkv.indices where i % 12 < 8 { sample.qkv[i] *= 1_000 }
        let y = sample.run(on: p, storing: .float32, in: .float32).y
        expectClose(y, sample.reference(storing: .float32).y, within: .hugeLogits)
        sample.qkv[12 * 20] = .nan                              // the query of position 20
        let withNaN = sample.run(on: p, storing: .float32, in: .float32).y
        expectSame(Array(withNaN[..<(4 * 20)]), Array(y[..<(4 * 20)]))
        #expect(withNaN[4 * 20..<4 * 21].allSatisfy { $0.isNaN })
        expectSame(Array(withNaN[(4 * 21)...]), Array(y[(4 * 21)...]))
    }
}

private struct AttentionSample {
    let B, T: Int
    let heads: AttentionHeads
    var qkv: [Float]                 // [B, T, (H + 2K)·D]
    let dy: [Float]                  // [B, T, H·D]
    var first: [Int32]?              // [B, T]
    let sinks: [Float]?              // [H]

    init(
        B: Int, T: Int, H: Int, K: Int? = nil, D: Int, window: Int? = nil, cap: Float? = nil, hasSinks: Bool = false, hasDocuments: Bool
    ) {
        self.B = B
        self.T = T
        heads = AttentionHeads(H, keys: K, width: D, scale: window.map { _ in 0.3 }, scoreCap: cap, window: window)
        qkv = TestRandom.numbers(B * T * heads.rowWidth, seed: 1)
        dy = TestRandom.numbers(B * T * heads.queryWidth, seed: 2)
        sinks = hasSinks ? TestRandom.numbers(H, seed: 3).map { 2 * $0 } : nil
        // Documents of 1, 2, 3 … positions.
        var starts: [Int32] = []
        for length in 1...T { starts += [Int32](repeating: Int32(starts.count), count: length) }
        first = hasDocuments ? (0..<B * T).map { starts[$0 % T] } : nil
    }

    func run(
        on p: Processor, storing type: DataType, in precision: DataType
    ) -> (y: [Float], logSums: [Float], gradient: [Float], sinkGradient: [Float]) {
        let x = p.buffer(qkv, type), dx = p.buffer(of: x.count, type)
        func parts(_ b: Buffer) -> [Buffer] {
            [0, heads.queryWidth, heads.queryWidth + heads.keyWidth].map { b[min($0, b.count)..<b.count] }
        }
        let (q, k, v) = (parts(x)[0], parts(x)[1], parts(x)[2])
        var a = Attention(
            q: q, k: k, v: v, B: B, T: T, heads: heads, stride: heads.rowWidth, first: first.map { p.ids($0) },
            sinks: sinks.map { p.buffer($0) }, on: p)
        a.precision = precision
        let y = p.buffer(of: B * T * heads.queryWidth, type), logSums = p.buffer(of: B * heads.queries * T, .float32)
        p.attention(a, into: y, logSums: logSums)
        let d = parts(dx), dsinks = sinks.map { _ in p.buffer(of: B * heads.queries, .float32) }
        p.attentionGradient(a, y: y, logSums: logSums, dy: p.buffer(dy, type), dq: d[0], dk: d[1], dv: d[2], dsinks: dsinks)
        return (p.floats(y), p.floats(logSums), p.floats(dx), dsinks.map { p.floats($0) } ?? [])
    }

    func reference(storing type: DataType) -> (y: [Double], logSums: [Double], gradient: [Double], sinkGradient: [Double]) {
        let x = qkv.map { Double(type == .bfloat16 ? rounded($0) : $0) }, H = heads.queries, D = heads.width
        let gradient = dy.map { Double(type == .bfloat16 ? rounded($0) : $0) }
        func dot(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int) -> Double { (0..<D).reduce(0) { $0 + a[i + $1] * b[j + $1] } }
        let scale = Double(heads.scale), cap = heads.scoreCap.map(Double.init)
        func capped(_ score: Double) -> Double { cap.map { $0 * tanh(score / $0) } ?? score }
        /// The derivative of the soft cap, from its result.
        func slope(_ score: Double) -> Double { cap.map { 1 - score / $0 * (score / $0) } ?? 1 }
        var y = [Double](repeating: 0, count: dy.count), logSums = [Double](repeating: 0, count: B * H * T)
        var dx = [Double](repeating: 0, count: x.count), dsinks = [Double](repeating: 0, count: sinks == nil ? 0 : B * H)
        for b in 0..<B {
            for h in 0..<H {
                let shared = h / (H / heads.keys)
                let start = [h * D, heads.queryWidth + shared * D, heads.queryWidth + heads.keyWidth + shared * D]
                let at = { (t: Int, part: Int) in (b * T + t) * heads.rowWidth + start[part] }
                for t in 0..<T {
                    let out = (b * T + t) * heads.queryWidth + h * D
                    let low = max(Int(first?[b * T + t] ?? 0), t + 1 - (heads.window ?? T))
                    let scores = (low...t).map { capped(dot(x, at(t, 0), x, at($0, 1)) * scale) }
                    let top = scores.max() ?? 0, ofSink = sinks.map { exp(Double($0[h]) - top) } ?? 0
                    let sum = scores.reduce(ofSink) { $0 + exp($1 - top) }
                    logSums[(b * H + h) * T + t] = top + log(sum)
                    let probs = scores.map { exp($0 - top) / sum }
                    for (s, p) in zip(low...t, probs) { for d in 0..<D { y[out + d] += p * x[at(s, 2) + d] } }
                    let projection = dot(gradient, out, y, out)
                    if sinks != nil { dsinks[b * H + h] -= ofSink / sum * projection }
                    for (s, p) in zip(low...t, probs) {
                        let ds = p * (dot(gradient, out, x, at(s, 2)) - projection) * scale * slope(scores[s - low])
                        for d in 0..<D {
                            dx[at(s, 2) + d] += p * gradient[out + d]
                            dx[at(t, 0) + d] += ds * x[at(s, 1) + d]
                            dx[at(s, 1) + d] += ds * x[at(t, 0) + d]
                        }
                    }
                }
            }
        }
        return (y, logSums, dx, dsinks)
    }
}
