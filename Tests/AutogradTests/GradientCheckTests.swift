import Autograd
import Glibc
import Kernels
import TestSupport
import Testing

/// The gradients of every operation match finite differences, at sizes of 0, 1, odd ones, and one past a vector width.
@Suite struct GradientCheckTests {
    @Test(arguments: Processor.instructionSets)
    func `elementwise functions`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for f in UnaryFunction.allCases {
            for shape in [[], [0, 3], [1], [3, 17], [33], [65]] as [Shape] {
                let x: GradientInput =
                    f == .log || f == .sqrt ? .positive(shape) : f == .relu || f == .reluSquared ? .awayFromZero(shape) : .anything(shape)
                expectGradientCheck(of: [x], on: p, "\(f)") { tape, x in tape.apply(f, to: x[0]) }
            }
        }
        expectGradientCheck(of: [.positive([3])], on: p, "the functions by name") { tape, x in
            let sum = tape.add(tape.add(tape.exp(x[0]), tape.log(x[0])), tape.add(tape.sqrt(x[0]), tape.tanh(x[0])))
            return tape.add(sum, tape.add(tape.sigmoid(x[0]), tape.add(tape.relu(x[0]), tape.gelu(x[0]))))
        }
    }

    static let pairs: [(Shape, Shape)] = [
        ([], []), ([1], [1]), ([3, 17], [3, 17]), ([0, 3], [0, 3]), ([0, 3], [3]), ([3, 17], [17]), ([3, 17], [3, 1]), ([3, 1], [1, 17]),
        ([], [33]),
        ([2, 3, 1, 5], [3, 4, 1]), ([65], [1]), ([2, 1, 3, 1], [1, 5, 1, 7]),
    ]

    @Test(arguments: Processor.instructionSets)
    func `arithmetic with broadcasting`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (a, b) in Self.pairs {
            for (a, b) in [(a, b), (b, a)] {
                expectGradientCheck(of: [.anything(a), .anything(b)], on: p, "add") { tape, x in tape.add(x[0], x[1]) }
                expectGradientCheck(of: [.anything(a), .anything(b)], on: p, "subtract") { tape, x in tape.subtract(x[0], x[1]) }
                expectGradientCheck(of: [.anything(a), .anything(b)], on: p, "multiply") { tape, x in tape.multiply(x[0], x[1]) }
                expectGradientCheck(of: [.anything(a), .positive(b)], on: p, "divide") { tape, x in tape.divide(x[0], by: x[1]) }
            }
            expectGradientCheck(of: [.anything(a)], on: p, "scale") { tape, x in tape.scale(x[0], by: -1.5) }
            expectGradientCheck(of: [.anything(a)], on: p, "add to itself") { tape, x in tape.add(x[0], x[0]) }
            expectGradientCheck(of: [.positive(a)], on: p, "itself over itself times itself") { tape, x in
                tape.divide(tape.multiply(x[0], x[0]), by: tape.add(x[0], tape.multiply(x[0], x[0])))
            }
        }
        expectGradientCheck(of: [.anything([3, 5]), .anything([5, 3])], on: p, "views combined") { tape, x in
            tape.subtract(tape.transpose(x[1]), x[0])
        }
        expectGradientCheck(of: [.anything([3, 5]), .anything([5, 1])], on: p, "views stretched") { tape, x in
            tape.multiply(x[0], tape.transpose(x[1]))
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `means of rows`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet)
        for (counts, C) in [([2, 0, 3], 7), ([1], 17), ([4, 1], 1), ([], 5)] as [([Int], Int)] {
            let N = counts.reduce(0, +)
            expectGradientCheck(of: [.anything([N, C])], on: p, "rowMeans") { tape, x in tape.rowMeans(x[0], counts: counts) }
            expectGradientCheck(of: [.anything([N, C])], on: p, "rowMeans beside another use") { tape, x in
                tape.add(tape.sum(x[0]), tape.sum(tape.rowMeans(x[0], counts: counts)))
            }
        }
        let tape = Tape(p), x = tape.constant([1, 2, 3, 4, 5, 9], [3, 2])
        expectSame(tape.rowMeans(x, counts: [1, 0, 2]).floats, [1, 2, 0, 0, 4, 6.5])
    }

    @Test(arguments: Processor.instructionSets)
    func `sum, mean and max`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for shape in [[1], [3, 17], [2, 3, 5], [2, 1, 33, 3], [65], [0, 3]] as [Shape] {
            expectGradientCheck(of: [.anything(shape)], on: p, "sum") { tape, x in tape.sum(x[0]) }
            if shape.count > 0 { expectGradientCheck(of: [.anything(shape)], on: p, "mean") { tape, x in tape.mean(x[0]) } }
            for axis in 0..<shape.rank {
                expectGradientCheck(of: [.anything(shape)], on: p, "sum along \(axis)") { tape, x in tape.sum(x[0], along: axis) }
                if shape[axis] == 0 { continue }
                expectGradientCheck(of: [.anything(shape)], on: p, "mean along \(axis)") { tape, x in tape.mean(x[0], along: axis) }
                expectGradientCheck(of: [.apart(shape)], on: p, "max along \(axis)") { tape, x in tape.max(x[0], along: axis) }
            }
        }
        expectGradientCheck(of: [.anything([3, 5])], on: p, "sum of a view") { tape, x in tape.sum(tape.transpose(x[0]), along: 0) }
        expectGradientCheck(of: [.apart([3, 5])], on: p, "max twice") { tape, x in
            tape.multiply(tape.max(x[0], along: 0), tape.max(x[0], along: 0))
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `matmuls of matrices, views and batches`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (M, K, N) in [(1, 1, 1), (3, 17, 5), (17, 3, 33), (0, 3, 2), (3, 0, 2), (65, 1, 2)] {
            expectGradientCheck(of: [.anything([M, K]), .anything([K, N])], on: p, "A·B") { tape, x in tape.matmul(x[0], x[1]) }
            expectGradientCheck(of: [.anything([K, M]), .anything([K, N])], on: p, "Aᵀ·B") { tape, x in
                tape.matmul(tape.transpose(x[0]), x[1])
            }
            expectGradientCheck(of: [.anything([M, K]), .anything([N, K])], on: p, "A·Bᵀ") { tape, x in
                tape.matmul(x[0], tape.transpose(x[1]))
            }
            expectGradientCheck(of: [.anything([K, M]), .anything([N, K])], on: p, "Aᵀ·Bᵀ") { tape, x in
                tape.matmul(tape.transpose(x[0]), tape.transpose(x[1]))
            }
        }
        let batches: [(Shape, Shape)] = [([2, 3, 5], [2, 5, 4]), ([2, 3, 5], [5, 4]), ([3, 5], [2, 5, 4]),
            ([2, 1, 3, 5], [1, 3, 5, 2]), ([0, 3, 5], [5, 4])]
        for (a, b) in batches {
            expectGradientCheck(of: [.anything(a), .anything(b)], on: p, "\(a)·\(b)") { tape, x in tape.matmul(x[0], x[1]) }
        }
        expectGradientCheck(of: [.anything([3, 3])], on: p, "A·A") { tape, x in tape.matmul(x[0], x[0]) }
        expectGradientCheck(of: [.anything([2, 7, 5]), .anything([2, 3, 5])], on: p, "of slices") { tape, x in
            tape.matmul(tape.slice(x[0], along: 1, 2..<6), tape.transpose(x[1]))
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `linear layers`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (N, I, O) in [(1, 1, 1), (3, 17, 5), (17, 3, 33), (0, 3, 2), (2, 65, 1)] {
            for f in [UnaryFunction.identity, .tanh, .gelu, .exactGELU, .sigmoid, .silu] {
                expectGradientCheck(
                    of: [.anything([N, I]), .anything([O, I]), .anything([O]), .anything([N, O])], on: p, "linear, \(f)"
                ) { tape, x in
                    tape.linear(x[0], weight: x[1], bias: x[2], then: f, plus: x[3])
                }
            }
            expectGradientCheck(of: [.anything([N, I]), .anything([O, I])], on: p, "without a bias") { tape, x in
                tape.linear(x[0], weight: x[1])
            }
        }
        expectGradientCheck(of: [.anything([2, 3, 5]), .anything([5, 5])], on: p, "plus its own input") { tape, x in
            tape.linear(x[0], weight: x[1], then: .tanh, plus: x[0])
        }
        expectGradientCheck(of: [.anything([5, 3]), .anything([2, 5])], on: p, "of a view") { tape, x in
            tape.linear(tape.transpose(x[0]), weight: x[1])
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `softmax and log-softmax`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for shape in [[1], [3, 17], [2, 3, 5], [65], [0, 3], [2, 33]] as [Shape] {
            expectGradientCheck(of: [.anything(shape)], on: p, "softmax") { tape, x in tape.softmax(x[0]) }
            expectGradientCheck(of: [.anything(shape)], on: p, "log softmax") { tape, x in tape.logSoftmax(x[0]) }
            expectGradientCheck(of: [.anything(shape)], on: p, "both") { tape, x in
                tape.add(tape.softmax(x[0]), tape.logSoftmax(x[0]))
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `layer norm and RMS norm`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for shape in [[3, 17], [2, 3, 5], [65], [0, 3], [2, 33]] as [Shape] {
            let C: Shape = [shape[-1]]
            expectGradientCheck(of: [.anything(shape), .anything(C), .anything(C)], on: p, "layerNorm") { tape, x in
                tape.layerNorm(x[0], scale: x[1], shift: x[2])
            }
            expectGradientCheck(of: [.anything(shape), .anything(C)], on: p, "rmsNorm") { tape, x in tape.rmsNorm(x[0], scale: x[1])
            }
            expectGradientCheck(of: [.anything(shape), .anything(C)], on: p, "normed and kept") { tape, x in
                tape.add(x[0], tape.layerNorm(x[0], scale: x[1]))
            }
        }
        // With one channel a layer norm is flat, and an RMS norm a sign.
        expectGradientCheck(of: [.awayFromZero([3, 1]), .anything([1]), .anything([1])], on: p, "of one channel") { tape, x in
            tape.layerNorm(x[0], scale: x[1], shift: x[2])
        }
        expectGradientCheck(of: [.positive([3, 1]), .anything([1])], on: p, "of one channel") { tape, x in
            tape.rmsNorm(x[0], scale: x[1])
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `embeddings`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (shape, C) in [([], 3), ([1], 1), ([7], 17), ([2, 5], 33), ([0], 3), ([0, 5], 3), ([2, 3, 4], 2)] as [(Shape, Int)] {
            let ids = (0..<shape.count).map { Int32($0 * $0 % 5) }, T = shape.rank == 0 ? 1 : shape[-1]
            expectGradientCheck(of: [.anything([5, C])], on: p, "gather") { tape, x in tape.gather(x[0], rows: tape.ids(ids, shape))
            }
            expectGradientCheck(of: [.anything([5, C]), .anything([T + 2, C])], on: p, "embed \(shape)") { tape, x in
                tape.multiply(
                    tape.embed(tape.ids(ids, shape), in: x[0], plus: x[1]), tape.embed(tape.ids(ids, shape), in: x[0], plus: x[1]))
            }
            let starts = (0..<shape.count).map { Int32($0 % T < 2 ? 0 : $0 % T / 2 + 1) }
            expectGradientCheck(of: [.anything([5, C]), .anything([T + 2, C])], on: p, "embed \(shape) in documents") { tape, x in
                let y = tape.embed(tape.ids(ids, shape), in: x[0], plus: x[1], documentStarts: tape.ids(starts, shape))
                return tape.multiply(y, y)
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `views and copies`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for shape in [[3, 17], [1, 1], [2, 3, 5], [2, 1, 3, 4], [0, 3]] as [Shape] {
            expectGradientCheck(of: [.anything(shape)], on: p, "reshape") { tape, x in tape.reshape(x[0], [shape.count, 1]) }
            expectGradientCheck(of: [.anything(shape)], on: p, "transpose") { tape, x in tape.transpose(x[0]) }
            expectGradientCheck(of: [.anything(shape)], on: p, "a view of a view") { tape, x in
                tape.add(tape.reshape(tape.transpose(x[0]), [shape.count]), tape.reshape(x[0], [shape.count]))
            }
            for axis in 0..<shape.rank {
                let part = shape[axis] / 3..<shape[axis]
                expectGradientCheck(of: [.anything(shape)], on: p, "slice") { tape, x in tape.slice(x[0], along: axis, part) }
                expectGradientCheck(of: [.anything(shape)], on: p, "two slices") { tape, x in
                    tape.multiply(tape.slice(x[0], along: axis, part), tape.slice(tape.scale(x[0], by: 2), along: axis, part))
                }
                expectGradientCheck(of: [.anything(shape), .anything(shape)], on: p, "concat") { tape, x in
                    tape.concat([x[0], tape.slice(x[1], along: axis, part), x[0]], along: axis)
                }
            }
        }
        expectGradientCheck(of: [.anything([5, 3])], on: p, "contiguous") { tape, x in tape.contiguous(tape.transpose(x[0])) }
    }

    @Test(arguments: Processor.instructionSets)
    func `attention`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (B, T, H, D) in [(1, 1, 1, 1), (2, 3, 1, 5), (1, 17, 3, 3), (2, 49, 1, 17), (0, 3, 2, 2), (2, 0, 1, 3)] {
            expectGradientCheck(of: [.anything([B, T, 3 * H * D])], on: p, "attention") { tape, x in
                tape.causalAttention(x[0], heads: H)
            }
            let starts = (0..<B * T).map { Int32($0 % T < 2 ? 0 : $0 % T / 2) }
            expectGradientCheck(of: [.anything([B, T, 3 * H * D])], on: p, "of documents, used twice") { tape, x in
                let y = tape.causalAttention(x[0], heads: H, documentStarts: tape.ids(starts, [B, T]))
                return tape.add(y, tape.slice(x[0], along: 2, 0..<H * D))
            }
        }
        let grouped = AttentionHeads(4, keys: 2, width: 5), sliding = AttentionHeads(2, width: 3, window: 7)
        let capped = AttentionHeads(4, keys: 2, width: 5, scoreCap: 0.7)
        expectGradientCheck(of: [.anything([2, 11, grouped.rowWidth]), .anything([4])], on: p, "attention with sinks") { tape, x in
            tape.causalAttention(x[0], grouped, sinks: x[1])
        }
        let qkv = (0..<2 * 11 * grouped.rowWidth).map { sin(Float($0)) }
        expectGradientCheck(of: [.anything([4])], on: p, "sinks alone") { tape, x in
            tape.causalAttention(tape.constant(qkv, [2, 11, grouped.rowWidth]), grouped, sinks: x[0])
        }
        let variants = [grouped, .init(3, keys: 1, width: 8, scale: 0.2, window: 3), sliding, capped]
        for (T, heads) in zip([17, 9, 13, 11], variants) {
            expectGradientCheck(of: [.anything([2, T, heads.rowWidth])], on: p, "attention, \(heads)") { tape, x in
                tape.causalAttention(x[0], heads)
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `gated activations`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for f in [UnaryFunction.silu, .gelu, .exactGELU, .clampedSiLU] {
            expectGradientCheck(of: [.anything([2, 3, 38])], on: p, "gate by \(f)") { tape, x in tape.gatedActivation(x[0], by: f) }
        }
        expectGradientCheck(of: [.anything([3, 19])], on: p, "soft cap, its input used again") { tape, x in
            tape.add(tape.softCap(x[0], at: 0.7), x[0])
        }
        expectGradientCheck(of: [.anything([5, 4])], on: p, "used twice") { tape, x in
            tape.add(tape.gatedActivation(x[0], by: .silu), tape.slice(x[0], along: 1, 1..<3))
        }
    }

    /// The expert e multiplies its rows by e + 1.
    private func mixture(_ tape: Tape, _ x: Tensor, _ scores: Tensor, _ experts: Experts) -> Tensor {
        let routing = tape.route(scores, to: experts)
        let outputs = routing.groups.map { tape.scale(tape.rows(of: $0, in: x), by: Float($0.expert + 1)) }
        return tape.weightedSum(of: outputs, by: routing, x.shape)
    }

    @Test(arguments: Processor.instructionSets)
    func `mixtures of experts`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (N, C, E, k) in [(1, 1, 2, 1), (5, 17, 3, 2), (3, 33, 3, 3), (9, 5, 4, 1), (0, 3, 2, 2)] {
            for isNormalized in [false, true] {
                var experts = Experts(count: E, active: k)
                experts.balance = 0
                experts.normalizesWeights = isNormalized
                expectGradientCheck(of: [.anything([N, C]), .apart([N, E])], on: p, "\(N) rows, \(k) of \(E) experts") { tape, x in
                    mixture(tape, x[0], tape.scale(x[1], by: 0.3), experts)
                }
            }
        }
    }

    @Test func `the load-balancing loss is that of the chosen experts and their mean probabilities`() throws {
        let tape = Tape(try Processor(threads: 1)), N = 7, E = 4
        var noise = TestRandom(3), experts = Experts(count: E, active: 2)
        let numbers = noise.numbers(N * E), x = noise.numbers(N * 3)
        func gradient(balance: Float) -> [Float] {
            experts.balance = balance
            tape.reset()
            let scores = tape.variable(numbers, [N, E])
            tape.backward(from: tape.sum(mixture(tape, tape.constant(x, [N, 3]), scores, experts)))
            return tape.gradient(of: scores)?.floats ?? []
        }
        let injected = zip(gradient(balance: 0.5), gradient(balance: 0)).map { $0 - $1 }
        func loss(_ numbers: [Float]) -> Double {
            let rows = (0..<N).map { n in
                let exponentials = (0..<E).map { exp(Double(numbers[n * E + $0])) }
                return exponentials.map { $0 / exponentials.reduce(0, +) }
            }
            return (0..<E).reduce(0) { sum, e in
                let chosen = rows.count { row in row.count { $0 > row[e] } < 2 }
                return sum + 0.5 * Double(E) * Double(chosen) / Double(N) * rows.reduce(0) { $0 + $1[e] } / Double(N)
            }
        }
        for i in numbers.indices {
            var above = numbers, below = numbers
            above[i] += 1e-3
            below[i] -= 1e-3
            let expected = (loss(above) - loss(below)) / Double(above[i] - below[i])
            #expect(abs(Double(injected[i]) - expected) < 1e-4, "score \(i)")
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `rotary embeddings and QK-norm`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (B, T, H, D) in [(1, 1, 1, 2), (2, 3, 1, 6), (1, 5, 3, 34), (0, 3, 2, 2), (2, 0, 1, 4)] {
            expectGradientCheck(of: [.anything([B, T, 3 * H * D])], on: p, "applyRotaryEmbedding") { tape, x in
                tape.applyRotaryEmbedding(x[0], heads: H, by: tape.rotaryAngles(of: T + 2, width: D, from: 7))
            }
            expectGradientCheck(of: [.awayFromZero([B, T, 3 * H * D])], on: p, "applyQKNorm") { tape, x in
                tape.applyQKNorm(x[0], heads: H)
            }
            expectGradientCheck(of: [.awayFromZero([B, T, 3 * H * D])], on: p, "both, used twice") { tape, x in
                let y = tape.applyQKNorm(tape.applyRotaryEmbedding(x[0], heads: H, by: tape.rotaryAngles(of: T, width: D)), heads: H)
                return tape.add(tape.multiply(y, y), x[0])
            }
        }
        for heads in [AttentionHeads(4, keys: 2, width: 6), .init(1, width: 3)] {
            let inputs: [GradientInput] = [.awayFromZero([2, 3, heads.rowWidth]), .anything([2, heads.width])]
            expectGradientCheck(of: inputs, on: p, "with weights") { tape, x in
                tape.applyQKNorm(x[0], heads, scale: x[1])
            }
        }
        var partial = RotaryPositions(base: 500, width: 4)
        partial.scaling = .linear(factor: 3)
        expectGradientCheck(of: [.anything([1, 5, 40])], on: p, "partial rotation of grouped queries") { tape, x in
            tape.applyRotaryEmbedding(x[0], AttentionHeads(3, keys: 1, width: 8), by: tape.rotaryAngles(of: 5, width: 8, from: 2, partial))
        }
        expectGradientCheck(of: [.awayFromZero([2, 3, 9])], on: p, "heads of an odd width") { tape, x in
            tape.applyQKNorm(x[0], heads: 1)
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `cross-entropy, fused and unfused`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (N, V, C) in [(1, 1, 1), (3, 17, 5), (7, 33, 3), (0, 3, 2), (2, 65, 17)] {
            for hidden in [1, 2] {         // ignores every second target if 2
                let targets = (0..<N).map { Int32($0 % hidden == 1 ? -1 : ($0 * 5 + 2) % V) }
                expectGradientCheck(of: [.anything([N, V])], on: p, "crossEntropy") { tape, x in
                    tape.crossEntropy(x[0], targets: tape.ids(targets, [N]))
                }
                expectGradientCheck(of: [.anything([N, V])], on: p, "of half, used twice") { tape, x in
                    let loss = tape.scale(tape.crossEntropy(x[0], targets: tape.ids(targets, [N]), count: 2 * N + 1), by: 3)
                    return tape.add(loss, tape.crossEntropy(tape.scale(x[0], by: 2), targets: tape.ids(targets, [N])))
                }
                for rows in [1, 2, 512] {
                    expectGradientCheck(of: [.anything([N, C]), .anything([V, C])], on: p, "linearCrossEntropy by \(rows)") {
                        tape, x in
                        tape.linearCrossEntropy(x[0], weight: x[1], targets: tape.ids(targets, [N]), rows: rows)
                    }
                    expectGradientCheck(of: [.anything([N, C]), .anything([V, C])], on: p, "capped logits by \(rows)") { tape, x in
                        tape.linearCrossEntropy(x[0], weight: x[1], softCap: 0.8, targets: tape.ids(targets, [N]), rows: rows)
                    }
                }
                expectGradientCheck(of: [.anything([N, C]), .anything([V, C])], on: p, "scaled, its inputs used again") { tape, x in
                    let loss = tape.scale(tape.linearCrossEntropy(x[0], weight: x[1], targets: tape.ids(targets, [N])), by: 3)
                    return tape.add(loss, tape.add(tape.sum(tape.multiply(x[0], x[0])), tape.sum(tape.multiply(x[1], x[1]))))
                }
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `cross-entropy with soft targets`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for (N, V, C) in [(1, 1, 1), (3, 17, 5), (2, 65, 17)] {
            // Row n has n + 1 tokens, one of them twice. The sum of its weights is the weight of the row.
            var starts: [Int32] = [0], tokens: [Int32] = []
            for n in 0..<N {
                for i in 0...n { tokens.append(Int32((7 * n + 3 * i) % V)) }
                tokens.append(Int32(7 * n % V))
                starts.append(Int32(tokens.count))
            }
            let weights: [Float] = tokens.indices.map { 0.25 + Float($0 % 3) * 0.5 }
            let targets = SoftTargets(starts: starts, tokens: tokens, weights: weights, on: p)
            expectGradientCheck(of: [.anything([N, C]), .anything([V, C])], on: p, "soft targets") { tape, x in
                tape.linearCrossEntropy(x[0], weight: x[1], softTargets: targets)
            }
            // The same as a sum over hard targets.
            var noise = TestRandom(3)
            let tape = Tape(p), x = tape.constant(noise.numbers(N * C), [N, C]), w = tape.constant(noise.numbers(V * C), [V, C])
            let logs = tape.logSoftmax(tape.linear(x, weight: w)).floats
            var plain: Float = 0
            for n in 0..<N {
                for i in Int(starts[n])..<Int(starts[n + 1]) { plain -= weights[i] * logs[n * V + Int(tokens[i])] }
            }
            let loss = tape.linearCrossEntropy(x, weight: w, softTargets: targets).scalar
            #expect(abs(loss - plain) < 1e-4 * max(1, plain))
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `dropout and recomputation`(instructionSet: String) throws {
        let p = try Processor(threads: 1, instructionSet: instructionSet)
        for shape in [[1], [3, 17], [65], [0, 3]] as [Shape] {
            expectGradientCheck(of: [.anything(shape)], on: p, "dropout") { tape, x in tape.dropout(tape.multiply(x[0], x[0]), 0.4) }
            expectGradientCheck(of: [.anything(shape)], on: p, "recompute") { tape, x in
                tape.recompute(tape.scale(x[0], by: 2)) { x in tape.multiply(tape.dropout(x, 0.4), tape.tanh(x)) }
            }
        }
    }

    @Test(.needsBFloat16) func `gradients in bf16 are close to those in f32`() throws {
        let p = try Processor(threads: 2, instructionSet: KernelVariant.bfloat16InstructionSets.first)
        var noise = TestRandom(3)
        let B = 2
        let T = 33
        let C = 16
        let V = 65
        // Scaled so that a sum of C products is near 1.
        let x = noise.numbers(B * T * C), weights = { (count: Int) in noise.numbers(count).map { 0.4 * $0 } }
        let qkv = weights(3 * C * C), up = weights(2 * C * C), down = weights(2 * C * C), head = weights(V * C)
        let ids = (0..<B * T).map { Int32($0 % 9 == 0 ? -1 : $0 * 11 % V) }
        let runs = [DataType.float32, .bfloat16].map { precision in
            let tape = Tape(p, precision: precision), ones = [Float](repeating: 1, count: C)
            let values = [
                tape.variable(x, [B, T, C]), tape.variable(qkv, [3 * C, C]), tape.variable(up, [2 * C, C]),
                tape.variable(down, [C, 2 * C]),
                tape.variable(head, [V, C]), tape.variable(ones, [C]),
            ]
            let qkv = tape.linear(tape.layerNorm(values[0], scale: values[5]), weight: values[1])
            let y = tape.add(values[0], tape.cast(tape.causalAttention(qkv, heads: 2), to: .float32))
            let z = tape.linear(tape.linear(tape.rmsNorm(y, scale: values[5]), weight: values[2], then: .gelu), weight: values[3], plus: y)
            let loss = tape.linearCrossEntropy(
                tape.layerNorm(z, scale: values[5]), weight: values[4], targets: tape.ids(ids, [B, T]), rows: 17)
            tape.backward(from: loss)
            return [[loss.scalar]] + values.map { tape.gradient(of: $0)?.floats ?? [] }
        }
        for (f32, bf16) in zip(runs[0], runs[1]) {
            let length = f32.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let distance = zip(f32, bf16).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            #expect(f32.count == bf16.count && distance <= 0.02 * length, "\(distance) of \(length)")
        }
    }
}
