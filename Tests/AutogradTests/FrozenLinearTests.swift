import Autograd
import Files
import Kernels
import Testing
import TestSupport

/// Layers over frozen weights in bf16, int8 and int4, compared with the same layers over the dequantized weights in f32.
@Suite struct FrozenLinearTests {
    /// A small language model without attention: an embedding, a linear layer with a bias, and a head.
    private struct Model {
        let table: Embedding
        let hidden: Linear
        let head: Parameter
        let list: ParameterList

        init(V: Int, C: Int, O: Int) {
            var list = ParameterList(lora: LoRAConfiguration(rank: 2, targets: ["hidden"]))
            table = Embedding(of: V, to: C, named: "tokens", in: &list)
            hidden = Linear(from: C, to: O, named: "hidden", in: &list)
            head = list.add("head", [V, O], .normal(deviation: 0.02))
            self.list = list
        }

        func loss(_ ids: [Int32], _ targets: [Int32], then f: UnaryFunction, adds: Bool, on tape: Tape) -> Tensor {
            let x = table(tape.ids(ids, [1, ids.count]), on: tape)
            let plus = adds ? tape.embed(tape.ids(ids, [1, ids.count]), in: tape.value(of: head)) : nil
            return tape.linearCrossEntropy(
                hidden(x, on: tape, then: f, plus: plus), weight: head, targets: tape.ids(targets, [1, ids.count])
            )
        }
    }

    private func loss(
        _ model: Model, _ frozen: Buffer, _ quantized: [Int: QuantizedWeights], _ variant: KernelVariant, then f: UnaryFunction
    ) throws -> (loss: Float, gradients: [Float], token: [Float]) {
        let processor = try variant.processor()
        let parameters = Parameters(model.list, over: frozen, quantized: quantized, on: processor, seed: 3)
        var noise = TestRandom(5)
        parameters.values.write { span in for i in span.indices { span[i] = noise.number() } }
        let tape = Tape(processor, parameters: parameters, precision: variant.activations)
        let V = model.table.table.shape[0], ids: [Int32] = (0..<9).map { Int32($0 * 7 % V) }
        let targets: [Int32] = ids.map { $0 == 0 ? -1 : $0 }
        let loss = model.loss(ids, targets, then: f, adds: false, on: tape)
        tape.backward(from: loss)
        let x = model.hidden(model.table(tape.ids(ids, [1, 9]), on: tape), on: tape, then: f)
        let token = tape.withoutRecording { tape.linearTokenLosses(x, weight: model.head, targets: tape.ids(targets, [1, 9])) }
        return (loss.scalar, parameters.allGradients().array, token.nats)
    }

    @Test(arguments: KernelVariant.training, [WeightPrecision.bfloat16, .int8, .int6, .int4])
    func `losses and gradients equal those of the dequantized weights`(variant: KernelVariant, precision: WeightPrecision) throws {
        let p = try variant.processor(), model = Model(V: 40, C: 70, O: 24), layout = model.list.frozen
        let frozen = p.zeros(layout.count), widened = p.zeros(layout.count)
        var noise = TestRandom(7), quantized: [Int: QuantizedWeights] = [:]
        for parameter in layout.parameters {
            let values = Tape(p).constant(noise.numbers(parameter.shape.count), parameter.shape).elements
            if parameter.shape.rank == 2 {
                let weights = p.quantize(values, outputs: parameter.shape[0], inputs: parameter.shape[1], to: precision)
                p.dequantize(weights, into: widened[parameter.range])
                quantized[parameter.index] = weights
            } else {
                for buffer in [frozen, widened] { buffer[parameter.range].copy(from: values) }
            }
        }
        for f in [UnaryFunction.identity, .gelu] {
            let found = try loss(model, frozen, quantized, variant, then: f), expected = try loss(model, widened, [:], variant, then: f)
            expectClose([found.loss], [expected.loss], within: variant.gradient, "loss, \(precision), \(f)")
            expectClose(found.gradients, expected.gradients, within: variant.gradient, "gradients, \(precision), \(f)")
            expectClose(found.token, expected.token, within: variant.gradient, "token losses, \(precision), \(f)")
            #expect(expected.gradients.contains { $0 != 0 })
        }
    }

    /// Rows of another program's file, of blocks of 32 bytes with an f16 scale of 2⁻⁶.
    private func storedRows(_ O: Int, _ I: Int, noise: inout TestRandom) throws -> QuantizedWeights {
        let numbers = noise.numbers(O * I), folder = TemporaryFolder()
        let bytes = stride(from: 0, to: O * I, by: 32).flatMap { first in
            [0x00, 0x24] + numbers[first..<first + 32].map { UInt8(bitPattern: Int8(max(-127, min(127, $0 * 32)))) }
        }
        let file = try MappedFile(folder.write(bytes, to: "blocks"), staysOpen: true)
        return QuantizedWeights(rows: [StoredRows(in: file, at: 0..<bytes.count, .q8_0, rows: 0..<O)], outputs: O, inputs: I)
    }

    /// Blocks of rows, of rows and columns, and of columns. The CPU widens them for a device, too, which is slow at these sizes where it is
    /// emulated.
    @Test(
        arguments: [(4_100, 1_024, false), (2_100, 4_224, false), (2_100, 4_224, true), (1_000, 5_056, true)],
        KernelVariant.training.filter { !$0.usesGPU })
    func `weights of several blocks are widened block by block`(
        size: (O: Int, I: Int, isStored: Bool), variant: KernelVariant
    ) throws {
        let p = try variant.processor(), N = 3, (O, I, isStored) = size
        var noise = TestRandom(1)
        let weights = try isStored ? storedRows(O, I, noise: &noise)
            : p.quantize(Tape(p).constant(noise.numbers(O * I), [O, I]).elements, outputs: O, inputs: I, to: .int8)
        let input = noise.numbers(N * I)
        let whole = p.buffer(of: O * I, .float32)
        p.dequantize(weights, into: whole)
        func run(_ body: (Tape, Tensor) -> Tensor) throws -> ([Float], [Float]) {
            let tape = Tape(p, precision: variant.activations), x = tape.variable(input, [N, I])
            let y = tape.cast(body(tape, x), to: .float32)
            tape.backward(from: tape.sum(tape.multiply(y, y)))
            return (y.floats, try #require(tape.gradient(of: x)).floats)
        }
        let found = try run { $0.linear($1, frozen: weights) }
        let expected = try run { $0.linear($1, weight: Tensor(whole, [O, I])) }
        expectClose(found.0, expected.0, within: variant.gradient, "y")
        expectClose(found.1, expected.1, within: variant.gradient, "dx")
    }

    @Test func `bf16 weights are used as they are, rounded to nearest`() throws {
        let p = try Processor(threads: 2), (O, I) = (30, 50)
        var noise = TestRandom(2)
        let numbers = noise.numbers(O * I), values = Tape(p).constant(numbers, [O, I]).elements
        let weights = p.quantize(values, outputs: O, inputs: I, to: .bfloat16)
        let widened = p.buffer(of: O * I, .float32), rows = p.buffer(of: 2 * I, .float32)
        p.dequantize(weights, into: widened)
        let found = widened.array
        for (a, b) in zip(found, numbers) { #expect(a.bitPattern & 0xFFFF == 0 && abs(a - b) <= abs(b) / 256) }
        p.dequantize(weights, rows: 7..<9, into: rows)
        expectSame(rows.array, Array(found[7 * I..<9 * I]), "rows")
        #expect(weights.bfloat16?.count == O * I && weights.scales.count == 0)
        let packed = p.pack(weights, as: .bfloat16), x = Tape(p).constant(noise.numbers(I), [1, I]).elements, y = p.buffer(of: O, .float32)
        let expected = p.buffer(of: O, .float32)
        p.packedMatmul(x, rows: 1, by: packed, into: y)
        p.packedMatmul(x, rows: 1, by: p.pack(widened, outputs: O, inputs: I, as: .bfloat16), into: expected)
        expectSame(y.array, expected.array, "packed")
    }

    @Test func `a quantized parameter has no f32 values`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let p = try Processor(threads: 1)
            var list = ParameterList()
            let weight = list.add("w", [2, 3], .constant(0))
            let quantized = p.quantize(p.zeros(6), outputs: 2, inputs: 3, to: .int8)
            _ = Parameters(list, values: p.zeros(list.count), quantized: [0: quantized], on: p).value(of: weight)
        }
        let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(output.contains("w has no f32 values: it is quantized"))
    }
}
