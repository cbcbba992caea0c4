import Autograd
import Kernels
import Testing
import TestSupport

/// LoRA adapters of a head, whose losses compute logits in chunks, and of an embedding.
@Suite struct HeadAdapterTests {
    private static let (N, C, V, R) = (7, 5, 19, 3)

    /// An adapted head with random weights, including B.
    private struct AdaptedHead {
        let weight: Parameter
        let layer: LoRALayer
        let parameters: Parameters
        let tape: Tape

        init(_ variant: KernelVariant) throws {
            let processor = try variant.processor()
            var list = ParameterList(lora: LoRAConfiguration(rank: R, alpha: 6, targets: ["head"])), noise = TestRandom(3)
            weight = list.add("head.weight", [V, C], .constant(0))
            let adapted = list.addLoRA(to: weight, in: "head")
            layer = try #require(adapted)
            let frozen = processor.zeros(list.frozen.count)
            frozen[weight.range].write { span in for i in span.indices { span[i] = noise.number() } }
            parameters = Parameters(list, over: frozen, on: processor)
            parameters.values.write { span in for i in span.indices { span[i] = noise.number() } }
            tape = Tape(processor, parameters: parameters, precision: variant.activations)
        }

        /// The logits as a whole: x·Wᵀ + (α/r)·(x·Aᵀ)·Bᵀ.
        func logits(_ x: Tensor) -> Tensor {
            let w = tape.value(of: weight)
            return tape.add(tape.cast(tape.linear(x, weight: w), to: .float32), tape.cast(layer(x, on: tape), to: .float32))
        }
    }

    private static let targets: [[Int32]] = [[3, 18, 0, 7, 7, 1, 2], [-1, 18, -1, -1, 7, 1, -1], Array(repeating: -1, count: N)]

    /// The loss and the gradients of x, A and B.
    private func results(_ head: AdaptedHead, _ loss: (Tensor) -> Tensor) -> [[Float]] {
        head.tape.reset()
        head.parameters.zeroGradients()
        var noise = TestRandom(8)
        let x = head.tape.variable(noise.numbers(Self.N * Self.C), [Self.N, Self.C])
        let y = loss(x)
        head.tape.backward(from: y, gradient: head.tape.constant(Array(repeating: 1 / Float(y.count), count: y.count), y.shape))
        let gradients = [x] + [head.layer.a, head.layer.b].map { head.tape.value(of: $0) }
        // Without a target that counts, nothing reaches x.
        return [[y.floats.reduce(0, +) / Float(y.count)]]
            + gradients.map { head.tape.gradient(of: $0)?.floats ?? Array(repeating: 0, count: $0.count) }
    }

    @Test(arguments: KernelVariant.training, [1, 3, 1_536])
    func `losses of an adapted head, in chunks, have the gradients of whole logits`(_ variant: KernelVariant, rows: Int) throws {
        let head = try AdaptedHead(variant), tape = head.tape
        for ids in Self.targets {
            let counted = Float(max(1, ids.count { $0 >= 0 })), share = counted / Float(Self.N)
            let targets = { tape.ids(ids, [Self.N]) }
            let expected = results(head) { tape.crossEntropy(head.logits($0), targets: targets()) }
            let mean = results(head) {
                tape.linearCrossEntropy($0, weight: head.weight, adapter: head.layer, targets: targets(), rows: rows)
            }
            // The mean over all rows instead of those that count.
            let each = results(head) {
                tape.linearTargetLosses($0, weight: head.weight, adapter: head.layer, targets: targets(), rows: rows)
            }
            for (i, name) in ["loss", "dx", "dA", "dB"].enumerated() {
                expectClose(mean[i], expected[i], within: variant.gradient, "\(name) of \(ids)")
                expectClose(each[i].map { $0 / share }, expected[i], within: variant.gradient, "\(name) of each of \(ids)")
            }
            let nats = tape.withoutRecording {
                var noise = TestRandom(8)
                let x = tape.constant(noise.numbers(Self.N * Self.C), [Self.N, Self.C])
                return tape.linearTokenLosses(x, weight: head.weight, adapter: head.layer, targets: targets(), rows: rows).nats
            }
            expectClose([nats.reduce(0, +) / counted], expected[0], within: variant.gradient, "token losses of \(ids)")
        }
    }

    @Test(arguments: KernelVariant.training)
    func `an adapted embedding looks up rows of W + scale·B·A, and only A and B have gradients`(_ variant: KernelVariant) throws {
        let processor = try variant.processor(), (V, C, R) = (Self.V, Self.C, Self.R)
        var list = ParameterList(lora: LoRAConfiguration(rank: R, alpha: 6, targets: ["tokens"])), noise = TestRandom(5)
        let embedding = Embedding(of: V, to: C, named: "tokens", in: &list), lora = try #require(embedding.lora)
        let frozen = processor.zeros(list.frozen.count)
        frozen[embedding.table.range].write { span in for i in span.indices { span[i] = noise.number() } }
        let parameters = Parameters(list, over: frozen, on: processor, seed: 1)
        let tape = Tape(processor, parameters: parameters, precision: variant.activations)
        let ids = tape.ids([3, 18, 3, 0], [2, 2])
        expectSame(embedding(ids, on: tape).floats, tape.embed(ids, in: tape.value(of: embedding.table)).floats, "B starts at 0")
        parameters.values.write { span in for i in span.indices { span[i] = noise.number() } }
        let (a, b) = (tape.value(of: lora.a).floats, tape.value(of: lora.b).floats), dy = noise.numbers(4 * C)      // Aᵀ [C, R]
        let y = embedding(ids, on: tape)
        tape.backward(from: y, gradient: tape.constant(dy, [2, 2, C]))
        var da = [Float](repeating: 0, count: C * R), db = [Float](repeating: 0, count: V * R)
        for (n, id) in [3, 18, 3, 0].enumerated() {
            for c in 0..<C {
                for r in 0..<R {
                    da[c * R + r] += 2 * dy[n * C + c] * b[id * R + r]
                    db[id * R + r] += 2 * dy[n * C + c] * a[c * R + r]
                }
            }
        }
        expectClose(parameters.gradient(of: lora.a).floats, da, within: variant.gradient, "dA")
        expectClose(parameters.gradient(of: lora.b).floats, db, within: variant.gradient, "dB")
        let found = y.floats
        parameters.addLoRA(lora, scaledBy: 1, from: parameters.values)
        expectClose(found, tape.embed(ids, in: tape.value(of: embedding.table)).floats, within: variant.gradient, "merged")
    }
}
