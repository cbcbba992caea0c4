/// Finds added tokens in a text: the leftmost first, and the longest of those that start at the same byte.
///
///     let matcher = AddedTokenMatcher(vocabulary.specialTokens.map { (Array($0.text.utf8), $0) })
///     matcher.firstMatch(in: text.span, from: 0)                // <|eos|> at 5 ..< 12
///
/// The texts are a tree of bytes, whose edges are in one hash table: a text with no first byte of a token costs a table lookup per byte.
struct AddedTokenMatcher: Sendable {
    struct Match {
        var range: Range<Int>
        let id: TokenID
    }

    private let tokens: [Vocabulary.AddedToken]
    /// Whether a token begins with the byte; one bit for each pair of bytes: whether a token begins with it, or with the first one alone.
    private var isFirst = [Bool](repeating: false, count: 256)
    private var pairs = [UInt64](repeating: 0, count: 1 << 10)
    /// The node after a node and a byte: `node << 8 | byte`.
    private var edges: [Int: Int32] = [:]
    /// By node: the index of the token that ends there, or -1.
    private var ends: [Int32] = [-1]

    /// Whether a space is white space. It is not where it stands for U+2581.
    private let stripsSpaces: Bool

    var isEmpty: Bool { tokens.isEmpty }

    /// - Parameter tokens: the text to look for, and the token. Of equal texts the last is found, as in Hugging Face's library.
    init(_ tokens: [(text: [UInt8], token: Vocabulary.AddedToken)], stripsSpaces: Bool = true) {
        self.stripsSpaces = stripsSpaces
        let tokens = tokens.filter { !$0.text.isEmpty }
        self.tokens = tokens.map(\.token)
        for (index, (text, _)) in tokens.enumerated() {
            var node = 0
            isFirst[Int(text[0])] = true
            for second in UInt8.min...UInt8.max where text.count == 1 || text[1] == second {
                pairs[Int(text[0]) << 2 | Int(second) >> 6] |= 1 << UInt64(second & 63)
            }
            for byte in text {
                let edge = node << 8 | Int(byte)
                if let next = edges[edge] {
                    node = Int(next)
                } else {
                    node = ends.count
                    edges[edge] = Int32(node)
                    ends.append(-1)
                }
            }
            ends[node] = Int32(index)
        }
    }

    /// The next token at or after `start`.
    ///
    /// - Parameters:
    ///   - end: the end of the previous match: white space before it is not stripped again.
    ///   - ignored: tokens that are text. Other tokens inside them are not found, as in Hugging Face's library.
    func firstMatch(in text: Span<UInt8>, from start: Int, after end: Int, ignoring ignored: Set<TokenID>) -> Match? {
        var at = start
        while at < text.count {
            guard isFirst[Int(text[at])], at + 1 == text.count || hasPair(text[at], text[at + 1]),
                let (length, token) = longest(in: text, at: at)
            else {
                at += 1
                continue
            }
            var match = Match(range: at..<at + length, id: token.id)
            at += length
            if ignored.contains(token.id) { continue }
            let matching = token.matching
            if matching.contains(.wholeWord) {
                if let before = text.scalar(before: match.range.lowerBound), before.isPartOfWord { continue }
                if let after = text.scalar(at: match.range.upperBound), after.isPartOfWord { continue }
            }
            if matching.contains(.stripsLeft) {
                var lower = match.range.lowerBound
                while lower > end, let scalar = text.scalar(before: lower), isWhiteSpace(scalar) { lower -= scalar.utf8.count }
                match.range = max(lower, end)..<match.range.upperBound
            }
            if matching.contains(.stripsRight) {
                var upper = match.range.upperBound
                while let scalar = text.scalar(at: upper), isWhiteSpace(scalar) { upper += scalar.utf8.count }
                match.range = match.range.lowerBound..<upper
            }
            return match
        }
        return nil
    }

    private func isWhiteSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace && (stripsSpaces || scalar != " ") }

    private func hasPair(_ first: UInt8, _ second: UInt8) -> Bool {
        pairs[Int(first) << 2 | Int(second) >> 6] >> UInt64(second & 63) & 1 == 1
    }

    private func longest(in text: Span<UInt8>, at start: Int) -> (length: Int, token: Vocabulary.AddedToken)? {
        var node = 0
        var at = start
        var found: (Int, Int32)?
        while at < text.count, let next = edges[node << 8 | Int(text[at])] {
            node = Int(next)
            at += 1
            if ends[node] >= 0 { found = (at - start, ends[node]) }
        }
        return found.map { ($0.0, tokens[Int($0.1)]) }
    }
}

extension Span where Element == UInt8 {
    /// The character that starts at an offset; nil at the end, and if the bytes are not UTF-8.
    fileprivate func scalar(at start: Int) -> Unicode.Scalar? {
        guard start < count else { return nil }
        let sequence = utf8Sequence(at: start)
        return sequence.kind == .valid ? Unicode.Scalar(scalarValue(at: start, length: sequence.length)) : nil
    }

    /// The character that ends at an offset.
    fileprivate func scalar(before end: Int) -> Unicode.Scalar? {
        for length in 1...4 where length <= end && self[end - length] & 0xC0 != 0x80 {
            let scalar = scalar(at: end - length)
            return scalar?.utf8.count == length ? scalar : nil
        }
        return nil
    }
}

extension Unicode.Scalar {
    /// Whether regular expressions match it with `\w`: letters, marks, decimal digits, connectors and joiners.
    fileprivate var isPartOfWord: Bool {
        if properties.isAlphabetic || properties.isJoinControl { return true }
        return switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
        default: false
        }
    }
}
