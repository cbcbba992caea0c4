/// The tokens that structure a conversation: the special tokens, and those added tokens that a template writes although their file does not
/// call them special. In a rendered text they are recognized only where the template wrote them, so that no message can forge them.
///
///     var templateTokens = TemplateTokens(of: vocabulary)              // all that may be
///     templateTokens.restrict(toThoseIn: template.source, written, delimiters: [im_start, im_end])
///     templateTokens.matches(in: rendered) { source in false }
struct TemplateTokens: Sendable {
    struct Match: Equatable {
        let range: Range<Int>
        let id: TokenID
    }

    /// Longest first.
    private var tokens: [(text: [UInt8], id: TokenID)]
    private var starts: Set<UInt8> = []
    private(set) var ids: Set<TokenID> = []
    private let special: Set<TokenID>
    /// Those that delimit turns. The others, such as `<think>`, are also recognized in what an assistant said.
    private var delimiters: Set<TokenID>
    private let added: AddedTokenMatcher

    /// White space is text, also where it is an added token.
    init(of vocabulary: Vocabulary) {
        special = vocabulary.specialTokenIDs
        delimiters = special
        let others = vocabulary.addedTokens.filter { token in !token.text.allSatisfy(\.isWhitespace) }
        added = AddedTokenMatcher(others.map { (Array($0.text.utf8), Vocabulary.AddedToken(id: $0.id, text: $0.text)) })
        tokens = (vocabulary.specialTokens + others).map { (text: Array($0.text.utf8), id: $0.id) }.filter { !$0.text.isEmpty }
            .sorted { $0.text.count > $1.text.count }
        update()
    }

    private mutating func update() {
        starts = Set(tokens.compactMap(\.text.first))
        ids = Set(tokens.map(\.id))
    }

    /// Leaves out the added tokens that are not part of a template's source and are not among those that it wrote in another way.
    mutating func restrict(toThoseIn source: String, _ written: Set<TokenID>, delimiters: Set<TokenID>) {
        var kept = special.union(written).union(delimiters), at = 0
        let bytes = Array(source.utf8)
        while let match = added.firstMatch(in: bytes.span, from: at, after: at, ignoring: []) {
            kept.insert(match.id)
            at = match.range.upperBound
        }
        tokens.removeAll { !kept.contains($0.id) }
        self.delimiters.formUnion(delimiters)
        update()
    }

    /// The leftmost tokens first, and the longest of those that start at the same byte. All characters of a token have one source: the
    /// template, or an answer.
    ///
    /// - Parameter isAnswer: Whether a source is a message of the assistant.
    func matches(in text: JinjaChatRenderer.Rendered, isAnswer: (_ source: Int) -> Bool) -> [Match] {
        var found: [Match] = [], at = 0
        while at < text.bytes.count {
            guard starts.contains(text.bytes[at]), let token = token(in: text, at: at, isAnswer) else {
                at += 1
                continue
            }
            found.append(Match(range: at..<at + token.text.count, id: token.id))
            at += token.text.count
        }
        return found
    }

    private func token(
        in text: JinjaChatRenderer.Rendered, at start: Int, _ isAnswer: (_ source: Int) -> Bool
    ) -> (text: [UInt8], id: TokenID)? {
        let source = text.source(at: start), isAnswer = source > 0 && isAnswer(source)
        if source > 0, !isAnswer { return nil }
        return tokens.first { token in
            let range = start..<start + token.text.count
            guard range.upperBound <= text.bytes.count, text.bytes[start...].starts(with: token.text) else { return false }
            return !(isAnswer && delimiters.contains(token.id)) && range.allSatisfy { text.source(at: $0) == source }
        }
    }
}
