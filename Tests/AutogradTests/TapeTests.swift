import Autograd
import Kernels
import TestSupport
import Testing

@Suite struct TapeTests {
    private func tape(_ list: ParameterList? = nil, threads: Int = 2) throws -> (Tape, Parameters?) {
        let p = try Processor(threads: threads), parameters = list.map { Parameters($0, on: p, seed: 1) }
        return (Tape(p, parameters: parameters, seed: 7), parameters)
    }

    @Test func `the gradient of a value is the sum over all its uses`() throws {
        let (tape, _) = try tape()
        let x = tape.variable([1, 2, 3], [3]), y = tape.multiply(x, x)
        tape.backward(from: tape.sum(tape.add(tape.add(y, x), tape.multiply(y, x))))      // x² + x + x³
        #expect(tape.gradient(of: x)?.floats == [6, 17, 34])
    }

    @Test func `several backward calls accumulate gradients`() throws {
        let (tape, _) = try tape()
        let x = tape.variable([1, 2, 3], [3])
        tape.backward(from: tape.sum(tape.multiply(x, x)))
        #expect(tape.gradient(of: x)?.floats == [2, 4, 6])
        tape.backward(from: tape.sum(tape.multiply(x, x)))
        #expect(tape.gradient(of: x)?.floats == [4, 8, 12])
        tape.backward(from: tape.sum(x))                       // another loss of the same variable
        #expect(tape.gradient(of: x)?.floats == [5, 9, 13])
    }

    @Test func `the backward pass of one loss keeps the operations of another`() throws {
        let tape = Tape(try Processor(threads: 1))
        let x = tape.variable([1, 2], [2])
        let first = tape.sum(tape.multiply(x, x)), second = tape.sum(tape.exp(tape.scale(x, by: 0)))
        tape.backward(from: second)
        tape.backward(from: first)
        #expect(tape.gradient(of: x)?.floats == [2, 4])
    }

    @Test func `views and copies work on ids`() throws {
        let tape = Tape(try Processor(threads: 1))
        let ids = tape.ids([0, 1, 2, 3, 4, 5], [2, 3])
        #expect(tape.contiguous(tape.transpose(ids)).ids == [0, 3, 1, 4, 2, 5])
        #expect(tape.contiguous(tape.slice(ids, along: 1, 1..<2)).ids == [1, 4])
        #expect(tape.concat([ids, ids], along: 0).ids == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5])
    }

    @Test func `recomputation of constants records nothing`() throws {
        let tape = Tape(try Processor(threads: 1))
        let y = tape.recompute(tape.constant([1, 2], [2])) { tape.multiply($0, $0) }
        #expect(tape.gradient(of: y) == nil && y.floats == [1, 4])
    }

    @Test func `parameter gradients accumulate across tape resets`() throws {
        var list = ParameterList()
        let layer = Linear(from: 3, to: 2, named: "layer", in: &list)
        let (tape, parameters) = try tape(list)
        func run() { tape.backward(from: tape.sum(layer(tape.constant([1, 2, 3, 4, 5, 6], [2, 3]), on: tape))) }
        run()
        #expect(parameters?.gradient(of: layer.weight).floats == [5, 7, 9, 5, 7, 9])
        tape.reset()
        run()
        #expect(parameters?.gradient(of: layer.weight).floats == [10, 14, 18, 10, 14, 18])
        parameters?.zeroGradients()
        #expect(parameters?.gradient(of: layer.weight).floats == [0, 0, 0, 0, 0, 0])
        tape.reset()
        run()
        #expect(parameters?.gradient(of: layer.weight).floats == [5, 7, 9, 5, 7, 9])
        if let bias = layer.bias { #expect(parameters?.gradient(of: bias).floats == [2, 2]) }
    }

    @Test func `a tied weight has the gradients of both uses`() throws {
        var noise = TestRandom(2)
        let values = noise.numbers(7 * 5), (tape, _) = try tape()
        func gradients(_ isTied: Bool) -> [[Float]] {
            tape.reset()
            let table = tape.variable(values, [7, 5]), head = isTied ? table : tape.variable(values, [7, 5]),
                ids = tape.ids([0, 3, 3, 6], [4])
            tape.backward(from: tape.linearCrossEntropy(tape.tanh(tape.embed(ids, in: table)), weight: head, targets: ids))
            return [table, head].map { tape.gradient(of: $0)?.floats ?? [] }
        }
        let apart = gradients(false), tied = gradients(true)[0]
        #expect(tied.indices.allSatisfy { abs(tied[$0] - apart[0][$0] - apart[1][$0]) < 1e-6 } && tied != apart[0])
    }

    @Test func `nothing is recorded where no gradient is needed`() throws {
        var list = ParameterList()
        let layer = Linear(from: 3, to: 2, named: "layer", in: &list)
        let (tape, _) = try tape(list)
        let x = tape.constant([1, 2, 3], [1, 3]), v = tape.variable([1, 2, 3], [1, 3])
        func keeps(_ body: () -> Tensor) -> Bool {      // tensors stored for the backward pass outlive the result
            let before = tape.processor.arena.used
            _ = body()
            return tape.processor.arena.used > before
        }
        #expect(!keeps { tape.tanh(tape.multiply(x, x)) }, "of constants")
        #expect(keeps { tape.tanh(tape.multiply(v, v)) })
        #expect(!keeps { tape.withoutRecording { tape.tanh(tape.multiply(v, v)) } }, "in evaluation")
        #expect(keeps { layer(x, on: tape, then: .tanh) })
        #expect(!keeps { tape.withoutRecording { layer(v, on: tape, then: .tanh) } }, "in evaluation")
        #expect(tape.gradient(of: x) == nil)
    }

    @Test func `frozen weights pass gradients through and have none`() throws {
        var list = ParameterList(lora: LoRAConfiguration(rank: 1, targets: []))
        let layer = Linear(from: 3, to: 2, named: "layer", in: &list)
        let processor = try Processor(threads: 1), parameters = Parameters(list, over: processor.zeros(list.frozen.count), on: processor)
        let tape = Tape(processor, parameters: parameters), x = tape.constant([1, 2, 3], [1, 3]), v = tape.variable([1, 2, 3], [1, 3])
        _ = layer(x, on: tape, then: .tanh)              // the first matmul allocates its work memory
        let before = processor.arena.used
        _ = layer(x, on: tape, then: .tanh)
        #expect(processor.arena.used == before, "nothing is stored for the backward pass")
        tape.backward(from: tape.sum(layer(v, on: tape)))
        #expect(tape.gradient(of: v) != nil)
        #expect(parameters.list.isEmpty && parameters.gradients.count == 0)
    }

    @Test func `withoutRecording disables dropout and recording until it ends`() throws {
        let (tape, _) = try tape()
        let x = tape.variable([1, 2, 3], [3])
        #expect(tape.withoutRecording { tape.dropout(x, 0.9) }.floats == [1, 2, 3])
        #expect(!tape.withoutRecording { tape.isRecording } && tape.isRecording)
        tape.backward(from: tape.sum(x))
        #expect(tape.gradient(of: x)?.floats == [1, 1, 1])
    }

    /// Both inputs of a sum get the same gradient buffer. Accumulating into one must not change the other.
    @Test func `a residual connection passes its gradient to both inputs unchanged`() throws {
        let (tape, _) = try tape()
        let a = tape.variable([1, 2, 3], [3]), b = tape.variable([4, 5, 6], [3])
        let stream = tape.add(a, b)
        tape.backward(from: tape.sum(tape.add(tape.add(stream, tape.multiply(a, a)), tape.scale(b, by: 10))))
        #expect(tape.gradient(of: a)?.floats == [3, 5, 7])
        #expect(tape.gradient(of: b)?.floats == [11, 11, 11])

        tape.reset()
        let x = tape.variable([1, 2, 3], [3])
        var y = x
        for _ in 0..<4 { y = tape.add(y, tape.multiply(y, tape.constant([2], []))) }      // times 3, four times
        tape.backward(from: y, gradient: tape.constant([1, 1, 2], [3]))
        #expect(tape.gradient(of: x)?.floats == [81, 81, 162])

        tape.reset()
        let z = tape.variable([1, 2], [2]), given = tape.constant([1, 1], [2])
        tape.backward(from: tape.add(z, tape.multiply(z, z)), gradient: given)
        #expect(tape.gradient(of: z)?.floats == [3, 5])
        #expect(given.floats == [1, 1], "the caller's gradient is unchanged")
    }

    @Test(arguments: [Float(0), 0.3], [false, true])
    func `recomputation gives the same gradients bit for bit`(dropout: Float, isNested: Bool) throws {
        var list = ParameterList()
        let layers = (0..<3).map { Linear(from: 17, to: 17, named: "layer\($0)", in: &list) }
        let norm = Norm(of: 17, named: "norm", in: &list)
        let (tape, found) = try tape(list), parameters = try #require(found)
        var noise = TestRandom(1)
        let values = noise.numbers(5 * 17)
        func gradients(recomputing: Bool) -> [[Float]] {
            tape.reset()
            parameters.zeroGradients()
            let x = tape.variable(values, [5, 17])
            var y = tape.dropout(x, dropout)
            for layer in layers {
                let block = { (x: Tensor) in tape.add(x, tape.dropout(layer(norm(x, on: tape), on: tape, then: .gelu), dropout)) }
                let inner = { (x: Tensor) in isNested ? tape.recompute(block(x), block) : block(x) }
                let plain = { (x: Tensor) in isNested ? block(block(x)) : block(x) }
                y = recomputing ? tape.recompute(y, inner) : plain(y)
            }
            tape.backward(from: tape.sum(tape.multiply(y, y)))
            return [tape.gradient(of: x)?.floats ?? []] + parameters.list.map { parameters.gradient(of: $0).floats }
        }
        let plain = gradients(recomputing: false), recomputed = gradients(recomputing: true)
        #expect(plain[0].contains { $0 != 0 })
        expectSame(recomputed, plain)
    }

    @Test(arguments: [false, true])
    func `the result of a recomputed block is not computed again`(isAdapted: Bool) throws {
        var list = isAdapted ? ParameterList(lora: LoRAConfiguration(rank: 3, targets: ["layer0", "layer1"])) : ParameterList()
        let layers = (0..<2).map { Linear(from: 17, to: 17, named: "layer\($0)", in: &list) }
        var noise = TestRandom(2)
        let p = try Processor(threads: 2), frozen = p.buffer(of: list.frozen.count, .float32)
        let parameters = Parameters(list, over: frozen, on: p), tape = Tape(p, parameters: parameters)
        for buffer in [frozen, parameters.values] { buffer.write { span in for i in span.indices { span[i] = noise.number() } } }
        let values = noise.numbers(5 * 17)
        func run(_ method: (Tensor, @escaping (Tensor) -> Tensor) -> Tensor, marking: Bool) -> (gradients: [[Float]], linears: Int) {
            tape.reset()
            parameters.zeroGradients()
            tape.processor.profile = Profile()
            defer { tape.processor.profile = nil }
            var y = tape.variable(values, [5, 17])
            let x = y
            for layer in layers {
                y = method(y) { x in
                    let end = { layer(tape.tanh(x), on: tape, plus: x) }
                    return marking ? tape.blockResult(end) : end()
                }
            }
            tape.backward(from: tape.sum(tape.multiply(y, y)))
            let gradients = [tape.gradient(of: x)?.floats ?? []] + parameters.list.map { parameters.gradient(of: $0).floats }
            return (gradients, tape.processor.profile?.entries["linear"]?.calls ?? 0)
        }
        let plain = run({ x, body in body(x) }, marking: true)
        let again = run(tape.recompute, marking: false), omitted = run(tape.recompute, marking: true)
        #expect(plain.gradients[0].contains { $0 != 0 })
        expectSame(again.gradients, plain.gradients)
        expectSame(omitted.gradients, plain.gradients)
        // Adapted layers have two matmuls more, of which one is needed: x·Aᵀ.
        #expect((plain.linears, again.linears, omitted.linears) == (isAdapted ? (6, 12, 8) : (2, 4, 2)))
    }

    @Test func `recomputation stores only the input of the block`() throws {
        let (tape, _) = try tape()
        let x = tape.variable([Float](repeating: 0.5, count: 10_000), [10_000]), before = tape.processor.arena.used
        let y = tape.recompute(x) { x in (0..<20).reduce(x) { y, _ in tape.tanh(y) } }
        #expect(tape.processor.arena.used - before <= 45_000)
        tape.backward(from: tape.sum(y))
        #expect(tape.gradient(of: x)?.floats.allSatisfy { $0 > 0 && $0 < 1 } == true)
    }

    @Test func `dropout depends on the seed`() throws {
        let (tape, _) = try tape()
        func sample(_ seed: UInt64?) -> [Float] {
            tape.reset(seed: seed)
            return tape.dropout(tape.constant([Float](repeating: 1, count: 100), [100]), 0.5).floats
        }
        let first = sample(1)
        #expect(first == sample(1) && first == sample(nil) && first != sample(2))
        let second = tape.dropout(tape.constant([Float](repeating: 1, count: 100), [100]), 0.5).floats
        #expect(first != second, "a second dropout on the same tape differs")
    }

    @Test func `no memory is allocated after the first step`() throws {
        var list = ParameterList()
        let table = Embedding(of: 33, to: 16, named: "table", in: &list)
        let layers = (0..<3).map { Linear(from: 16, to: 16, named: "layer\($0)", in: &list) }
        let qkv = Linear(from: 16, to: 48, named: "qkv", in: &list)
        let norm = Norm(of: 16, named: "norm", in: &list)
        let (tape, found) = try tape(list), parameters = try #require(found), arena = tape.processor.arena
        func step() -> Float {
            tape.reset()
            parameters.zeroGradients()
            let ids = tape.ids((0..<4 * 200).map { Int32($0 % 33) }, [4, 200])
            var x = table(ids, on: tape)
            x = tape.add(x, tape.causalAttention(qkv(norm(x, on: tape), on: tape), heads: 2))
            for layer in layers { x = layer(norm(x, on: tape), on: tape, then: .gelu, plus: x) }
            let loss = tape.linearCrossEntropy(x, weight: tape.value(of: table.table), targets: ids)
            tape.backward(from: loss)
            return loss.scalar
        }
        let first = step(), (growths, capacity) = (arena.growths, arena.capacity)
        for _ in 0..<10 { #expect(step() == first) }
        #expect(arena.growths == growths && arena.capacity == capacity)
    }

    @Test func `NaN and infinity propagate without a trap`() throws {
        let (tape, _) = try tape()
        for poison in [Float.nan, .infinity, -.infinity] {
            tape.reset()
            let x = tape.variable([1, poison, 3, 4, 5, 6], [2, 3]), w = tape.variable([1, 2, 3], [1, 3]),
                ones = tape.constant([1, 1, 1], [3])
            var y = tape.layerNorm(x, scale: ones)
            y = tape.add(y, tape.softmax(tape.exp(x)))
            y = tape.add(y, tape.max(tape.gelu(x), along: 1))
            let loss = tape.add(tape.crossEntropy(y, targets: tape.ids([0, 1], [2])), tape.mean(tape.linear(y, weight: w, then: .tanh)))
            tape.backward(from: loss)
            #expect(loss.scalar.isNaN)
            #expect(tape.gradient(of: x)?.floats.count == 6)
        }
    }

    @Test func `an empty batch has loss 0 and zero gradients`() throws {
        var list = ParameterList()
        let table = Embedding(of: 5, to: 4, named: "table", in: &list), layer = Linear(from: 4, to: 12, named: "layer", in: &list)
        let norm = Norm(of: 4, named: "norm", in: &list)
        let (tape, found) = try tape(list), parameters = try #require(found)
        for shape in [[0, 3], [2, 0], [0, 0]] as [Shape] {
            tape.reset()
            let ids = tape.ids([], shape)
            let x = tape.causalAttention(layer(norm(table(ids, on: tape), on: tape), on: tape, then: .gelu), heads: 2)
            let loss = tape.linearCrossEntropy(x, weight: tape.value(of: table.table), targets: ids)
            tape.backward(from: loss)
            #expect(loss.scalar == 0)
            #expect(tape.crossEntropy(x, targets: ids).scalar == 0 && tape.sum(x).scalar == 0)
            for parameter in parameters.list {
                #expect(parameters.gradient(of: parameter).floats.allSatisfy { $0 == 0 }, "\(parameter.name)")
            }
        }
    }

    @Test func `a batch of ignored targets has loss 0 and zero gradients`() throws {
        let (tape, _) = try tape()
        var noise = TestRandom(1)
        let x = tape.variable(noise.numbers(3 * 5), [3, 5]), w = tape.variable(noise.numbers(7 * 5), [7, 5]),
            masked = tape.ids([-1, -1, -1], [3])
        let loss = tape.add(tape.linearCrossEntropy(x, weight: w, targets: masked, rows: 2), tape.crossEntropy(x, targets: masked))
        tape.backward(from: loss)
        #expect(loss.scalar == 0)
        #expect(tape.gradient(of: x)?.floats == [Float](repeating: 0, count: 15))
        #expect(tape.gradient(of: w)?.floats == [Float](repeating: 0, count: 35))
    }

    @Test(arguments: [1, 2, 3])
    func `two runs give the same bits`(threads: Int) throws {
        let runs = try (0..<2).map { _ in
            let (tape, _) = try tape(threads: threads)
            var noise = TestRandom(1)
            let x = tape.variable(noise.numbers(50 * 33), [2, 25, 33]), w = tape.variable(noise.numbers(33 * 33), [33, 33])
            let s = tape.variable(noise.numbers(33), [33])
            let y = tape.causalAttention(tape.linear(tape.layerNorm(tape.dropout(x, 0.1), scale: s), weight: w, then: .gelu), heads: 1)
            tape.backward(from: tape.mean(tape.multiply(y, y)))
            return [x, w, s].map { tape.gradient(of: $0)?.floats ?? [] }
        }
        expectSame(runs[0], runs[1])
    }

    @Test func `noise is uniform within its limit, in training only, and passes gradients on`() throws {
        let tape = Tape(try Processor(threads: 2), seed: 4), x = tape.variable([Float](repeating: 3, count: 4_000), [4, 1_000])
        let y = tape.addNoise(x, limit: 0.5), first = y.floats, noise = first.map { $0 - 3 }
        let mean = noise.reduce(0, +) / 4_000, variance = noise.reduce(0) { $0 + $1 * $1 } / 4_000
        #expect(noise.allSatisfy { abs($0) <= 0.5 } && abs(mean) < 0.02 && abs(variance - 1.0 / 12) < 0.005)
        #expect(tape.addNoise(x, limit: 0.5).floats != y.floats, "the stream goes on")
        #expect(tape.withoutRecording { tape.addNoise(x, limit: 0.5).floats } == x.floats)
        tape.backward(from: y, gradient: tape.constant([Float](repeating: 2, count: 4_000), [4, 1_000]))
        #expect(tape.gradient(of: x)?.floats == [Float](repeating: 2, count: 4_000))
        tape.reset(seed: 4)
        let again = tape.addNoise(tape.constant([Float](repeating: 3, count: 4_000), [4, 1_000]), limit: 0.5)
        expectSame(again.floats, first, "the same seed")
    }
}
