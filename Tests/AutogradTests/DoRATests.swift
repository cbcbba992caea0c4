import Autograd
import Kernels
import Testing
import TestSupport

/// Layers with DoRA. Tests/Peers/check_peft.py compares their gradients with PEFT's.
@Suite struct DoRATests {
    private static let (N, I, R) = (AdaptedLayer.N, AdaptedLayer.I, AdaptedLayer.R)
    /// Nine rows, two of which are not adapted.
    private static let blocks = [LoRABlock(rows: 4, rank: 2), LoRABlock(rows: 2, rank: 0), LoRABlock(rows: 3, rank: 1)]

    private func adaptedLayer(_ variant: KernelVariant) throws -> AdaptedLayer {
        try AdaptedLayer(variant, isTrained: false) {
            $0.usesDoRA = true
            $0.blocks = ["layer": Self.blocks]
        }
    }

    /// Sets A, B within its blocks, and the magnitudes to random numbers.
    private func randomize(_ adapted: AdaptedLayer) throws {
        var noise = TestRandom(4)
        let parameters = adapted.parameters, lora = try #require(adapted.layer.lora), magnitude = try #require(lora.magnitude)
        parameters.values[lora.a.range].write { span in for i in span.indices { span[i] = noise.number() } }
        parameters.values[lora.b.range].write { span in
            for (rows, columns) in lora.blockRanges {
                for row in rows { for column in columns { span[row * Self.R + column] = noise.number() } }
            }
        }
        parameters.values[magnitude.range].write { span in for i in span.indices { span[i] = 2 + noise.number() } }
    }

    @Test(arguments: KernelVariant.training) func `a new adapter computes what its base computes`(_ variant: KernelVariant) throws {
        let adapted = try adaptedLayer(variant), lora = try #require(adapted.layer.lora)
        adapted.parameters.initializeMagnitudes(of: [lora])
        for f in [UnaryFunction.identity, .gelu] {
            let w = adapted.tape.value(of: lora.weight), b = try adapted.tape.value(of: #require(adapted.layer.bias))
            let expected = adapted.tape.cast(adapted.tape.linear(adapted.x, weight: w, bias: b, then: f), to: .float32).floats
            expectClose(adapted.result(then: f, adds: false).floats, expected, within: variant.gradient, "\(f)")
        }
    }

    @Test(arguments: KernelVariant.training) func `the rows of a merged weight have the trained norms`(_ variant: KernelVariant) throws {
        for (f, adds) in [(UnaryFunction.identity, false), (.identity, true), (.gelu, false), (.gelu, true)] {
            let adapted = try adaptedLayer(variant), lora = try #require(adapted.layer.lora), magnitude = try #require(lora.magnitude)
            try randomize(adapted)
            let found = adapted.result(then: f, adds: adds).floats, original = adapted.tape.value(of: lora.weight).floats
            adapted.parameters.mergeLoRA(lora)
            let w = adapted.tape.value(of: lora.weight), b = try adapted.tape.value(of: #require(adapted.layer.bias))
            let merged = adapted.tape.linear(adapted.x, weight: w, bias: b, then: f, plus: adds ? adapted.plus : nil)
            expectClose(found, adapted.tape.cast(merged, to: .float32).floats, within: variant.gradient, "\(f) \(adds)")
            let m = adapted.tape.value(of: magnitude).floats
            for row in 0..<9 {
                let own = Array(w.floats[row * Self.I..<(row + 1) * Self.I])
                if row == 4 || row == 5 {
                    expectSame(own, Array(original[row * Self.I..<(row + 1) * Self.I]), "row \(row)")
                } else {
                    expectClose([own.reduce(0) { $0 + $1 * $1 }.squareRoot()], [abs(m[row])], within: .gradient, "row \(row)")
                }
            }
        }
    }

    /// u = x·Vᵀ, y = m/‖V‖·u:   dm = Σₙ dy·u/‖V‖, and 0 for rows that are not adapted.
    @Test func `magnitudes have the gradient of their rows`() throws {
        let adapted = try adaptedLayer(KernelVariant.standard[0]), lora = try #require(adapted.layer.lora)
        let magnitude = try #require(lora.magnitude)
        try randomize(adapted)
        var noise = TestRandom(9)
        let dy = noise.numbers(Self.N * 9)
        let y = adapted.layer(adapted.x, on: adapted.tape)
        adapted.tape.backward(from: y, gradient: adapted.tape.constant(dy, [Self.N, 9]))
        let m = adapted.tape.value(of: magnitude).floats, b = try adapted.tape.value(of: #require(adapted.layer.bias)).floats
        let values = y.floats
        let expected = (0..<9).map { row -> Float in
            if row == 4 || row == 5 { return 0 }
            return (0..<Self.N).reduce(0) { $0 + dy[$1 * 9 + row] * (values[$1 * 9 + row] - b[row]) / m[row] }
        }
        expectClose(adapted.parameters.gradient(of: magnitude).floats, expected, within: .gradient, "dm")
    }
}
