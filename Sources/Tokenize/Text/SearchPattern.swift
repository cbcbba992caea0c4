/// A regular expression that is compiled once, and that any thread may search for.
///
///     let pattern = try SearchPattern("So: ([0-9]+)")
///     try pattern.firstMatch(in: "So: 72")                     // "72"
package struct SearchPattern: Sendable, Equatable {
    package let text: String
    private let regex: CompiledRegex

    package init(_ text: String) throws(TokenizeError) {
        self.text = text
        regex = try CompiledRegex(text)
    }

    /// What the pattern finds first in a text: its first group, or the whole match if there is no group. nil if it finds nothing.
    package func firstMatch(in text: String) throws(TokenizeError) -> String? { try RegexPreTokenizer(regex).firstMatch(in: text) }

    /// Calls `body` with what the pattern finds in a text in UTF-8, one match behind the other. Its result is the end of what it uses of
    /// a match; where it uses nothing (nil), the search goes on within the match. Patterns with deep backtracking give up.
    package func forEachMatch(in text: [UInt8], _ body: (Range<Int>) -> Int?) throws(TokenizeError) {
        try RegexPreTokenizer(regex, isShallow: true).forEachMatch(in: text.span, body)
    }

    package static func == (a: SearchPattern, b: SearchPattern) -> Bool { a.text == b.text }
}
