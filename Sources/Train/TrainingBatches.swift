package import Corpus
import Kernels
import Random
import Tokenize

/// A sampler of batches. The batch of a step depends only on the step, so resuming a run needs no sampler state.
package protocol TrainingBatches: Sendable {
    func batch(at step: Int) throws(CorpusError) -> Batch
    /// The number of steps in which each token is used once.
    var stepsPerEpoch: Double { get }
}

/// Which tokens are targets of the loss.
package enum LossScope: String, Sendable, CaseIterable {
    case all, assistant
}

/// Windows at random offsets of the token stream, across conversation boundaries, as in nanoGPT.
///
///     let batches = RandomWindows(train, rows: 12, context: 384, seed: 1)
///     let batch = try batches.batch(at: 0)
package struct RandomWindows: TrainingBatches {
    private let tokens: TokenFile
    private let rows, context: Int
    private let seed: UInt64
    private let lossScope: LossScope

    package init(
        _ tokens: TokenFile, rows: Int, context: Int, seed: UInt64, lossScope: LossScope = .all
    ) throws(TrainingError) {
        guard tokens.count > context else { throw .tooFewTokens(path: tokens.path, count: tokens.count, needed: context + 1) }
        self.tokens = tokens
        self.rows = rows
        self.context = context
        self.seed = seed
        self.lossScope = lossScope
    }

    package var stepsPerEpoch: Double { Double(tokens.count) / Double(rows * context) }

    package func batch(at step: Int) throws(CorpusError) -> Batch {
        var random = SeededRandom(seed: seed, stream: UInt64(step))
        var builder = BatchBuilder(rows: rows, context: context)
        for _ in 0..<rows {
            let start = Int.random(in: 0..<tokens.count - context, using: &random)
            try builder.add(start..<start + context, of: tokens, lossScope: lossScope)
            builder.endRow()
        }
        return builder.batch
    }
}

/// Whole conversations, packed into rows. The conversations of a row do not attend to each other.
///
/// A conversation longer than the context is cut into pieces, which do not attend to each other either. In each epoch, every token but the
/// first of a conversation is a target once, and the rows are shuffled.
package struct PackedConversations: TrainingBatches {
    private let tokens: TokenFile
    /// Rows of a batch. How conversations are packed does not depend on it.
    var rows: Int
    private let context: Int
    private let seed: UInt64
    private let lossScope: LossScope
    private let packing: SequencePacking
    let padding: Int32

    /// - Parameter padding: The token that fills the rest of a row. It is never a target.
    package init(
        _ tokens: TokenFile, rows: Int, context: Int, seed: UInt64, lossScope: LossScope = .all, padding: Int32
    ) throws(TrainingError) {
        self.tokens = tokens
        self.context = context
        self.seed = seed
        self.lossScope = lossScope
        self.padding = padding
        packing = SequencePacking(tokens.conversations, into: context, seed: seed)
        if packing.rows.isEmpty { throw .tooFewTokens(path: tokens.path, count: tokens.count, needed: 2) }
        // Tokens without turns are all the assistant's.
        if lossScope == .assistant, !tokens.turns.isEmpty, !tokens.turns.contains(where: { $0.role == .assistant }) {
            throw .noAnswers
        }
        self.rows = rows
    }

    package var stepsPerEpoch: Double { Double(packing.rows.count) / Double(rows) }
    package var rowsPerEpoch: Int { packing.rows.count }
    /// The share of all positions that is padding.
    package var padded: Double { packing.padded }

    package func batch(at step: Int) throws(CorpusError) -> Batch {
        var builder = BatchBuilder(rows: rows, context: context, padding: padding)
        try fill(&builder, with: step * rows..<(step + 1) * rows)
        return builder.batch
    }

    /// Adds rows, which are numbered through all epochs.
    func fill(_ builder: inout BatchBuilder, with rows: Range<Int>) throws(CorpusError) {
        for i in rows {
            let (epoch, index) = i.quotientAndRemainder(dividingBy: packing.rows.count)
            for piece in packing.rows[Shuffle(count: packing.rows.count, seed: seed &+ UInt64(epoch))[index]] {
                try builder.add(piece, of: tokens, lossScope: lossScope)
            }
            builder.endRow()
        }
    }
}

extension TokenFile {
    /// The token range of each conversation. Plain text is one conversation.
    package var conversations: [Range<Int>] {
        let starts = turns.lazy.filter { $0.role == .preamble }.map(\.start)
        var result: [Range<Int>] = []
        var last = 0
        for start in starts where start > last {
            result.append(last..<start)
            last = start
        }
        if count > last { result.append(last..<count) }
        return result
    }
}

/// Assembles a batch from ranges of tokens.
struct BatchBuilder {
    private let rows, context: Int
    private let padding: Int32
    private var inputs: [Int32] = []
    private var targets: [Int32] = []
    private var documentStarts: [Int32] = []
    private var ids: [Int32] = []
    private var roles: [TokenRole] = []

    init(rows: Int, context: Int, padding: Int32 = 0) {
        self.rows = rows
        self.context = context
        self.padding = padding
    }

    /// Adds a conversation, or a piece of one, with the inputs `range`. The targets are one token further.
    mutating func add(_ range: Range<Int>, of tokens: TokenFile, lossScope: LossScope) throws(CorpusError) {
        let start = Int32(inputs.count % context)
        if lossScope == .all {
            try tokens.read(range.lowerBound..<range.upperBound + 1, into: &ids)
            targets += ids.dropFirst()
        } else {
            try tokens.read(range.lowerBound..<range.upperBound + 1, into: &ids, roles: &roles)
            targets += zip(ids, roles).dropFirst().map { $1 == .assistant ? $0 : -1 }
        }
        inputs += ids.dropLast()
        documentStarts += repeatElement(start, count: range.count)
    }

    mutating func endRow() {
        let missing = (context - inputs.count % context) % context
        let start = Int32(inputs.count % context)
        inputs += repeatElement(padding, count: missing)
        targets += repeatElement(-1, count: missing)
        documentStarts += repeatElement(start, count: missing)
    }

    var batch: Batch {
        // Without `documentStarts`, attention is faster.
        let isOnePerRow = documentStarts.allSatisfy { $0 == 0 }
        return Batch(inputs: inputs, targets: targets, rows: rows, documentStarts: isOnePerRow ? nil : documentStarts)
    }
}
