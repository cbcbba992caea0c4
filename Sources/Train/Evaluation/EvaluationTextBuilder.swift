import Corpus
import Tokenize

/// Makes evaluation texts from tokens with roles: which tokens are targets, which of them end a turn, and how many bytes they encode.
struct EvaluationTextBuilder: Sendable {
    var lossScope = LossScope.all
    /// Reads all tokens as one stream, in which the ends of turns are tokens like others. Plain text is always read this way.
    var readsAsOneStream = false
    /// nil for plain text.
    let template: ChatTemplate?
    private let vocabulary: Vocabulary
    private let lengths: [Int]
    private let specialTokens: Set<TokenID>

    init(_ vocabulary: Vocabulary, _ template: ChatTemplate?) {
        self.vocabulary = vocabulary
        self.template = template
        lengths = vocabulary.textLengths
        specialTokens = Set(vocabulary.specialTokens.map(\.id))
    }

    /// - Parameters:
    ///   - roles: The role of each token; empty for plain text.
    ///   - pieces: The pieces of the text; by default those of a plain text, or one for each document.
    func text(
        _ name: String, _ ids: [TokenID], _ roles: [TokenRole], documents: [Range<Int>], pieces: [EvaluationText.Piece]? = nil,
        conversations: Int
    ) -> EvaluationText {
        let isCounted = roles.isEmpty || lossScope == .all ? Array(repeating: true, count: ids.count) : roles.map { $0 == .assistant }
        let isStream = readsAsOneStream || template == nil
        let found = pieces ?? (template == nil
            ? documents.flatMap { textPieces(of: ids, $0) }
            : documents.map { .init(start: $0.lowerBound, bytes: textBytes(of: ids[$0], isCounted)) })
        return EvaluationText(
            name: name, ids: ids, isCounted: isCounted, isTurnEnd: isStream ? [] : turnEnds(ids, roles),
            turnEnds: isStream ? [] : vocabulary.turnEnds(of: template),
            documents: isStream ? [0..<ids.count] : documents, pieces: found, conversations: conversations, hasChats: template != nil
        )
    }

    /// Passages of a plain text, which do not see each other.
    ///
    /// - Parameter context: The tokens of each passage that are no targets.
    func passages(of ids: [TokenID], _ passages: [Range<Int>], withContext context: [Range<Int>]) -> EvaluationText {
        var isCounted = Array(repeating: true, count: ids.count)
        for position in context.joined() { isCounted[position] = false }
        let pieces = passages.map { passage in
            // The first token of a passage is never a target.
            let bytes = passage.dropFirst().reduce(0) { $0 + (isCounted[$1] ? lengths[Int(ids[$1])] : 0) }
            return EvaluationText.Piece(start: passage.lowerBound, bytes: bytes)
        }
        return EvaluationText(
            name: "", ids: ids, isCounted: isCounted, isTurnEnd: [], turnEnds: [], documents: passages, pieces: pieces, conversations: 1,
            hasChats: false
        )
    }

    /// For each token, whether it ends a turn: a special token or, in the human-assistant template, the line end of an answer.
    private func turnEnds(_ ids: [TokenID], _ roles: [TokenRole]) -> [Bool] {
        if template == .specialTokens { return ids.map { specialTokens.contains($0) } }
        return roles.indices.map { roles[$0] == .assistant && ($0 + 1 == roles.count || roles[$0 + 1] != .assistant) }
    }

    /// The bytes of the messages of a conversation that count. Excludes role labels that are text, and ends of turns.
    private func textBytes(of ids: ArraySlice<TokenID>, _ isCounted: [Bool]) -> Int {
        guard template == .humanAssistant else { return ids.indices.reduce(0) { $0 + (isCounted[$1] ? lengths[Int(ids[$1])] : 0) } }
        let lines = ids.flatMap { vocabulary.tokens[Int($0)] }.split(separator: UInt8(ascii: "\n"))
        return lines.reduce(0) { sum, line in
            let isAssistant = line.starts(with: "Assistant: ".utf8)
            if !isAssistant, lossScope == .assistant { return sum }
            return sum + max(0, line.count - (isAssistant ? "Assistant: " : "Human: ").utf8.count)
        }
    }

    /// Cuts a text into pieces of 4,096 bytes; the last piece gets the remainder. The cuts are the same, up to one token, for every
    /// vocabulary.
    func textPieces(of ids: [TokenID], _ range: Range<Int>) -> [EvaluationText.Piece] {
        let last = ids[range].reduce(0) { $0 + lengths[Int($1)] } / 4_096 - 1
        var pieces: [EvaluationText.Piece] = []
        var start = range.lowerBound, bytes = 0, seen = 0
        for position in range {
            if seen / 4_096 > pieces.count, pieces.count < last {
                pieces.append(.init(start: start, bytes: bytes))
                start = position
                bytes = 0
            }
            let length = lengths[Int(ids[position])]
            seen += length
            if position > 0 { bytes += length }        // the first token is never a target
        }
        return pieces + [.init(start: start, bytes: bytes)]
    }

    /// The role of each token, from the turns of a chat. Empty if there are none.
    static func roles(_ turns: [ChatTokens.Turn], of count: Int) -> [TokenRole] {
        if turns.isEmpty { return [] }
        var roles = Array(repeating: TokenRole.preamble, count: count)
        for (i, turn) in turns.enumerated() {
            for position in turn.start..<(i + 1 < turns.count ? turns[i + 1].start : count) { roles[position] = turn.role }
        }
        return roles
    }
}
