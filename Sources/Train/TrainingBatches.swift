package import Corpus
import Kernels
import Tokenize
import Random

/// Where batches come from. The batch of a step depends on the step alone, so going on at a step needs no other memory.
package protocol TrainingBatches: Sendable {
    /// Rows of tokens, with what to learn from them.
    func batch(at step: Int) -> Batch
    /// Steps in which every token is learned from once.
    var stepsPerEpoch: Double { get }
}

/// Which words are to be learned.
package enum LossScope: String, Sendable, CaseIterable {
    case all, assistant
}

/// Windows at random places, whatever they cut, as in nanoGPT.
///
///     let examples = RandomWindows(train, rows: 12, context: 384, seed: 1)
///     let batch = examples.batch(at: 0)
package struct RandomWindows: TrainingBatches {
    private let tokens: TokenFile
    private let rows, context: Int
    private let seed: UInt64
    private let learned: LossScope

    package init(_ tokens: TokenFile, rows: Int, context: Int, seed: UInt64, learning learned: LossScope = .all) throws(TrainingError) {
        guard tokens.count > context else { throw .tooFewTokens(path: tokens.path, count: tokens.count, needed: context + 1) }
        self.tokens = tokens
        self.rows = rows
        self.context = context
        self.seed = seed
        self.learned = learned
    }

    package var stepsPerEpoch: Double { Double(tokens.count) / Double(rows * context) }

    package func batch(at step: Int) -> Batch {
        var random = SeededRandom(seed: seed, stream: UInt64(step))
        var filler = BatchBuilder(rows: rows, context: context)
        for _ in 0..<rows {
            let start = Int.random(in: 0..<tokens.count - context, using: &random)
            filler.add(start..<start + context, of: tokens, learning: learned)
            filler.endRow()
        }
        return filler.batch
    }
}

/// Whole conversations, as many to a row as fit, that do not see each other.
///
/// A conversation longer than the context is learned in pieces, each a document of its own. Every token but a conversation's first is
/// learned
/// from once an epoch; the rows' order is another in each.
package struct PackedConversations: TrainingBatches {
    private let tokens: TokenFile
    private let rows, context: Int
    private let seed: UInt64
    private let learned: LossScope
    private let packing: SequencePacking
    let padding: Int32

    /// - Parameters:
    ///   - documents: the conversations to take, where not all of the tokens are wanted.
    ///   - padding: the token that fills what is left of a row; nothing is learned from it.
    package init(
        _ tokens: TokenFile, documents: [Range<Int>]? = nil, rows: Int, context: Int, seed: UInt64, learning learned: LossScope = .all,
        padding: Int32
    ) throws(TrainingError) {
        self.tokens = tokens
        self.rows = rows
        self.context = context
        self.seed = seed
        self.learned = learned
        self.padding = padding
        packing = SequencePacking(documents ?? tokens.conversations, into: context, seed: seed)
        if packing.rows.isEmpty { throw .tooFewTokens(path: tokens.path, count: tokens.count, needed: 2) }
    }

    package var stepsPerEpoch: Double { Double(packing.rows.count) / Double(rows) }
    package var rowsPerEpoch: Int { packing.rows.count }
    /// The share of all positions that nothing stands at.
    package var padded: Double { packing.waste }

    package func batch(at step: Int) -> Batch {
        var filler = BatchBuilder(rows: rows, context: context, padding: padding)
        fill(&filler, with: step * rows..<(step + 1) * rows)
        return filler.batch
    }

    /// Adds rows, counted through all epochs.
    func fill(_ filler: inout BatchBuilder, with rows: Range<Int>) {
        for i in rows {
            let (epoch, place) = i.quotientAndRemainder(dividingBy: packing.rows.count)
            for piece in packing.rows[Shuffle(count: packing.rows.count, seed: seed &+ UInt64(epoch))[place]] {
                filler.add(piece, of: tokens, learning: learned)
            }
            filler.endRow()
        }
    }
}

extension TokenFile {
    /// The tokens of each conversation.
    package var conversations: [Range<Int>] {
        let starts = turns.lazy.filter { $0.role == .preamble }.map(\.start)
        var result: [Range<Int>] = [], last = 0
        for start in starts where start > last {
            result.append(last..<start)
            last = start
        }
        if count > last { result.append(last..<count) }
        return result
    }
}

/// Puts ranges of tokens into the rows of a batch.
struct BatchBuilder {
    private let rows, context: Int
    private let padding: Int32
    private var inputs: [Int32] = [], targets: [Int32] = [], documents: [Int32] = []
    private var ids: [Int32] = [], roles: [TokenRole] = []

    init(rows: Int, context: Int, padding: Int32 = 0) {
        self.rows = rows
        self.context = context
        self.padding = padding
    }

    /// A document whose inputs are `range`; what they are to predict is one token further.
    mutating func add(_ range: Range<Int>, of tokens: TokenFile, learning learned: LossScope) {
        let start = Int32(inputs.count % context)
        if learned == .all {
            tokens.read(range.lowerBound..<range.upperBound + 1, into: &ids)
            targets += ids.dropFirst()
        } else {
            tokens.read(range.lowerBound..<range.upperBound + 1, into: &ids, roles: &roles)
            targets += zip(ids, roles).dropFirst().map { $1 == .assistant ? $0 : -1 }
        }
        inputs += ids.dropLast()
        documents += repeatElement(start, count: range.count)
    }

    mutating func endRow() {
        let missing = (context - inputs.count % context) % context, start = Int32(inputs.count % context)
        inputs += repeatElement(padding, count: missing)
        targets += repeatElement(-1, count: missing)
        documents += repeatElement(start, count: missing)
    }

    var batch: Batch {
        // A row that is one document needs no borders.
        Batch(inputs: inputs, targets: targets, rows: rows, documents: documents.allSatisfy { $0 == 0 } ? nil : documents)
    }
}
