import Autograd
import Kernels
import Testing
import TestSupport

/// Layers whose weight is frozen, and what changes them.
@Suite struct LowRankTests {
    private static let (N, I, O, R) = (5, 17, 9, 3)

    /// A layer with random numbers everywhere, B among them.
    private struct Adapted {
        let layer: Linear
        let parameters: Parameters
        let tape: Tape
        let x, plus: Tensor

        init(_ setting: KernelVariant = KernelVariant.standard[0], alpha: Float = 6) throws {
            let processor = try setting.processor()
            var list = ParameterList(lora: LoRAConfiguration(rank: R, alpha: alpha, targets: ["layer"])), noise = TestRandom(3)
            layer = Linear(from: I, to: O, named: "some.layer", in: &list)
            let frozen = processor.zeros(list.frozen.count)
            for parameter in list.frozen.parameters {
                frozen[parameter.range].write { span in for i in span.indices { span[i] = noise.number() } }
            }
            parameters = Parameters(list, over: frozen, on: processor, seed: 1)
            parameters.values.write { span in for i in span.indices { span[i] = noise.number() } }
            tape = Tape(processor, parameters: parameters, precision: setting.precision)
            x = tape.constant(noise.numbers(N * I), [N, I])
            plus = tape.constant(noise.numbers(N * O), [N, O])
        }

        func result(then f: UnaryFunction, adds: Bool) -> Tensor {
            tape.cast(layer(x, on: tape, then: f, plus: adds ? plus : nil), to: .float32)
        }
    }

    private static let cases: [(UnaryFunction, Bool)] = [(.identity, false), (.identity, true), (.gelu, false), (.gelu, true)]

    @Test(arguments: KernelVariant.standard) func `it is the layer whose weight is W and the product of B and A`(
        _ setting: KernelVariant
    ) throws {
        for (f, adds) in Self.cases {
            let adapted = try Adapted(setting), layer = adapted.layer, found = adapted.result(then: f, adds: adds).floats
            let change = try #require(layer.change)
            adapted.parameters.addLoRA(change, scaledBy: 1, from: adapted.parameters.values)
            adapted.parameters.values[change.b.range].write { span in for i in span.indices { span[i] = 0 } }
            expectClose(found, adapted.result(then: f, adds: adds).floats, within: setting.gradient, "\(f) \(adds)")
            // The product itself, in plain loops: some.layer's weight before, and what was added.
            let fresh = try Adapted(setting), pair = try #require(fresh.layer.change)
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

    @Test func `the gradients of A and B are slopes, and nothing else has one`() throws {
        for (f, adds) in Self.cases {
            let adapted = try Adapted(), parameters = adapted.parameters
            var noise = TestRandom(9)
            let r = noise.numbers(Self.N * Self.O)
            let y = adapted.result(then: f, adds: adds)
            adapted.tape.backward(from: y, gradient: adapted.tape.constant(r, y.shape))
            #expect(
                parameters.list.map(\.name) == ["some.layer.lora_A", "some.layer.lora_B"] && parameters.count == Self.R * (Self.I + Self.O))
            func loss(_ place: Int, _ step: Float) -> (x: Double, y: Double) {
                var x: Float = 0, old: Float = 0
                parameters.values.write { span in
                    (old, span[place]) = (span[place], span[place] + step); x = span[place]
                }
                let y = adapted.tape.withoutRecording {
                    zip(adapted.result(then: f, adds: adds).floats, r).reduce(0) { $0 + Double($1.0) * Double($1.1) }
                }
                parameters.values.write { span in span[place] = old }
                return (Double(x), y)
            }
            for parameter in parameters.list {
                let gradient = parameters.gradient(of: parameter).floats
                for i in stride(from: 0, to: parameter.shape.count, by: 4) {
                    let p = parameter.start + i, (a, b, c, d) = (loss(p, -0.04), loss(p, -0.02), loss(p, 0.02), loss(p, 0.04))
                    let slope = 4 / 3 * (c.y - b.y) / (c.x - b.x) - 1 / 3 * (d.y - a.y) / (d.x - a.x)
                    if Tolerance.slope.excess(Double(gradient[i]), slope) > 1 {
                        Issue.record("\(f) \(adds) \(parameter.name)[\(i)]: gradient \(gradient[i]), slope \(slope)")
                    }
                }
            }
        }
    }

    @Test func `a fresh adapter changes nothing`() throws {
        for (f, adds) in Self.cases {
            let adapted = try Adapted(), change = try #require(adapted.layer.change)
            adapted.parameters.values[change.b.range].write { span in for i in span.indices { span[i] = 0 } }
            let found = adapted.result(then: f, adds: adds).floats, tape = adapted.tape
            let w = tape.value(of: adapted.layer.weight), b = try tape.value(of: #require(adapted.layer.bias))
            expectSame(found, tape.linear(adapted.x, weight: w, bias: b, then: f, plus: adds ? adapted.plus : nil).floats, "\(f) \(adds)")
        }
    }

    @Test(arguments: [1, 3, 8, 9, 12]) func `PiSSA takes the greatest singular values, and leaves what the weight was`(rank: Int) throws {
        let processor = try Processor(threads: 2), (I, O) = (Self.I, Self.O)
        var list = ParameterList(lora: LoRAConfiguration(rank: rank, alpha: 5, targets: ["layer"])), noise = TestRandom(8)
        let layer = Linear(from: I, to: O, named: "layer", in: &list), frozen = processor.zeros(list.frozen.count)
        frozen[layer.weight.range].write { span in for i in span.indices { span[i] = noise.number() } }
        let weight = frozen[layer.weight.range].read { span in span.indices.map { span[$0] } }
        let parameters = Parameters(list, over: frozen, on: processor), algebra = try LinearAlgebra(for: processor.instructionSet)
        var told: [Int] = []
        let principals = try #require(try parameters.initializeWithPiSSA(of: list.loraLayers) { told.append($0) })
        #expect(told == [0])
        let rest = parameters.value(of: layer.weight).floats
        let sigma = try #require(algebra.singularValues(of: weight, rows: O, columns: I)).values
        let left = try #require(algebra.singularValues(of: rest, rows: O, columns: I)).values
        // The best approximation of this rank is the one that leaves the other singular values (Eckart & Young 1936).
        expectClose(
            left, Array(sigma.dropFirst(rank)) + [Float](repeating: 0, count: min(rank, O)), within: .gradient, terms: Double(sigma[0]),
            "what is left")
        let same = principals.read { a in parameters.values.read { b in a.indices.allSatisfy { a[$0] == b[$0] } } }
        #expect(same)
        parameters.addLoRA(list.loraLayers[0], scaledBy: 1, from: parameters.values)
        expectClose(parameters.value(of: layer.weight).floats, weight, within: .gradient, "what was left and what was taken")
    }

    @Test func `a weight that is not finite has no singular values`() throws {
        let processor = try Processor(threads: 1)
        var list = ParameterList(lora: LoRAConfiguration(rank: 2, targets: ["layer"]))
        let layer = Linear(from: 4, to: 4, named: "layer", in: &list), frozen = processor.zeros(list.frozen.count)
        frozen[layer.weight.range].write { $0[3] = .nan }
        #expect(try Parameters(list, over: frozen, on: processor).initializeWithPiSSA(of: list.loraLayers).map { _ in true } == nil)
    }
}
