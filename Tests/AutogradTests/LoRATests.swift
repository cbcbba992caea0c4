import Autograd
import Kernels
import Testing
import TestSupport

@Suite struct LoRATests {
    private static let (N, I, O, R) = (AdaptedLayer.N, AdaptedLayer.I, AdaptedLayer.O, AdaptedLayer.R)

    private static let cases: [(UnaryFunction, Bool)] = [(.identity, false), (.identity, true), (.gelu, false), (.gelu, true)]

    @Test(arguments: KernelVariant.training) func `an adapted layer equals a layer with the weight W + scale·B·A`(
        _ variant: KernelVariant
    ) throws {
        for (f, adds) in Self.cases {
            let adapted = try AdaptedLayer(variant), layer = adapted.layer, found = adapted.result(then: f, adds: adds).floats
            let lora = try #require(layer.lora)
            adapted.parameters.addLoRA(lora, scaledBy: 1, from: adapted.parameters.values)
            adapted.parameters.values[lora.b.range].write { span in for i in span.indices { span[i] = 0 } }
            expectClose(found, adapted.result(then: f, adds: adds).floats, within: variant.gradient, "\(f) \(adds)")
            // W + scale·B·A in plain loops.
            let fresh = try AdaptedLayer(variant), pair = try #require(fresh.layer.lora)
            let w = fresh.tape.value(of: pair.weight).floats
            let a = fresh.tape.value(of: pair.a).floats
            let b = fresh.tape.value(of: pair.b).floats
            let whole = (0..<Self.O * Self.I).map { i -> Float in
                let (o, c) = i.quotientAndRemainder(dividingBy: Self.I)
                return w[i] + 2 * (0..<Self.R).reduce(0) { $0 + b[o * Self.R + $1] * a[$1 * Self.I + c] }
            }
            expectClose(adapted.tape.value(of: pair.weight).floats, whole, within: .forward, "W + 2·B·A")
        }
    }

    @Test func `the gradients of A and B match finite differences, and no other parameter has a gradient`() throws {
        for (f, adds) in Self.cases {
            let adapted = try AdaptedLayer(), parameters = adapted.parameters
            var noise = TestRandom(9)
            let r = noise.numbers(Self.N * Self.O)
            let y = adapted.result(then: f, adds: adds)
            adapted.tape.backward(from: y, gradient: adapted.tape.constant(r, y.shape))
            #expect(
                parameters.list.map(\.name) == ["some.layer.lora_A", "some.layer.lora_B"] && parameters.count == Self.R * (Self.I + Self.O))
            func loss(_ index: Int, _ step: Float) -> (x: Double, y: Double) {
                var x: Float = 0, old: Float = 0
                parameters.values.write { span in
                    old = span[index]
                    span[index] += step
                    x = span[index]
                }
                let y = adapted.tape.withoutRecording {
                    zip(adapted.result(then: f, adds: adds).floats, r).reduce(0) { $0 + Double($1.0) * Double($1.1) }
                }
                parameters.values.write { span in span[index] = old }
                return (Double(x), y)
            }
            for parameter in parameters.list {
                let gradient = parameters.gradient(of: parameter).floats
                for i in stride(from: 0, to: parameter.shape.count, by: 4) {
                    let p = parameter.start + i
                    let a = loss(p, -0.04)
                    let b = loss(p, -0.02)
                    let c = loss(p, 0.02)
                    let d = loss(p, 0.04)
                    let slope = 4 / 3 * (c.y - b.y) / (c.x - b.x) - 1 / 3 * (d.y - a.y) / (d.x - a.x)
                    if Tolerance.finiteDifference.excess(Double(gradient[i]), slope) > 1 {
                        Issue.record("\(f) \(adds) \(parameter.name)[\(i)]: gradient \(gradient[i]), finite difference \(slope)")
                    }
                }
            }
        }
    }

    /// Two blocks equal two layers with adapters of their own.
    @Test func `gradients of a block diagonal B are 0 outside of the blocks, and inside those of separate layers`() throws {
        let processor = try Processor(threads: 1), (N, I) = (Self.N, Self.I), heights = [5, 4], ranks = [2, 3]
        var shape = LoRAConfiguration(rank: 2, alpha: 3, targets: ["layer"]), noise = TestRandom(11)
        shape.blocks["layer"] = zip(heights, ranks).map { LoRABlock(rows: $0, rank: $1) }
        var list = ParameterList(lora: shape)
        let layer = Linear(from: I, to: 9, bias: false, named: "layer", in: &list), frozen = processor.zeros(list.frozen.count)
        let parameters = Parameters(list, over: frozen, on: processor), tape = Tape(processor, parameters: parameters)
        let lora = try #require(layer.lora), a = noise.numbers(5 * I), x = noise.numbers(N * I), dy = noise.numbers(N * 9)
        var b = [Float](repeating: 0, count: 9 * 5)
        for (rows, columns) in lora.blockRanges { for row in rows { for column in columns { b[row * 5 + column] = noise.number() } } }
        parameters.values[lora.a.range].write { span in for i in span.indices { span[i] = a[i] } }
        parameters.values[lora.b.range].write { span in for i in span.indices { span[i] = b[i] } }
        for _ in 0..<2 {                                          // the second gradient is added to the first one
            let y = layer(tape.constant(x, [N, I]), on: tape)
            tape.backward(from: y, gradient: tape.constant(dy, [N, 9]))
            _ = parameters.allGradients()
        }
        let (da, db) = (parameters.gradient(of: lora.a).floats, parameters.gradient(of: lora.b).floats)
        for (rows, columns) in lora.blockRanges {
            for row in 0..<9 {
                for column in columns {
                    // db = 2·scale·Σₙ dy·(x·aᵀ), twice for two passes.
                    let sum = (0..<N).reduce(Float(0)) { sum, n in
                        sum + dy[n * 9 + row] * (0..<I).reduce(Float(0)) { $0 + x[n * I + $1] * a[column * I + $1] }
                    }
                    expectClose([db[row * 5 + column]], [rows.contains(row) ? 2 * 1.5 * sum : 0], within: .gradient, "B[\(row), \(column)]")
                }
            }
            for column in columns {
                for i in 0..<I {
                    let sum = (0..<N).reduce(Float(0)) { sum, n in
                        sum + x[n * I + i] * rows.reduce(Float(0)) { $0 + dy[n * 9 + $1] * b[$1 * 5 + column] }
                    }
                    expectClose([da[column * I + i]], [2 * 1.5 * sum], within: .gradient, "A[\(column), \(i)]")
                }
            }
        }
    }

    @Test(arguments: KernelVariant.training) func `dropout changes the inputs of A only, and only in training`(
        _ variant: KernelVariant
    ) throws {
        let processor = try variant.processor()
        var shape = LoRAConfiguration(rank: Self.R, alpha: 6, targets: ["layer"]), noise = TestRandom(3)
        shape.dropout = 0.5
        var list = ParameterList(lora: shape)
        let layer = Linear(from: Self.I, to: Self.O, bias: false, named: "layer", in: &list), frozen = processor.zeros(list.frozen.count)
        frozen.write { span in for i in span.indices { span[i] = noise.number() } }
        let parameters = Parameters(list, over: frozen, on: processor)
        parameters.values.write { span in for i in span.indices { span[i] = noise.number() } }
        let tape = Tape(processor, parameters: parameters, precision: variant.activations, seed: 5)
        let x = tape.constant(noise.numbers(Self.N * Self.I), [Self.N, Self.I]), lora = try #require(layer.lora)
        let found = tape.cast(layer(x, on: tape), to: .float32).floats
        tape.reset(seed: 5)
        let dropped = tape.dropout(x, 0.5)                       // the same numbers again
        #expect(dropped.floats.contains(0) && dropped.floats != x.floats)
        tape.reset()
        let base = tape.linear(x, weight: tape.value(of: layer.weight))
        func change(_ x: Tensor) -> Tensor {
            let low = tape.scale(tape.linear(x, weight: tape.value(of: lora.a)), by: 2)
            return tape.linear(low, weight: tape.value(of: lora.b))
        }
        expectClose(found, tape.cast(tape.add(base, change(dropped)), to: .float32).floats, within: variant.gradient, "in training")
        let answered = tape.withoutRecording { tape.cast(layer(x, on: tape), to: .float32).floats }
        expectClose(answered, tape.cast(tape.add(base, change(x)), to: .float32).floats, within: variant.gradient, "in an answer")
    }

    @Test func `a new adapter does not change the layer's output`() throws {
        for (f, adds) in Self.cases {
            let adapted = try AdaptedLayer(), lora = try #require(adapted.layer.lora)
            adapted.parameters.values[lora.b.range].write { span in for i in span.indices { span[i] = 0 } }
            let found = adapted.result(then: f, adds: adds).floats, tape = adapted.tape
            let w = tape.value(of: adapted.layer.weight), b = try tape.value(of: #require(adapted.layer.bias))
            expectSame(found, tape.linear(adapted.x, weight: w, bias: b, then: f, plus: adds ? adapted.plus : nil).floats, "\(f) \(adds)")
        }
    }

    @Test(arguments: [1, 3, 8, 9, 12])
    func `PiSSA moves the largest singular values into the adapter, and the sum remains the weight`(rank: Int) throws {
        let processor = try Processor(threads: 2), (I, O) = (Self.I, Self.O)
        var list = ParameterList(lora: LoRAConfiguration(rank: rank, alpha: 5, targets: ["layer"])), noise = TestRandom(8)
        let layer = Linear(from: I, to: O, named: "layer", in: &list), frozen = processor.zeros(list.frozen.count)
        frozen[layer.weight.range].write { span in for i in span.indices { span[i] = noise.number() } }
        let weight = frozen[layer.weight.range].array
        let parameters = Parameters(list, over: frozen, on: processor), algebra = try LinearAlgebra(for: processor.instructionSet)
        var progress: [Int] = []
        let principals = try #require(try parameters.initializeWithPiSSA(of: list.loraLayers) { progress.append($0) })
        #expect(progress == [0])
        let rest = parameters.value(of: layer.weight).floats
        let sigma = try #require(algebra.singularValueDecomposition(of: weight, rows: O, columns: I)).values
        let left = try #require(algebra.singularValueDecomposition(of: rest, rows: O, columns: I)).values
        // The best approximation of a rank leaves the other singular values (Eckart & Young 1936).
        expectClose(
            left, Array(sigma.dropFirst(rank)) + [Float](repeating: 0, count: min(rank, O)), within: .gradient, terms: Double(sigma[0]),
            "remaining singular values")
        let same = principals.read { a in parameters.values.read { b in a.indices.allSatisfy { a[$0] == b[$0] } } }
        #expect(same)
        parameters.addLoRA(list.loraLayers[0], scaledBy: 1, from: parameters.values)
        expectClose(parameters.value(of: layer.weight).floats, weight, within: .gradient, "rest plus adapter")
    }

    @Test func `PiSSA returns nil for a weight that is not finite`() throws {
        let processor = try Processor(threads: 1)
        var list = ParameterList(lora: LoRAConfiguration(rank: 2, targets: ["layer"]))
        let layer = Linear(from: 4, to: 4, named: "layer", in: &list), frozen = processor.zeros(list.frozen.count)
        frozen[layer.weight.range].write { $0[3] = .nan }
        #expect(try Parameters(list, over: frozen, on: processor).initializeWithPiSSA(of: list.loraLayers).map { _ in true } == nil)
    }
}
