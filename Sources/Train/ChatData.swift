import Checkpoint
package import Corpus
import Files
import Hashing
package import Kernels
package import Tokenize
import Random

/// Conversations of files as tokens, with a tenth of them, but at least one of two, kept to check with.
///
///     let data = try ChatData(["chat_history.jsonl"], tokenizer, form: .specialTokens, context: 384, seed: 1, on: pool)
///     let examples = try data.examples(.train, rows: 4, …)
///
/// Which they are depends on the seed and the number of conversations. The tokens lie in files that have no name any more: nothing is left
/// behind.
package struct ChatData: Sendable {
    package let report: CorpusReport
    /// Where the conversations are among the tokens.
    package let train, val: [Range<Int>]
    /// The same for the same conversations.
    package let digest: String
    package let tokens: TokenFile

    package init(
        _ paths: [String], _ tokenizer: Tokenizer, form: ChatTemplate, context: Int, seed: UInt64, skippingBad: Bool = false,
        on pool: WorkerPool
    ) throws(TrainingError) {
        let tokens: TokenFile
        do throws(CorpusError) { (tokens, report) = try Self.tokens(of: paths, tokenizer, form, skippingBad, on: pool) } catch {
            throw .corpus(error)
        }
        // Plain text has no conversations: passages of it do.
        let all = tokens.turns.contains { $0.role == .preamble } ? tokens.conversations
            : stride(from: 0, to: tokens.count - 1, by: context).map { $0..<min($0 + context + 1, tokens.count) }
        let held = all.count < 2 ? 0 : max(1, (all.count + 5) / 10), order = Shuffle(count: all.count, seed: seed)
        let chosen = Set((0..<held).map { order[$0] })
        train = all.indices.filter { !chosen.contains($0) }.map { all[$0] }
        val = all.indices.filter { chosen.contains($0) }.map { all[$0] }
        self.tokens = tokens
        digest = Self.digest(of: tokens)
    }

    package var chats: Int { train.count + val.count }

    package func count(of part: DatasetSplit) -> Int { (part == .train ? train : val).reduce(0) { $0 + $1.count } }

    /// Rows of a batch are at most as many as there are: of few conversations, none shall be twice in one.
    package func examples(
        _ part: DatasetSplit, rows: Int, context: Int, seed: UInt64, learning learned: LossScope, padding: Int32
    ) throws(TrainingError) -> PackedConversations {
        func packed(_ rows: Int) throws(TrainingError) -> PackedConversations {
            try PackedConversations(
                tokens, documents: part == .train ? train : val, rows: rows, context: context, seed: seed, learning: learned,
                padding: padding)
        }
        let all = try packed(rows), count = all.rowsPerEpoch
        // What is evaluated is seen once: batches as equal as can be.
        let even = (count + (count + rows - 1) / rows - 1) / ((count + rows - 1) / rows)
        return part == .val && even != rows ? try packed(even) : all
    }

    private static func tokens(
        of paths: [String], _ tokenizer: Tokenizer, _ form: ChatTemplate, _ skipsBad: Bool, on pool: WorkerPool
    ) throws(CorpusError) -> (TokenFile, CorpusReport) {
        let folder: ScratchFolder
        do throws(FileError) { folder = try ScratchFolder() } catch { throw .file(error) }
        var encoding = CorpusEncoder(tokenizer, file: "", template: form)
        encoding.validationShare = 0
        encoding.skipsBad = skipsBad
        let report = try encoding.write(paths, to: folder.path, on: pool)
        return (try TokenFile(.train, in: folder.path), report)
    }

    private static func digest(of tokens: TokenFile) -> String {
        let digest = Digest()
        var ids: [TokenID] = []
        for start in stride(from: 0, to: tokens.count, by: 1 << 16) {
            tokens.read(start..<min(start + 1 << 16, tokens.count), into: &ids)
            digest.add(ids)
        }
        return digest.text
    }
}
