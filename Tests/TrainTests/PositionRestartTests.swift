import Autograd
import Checkpoint
import Kernels
import Model
import Testing
import TestSupport
import Train

/// Conversations that share a row have the positions that they have alone.
@Suite struct PositionRestartTests {
    private static let context = 24, V = 31
    private let conversations: [[Int32]] = [
        (0..<7).map { ($0 * 5 + 2) % 31 }, (0..<11).map { ($0 * 7 + 1) % 31 }, (0..<4).map { ($0 * 3 + 9) % 31 },
    ]

    private func trainer(_ positions: GPTConfiguration.Positions = .learned, recomputing: Bool = false) throws -> Trainer {
        var configuration = GPTConfiguration(layers: 2, heads: 2, width: 16, context: Self.context, vocabulary: Self.V)
        configuration.positions = positions
        return try Trainer(configuration, on: Processor(threads: 1), precision: .float32, recomputesBlocks: recomputing, seed: 7)
    }

    /// One row that holds the conversations one after the other, with padding at its end.
    private func packed(_ order: [Int]) -> Batch {
        var inputs: [Int32] = [], targets: [Int32] = [], starts: [Int32] = []
        for i in order {
            starts += repeatElement(Int32(inputs.count), count: conversations[i].count - 1)
            inputs += conversations[i].dropLast()
            targets += conversations[i].dropFirst()
        }
        let missing = Self.context - inputs.count
        starts += repeatElement(Int32(inputs.count), count: missing)
        inputs += repeatElement(0, count: missing)
        targets += repeatElement(-1, count: missing)
        return Batch(inputs: inputs, targets: targets, rows: 1, documentStarts: starts)
    }

    /// Each conversation in a row of its own.
    private var alone: Batch {
        let T = Self.context
        let fill = { (ids: ArraySlice<Int32>, value: Int32) in Array(ids) + Array(repeating: value, count: T - ids.count) }
        return Batch(
            inputs: conversations.flatMap { fill($0.dropLast(), 0) }, targets: conversations.flatMap { fill($0.dropFirst(), -1) },
            rows: conversations.count)
    }

    @Test(arguments: [GPTConfiguration.Positions.learned, .rotary, .none])
    func `the losses of a conversation are the same wherever it lies in a row`(positions: GPTConfiguration.Positions) throws {
        let trainer = try trainer(positions), expected = trainer.tokenLosses(of: alone).nats
        let ends = conversations.indices.map { i in conversations[...i].reduce(0) { $0 + $1.count - 1 } }
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let found = trainer.tokenLosses(of: packed(order)).nats
            var start = 0
            for i in order {
                let count = conversations[i].count - 1
                expectClose(
                    Array(found[start..<start + count]), Array(expected[ends[i] - count..<ends[i]]), within: .forward,
                    "conversation \(i) in the order \(order)")
                start += count
            }
        }
    }

    @Test(arguments: [false, true]) func `a step on packed conversations equals a step on conversations in rows of their own`(
        recomputing: Bool
    ) throws {
        let together = try trainer(recomputing: recomputing), apart = try trainer()
        let a = together.step(packed([2, 0, 1]), rate: 1e-3), b = apart.step(alone, rate: 1e-3)
        expectClose([a.loss, a.gradientNorm], [b.loss, b.gradientNorm], within: .forward, "loss and gradient norm")
        let weights = { (trainer: Trainer) in trainer.parameters.list.flatMap { trainer.parameters.value(of: $0).floats } }
        expectClose(weights(together), weights(apart), within: .gradient, "weights")
    }

    @Test func `without a restart, the positions of a conversation depend on its row`() throws {
        let trainer = try trainer(), restarted = trainer.tokenLosses(of: packed([0, 1, 2])).nats
        var list = ParameterList()
        var model = GPT(trainer.model.configuration, in: &list)
        model.restartsPositions = false
        let older = try Trainer(
            model, Parameters(list, on: Processor(threads: 1), seed: 7), on: Processor(threads: 1), precision: .float32, seed: 7)
        let found = older.tokenLosses(of: packed([0, 1, 2])).nats
        #expect(Array(found[..<6]) == Array(restarted[..<6]) && found[6...] != restarted[6...])
    }
}
