package import Corpus
import Hashing
package import Tokenize
import Random

/// The validation set of a training run, evaluated as `slm eval` does.
///
///     let set = try ValidationSet(data.validation, data.meta.template, data.vocabulary, lossScope: .assistant)
///     try set?.evaluation(of: 65_536, by: trainer.evaluator).loss
///
/// A part of the set is the first conversations of an order that depends on the data alone. So runs of any seed, length and batch size that
/// evaluate on as many tokens of one data set evaluate the same tokens.
package struct ValidationSet: Sendable {
    /// Tokens that are read from one start, and the first of them that is a target.
    private struct Passage {
        let range: Range<Int>
        let firstTarget: Int

        var targets: Int { range.upperBound - max(firstTarget, range.lowerBound + 1) }
    }

    /// The number of tokens of all passages, in any role, that follow another token.
    package let tokens: Int
    private let file: TokenFile
    private let passages: [Passage]
    private let builder: EvaluationTextBuilder
    private let digest: String

    /// Tokens of a passage of plain text, and before it as context.
    private static let passageTokens = 1_024, passageContext = 512
    /// Tokens that are held in memory at once.
    private static let groupTokens = 1 << 18

    /// nil if no token is a target.
    ///
    /// - Parameter template: nil for plain text.
    package init?(
        _ file: TokenFile, _ template: ChatTemplate?, _ vocabulary: Vocabulary, lossScope: LossScope
    ) throws(CorpusError) {
        var builder = EvaluationTextBuilder(vocabulary, template)
        builder.lossScope = lossScope
        var passages = template == nil ? Self.passages(ofTextWith: file.count) : Self.conversations(of: file, lossScope)
        passages.removeAll { $0.targets < 1 }
        if passages.isEmpty { return nil }
        var random = SeededRandom(seed: 1, stream: 0)
        passages.shuffle(using: &random)
        self.file = file
        self.passages = passages
        self.builder = builder
        tokens = passages.reduce(0) { $0 + $1.targets }
        digest = try Self.digest(of: file, lossScope)
    }

    private static func passages(ofTextWith count: Int) -> [Passage] {
        stride(from: 0, to: count, by: passageTokens).map { start in
            Passage(range: max(0, start - passageContext)..<min(start + passageTokens, count), firstTarget: start)
        }
    }

    /// The conversations that have targets.
    private static func conversations(of file: TokenFile, _ lossScope: LossScope) -> [Passage] {
        let conversations = file.conversations
        let all = conversations.map { Passage(range: $0, firstTarget: $0.lowerBound) }
        if lossScope == .all || file.turns.isEmpty { return all }
        var hasTargets = Array(repeating: false, count: all.count)
        var i = 0
        for turn in file.turns where turn.role == .assistant {
            while i < conversations.count, conversations[i].upperBound <= turn.start { i += 1 }
            if i < conversations.count { hasTargets[i] = true }
        }
        return zip(all, hasTargets).filter(\.1).map(\.0)
    }

    /// Identifies the tokens, and which of them are targets.
    private static func digest(of file: TokenFile, _ lossScope: LossScope) throws(CorpusError) -> String {
        let digest = Digest()
        try file.addIDs(to: digest)
        for turn in file.turns { digest.add([Int32(truncatingIfNeeded: turn.start), Int32(turn.role.rawValue)]) }
        digest.add([lossScope == .all ? 0 : 1, -1])
        return digest.text
    }
}

extension ValidationSet {
    /// A part of the set: its first passages.
    package struct Part: Sendable, Equatable {
        /// The number of passages.
        package let count: Int
        /// Their tokens.
        package let tokens: Int
        /// Whether it is the whole set.
        package let isWhole: Bool
        /// Identifies the tokens that are targets. Evaluations of models with the same vocabulary can be compared if it is the same.
        package let fingerprint: String

        package init(count: Int, tokens: Int, isWhole: Bool, fingerprint: String) {
            self.count = count
            self.tokens = tokens
            self.isWhole = isWhole
            self.fingerprint = fingerprint
        }
    }

    /// The part with at least `tokens` tokens, or the whole set.
    package func part(of tokens: Int) -> Part {
        var sum = 0, count = 0
        while count < passages.count, sum < tokens || count == 0 {
            sum += passages[count].targets
            count += 1
        }
        return Part(
            count: count, tokens: sum, isWhole: count == passages.count, fingerprint: "\(digest.prefix(16))-\(count)"
        )
    }

    /// - Parameter progress: Called with the number of tokens done.
    package func evaluation(
        of part: Part, by evaluator: Evaluator, progress: (_ tokens: Int) throws -> Void = { _ in }
    ) throws -> Evaluation {
        try pieces(of: part, by: evaluator, progress: progress).reduce(into: Evaluation(), +=)
    }

    /// The metrics of each conversation, or of each piece of a plain text.
    ///
    /// - Parameter progress: Called with the number of tokens done.
    func pieces(of part: Part, by evaluator: Evaluator, progress: (_ tokens: Int) throws -> Void) throws -> [Evaluation] {
        var pieces: [Evaluation] = []
        var done = 0
        try forEachText(of: part) { text, tokens in
            pieces += try evaluator.pieces(of: text) { share in try progress(done + Int(share * Double(tokens))) }
            done += tokens
        }
        return pieces
    }

    private func forEachText(of part: Part, _ body: (EvaluationText, _ tokens: Int) throws -> Void) throws {
        if part.isWhole, builder.template == nil {
            // One stream, as in slm eval.
            var ids: [TokenID] = []
            try file.read(0..<file.count, into: &ids)
            return try body(builder.text("validation", ids, [], documents: [0..<ids.count], conversations: 1), tokens)
        }
        var rest = passages[..<part.count]
        while !rest.isEmpty {
            var size = 0
            let group = rest.prefix { passage in
                defer { size += passage.range.count }
                return size < Self.groupTokens
            }
            rest = rest.dropFirst(group.count)
            try body(try text(of: group), group.reduce(0) { $0 + $1.targets })
        }
    }

    private func text(of passages: ArraySlice<Passage>) throws(CorpusError) -> EvaluationText {
        var all: [TokenID] = [], roles: [TokenRole] = [], documents: [Range<Int>] = [], isContext: [Range<Int>] = []
        var ids: [TokenID] = [], idRoles: [TokenRole] = []
        for passage in passages {
            let start = all.count
            try file.read(passage.range, into: &ids, roles: &idRoles)
            all += ids
            roles += idRoles
            documents.append(start..<all.count)
            isContext.append(start..<start + passage.firstTarget - passage.range.lowerBound)
        }
        if builder.template == nil { return builder.passages(of: all, documents, withContext: isContext) }
        return builder.text("validation", all, roles, documents: documents, conversations: documents.count)
    }
}
