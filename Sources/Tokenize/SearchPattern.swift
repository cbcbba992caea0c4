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

    /// All that the pattern finds in a text in UTF-8, one behind the other. Patterns with deep backtracking give up.
    package func matches(in text: [UInt8]) throws(TokenizeError) -> [Range<Int>] {
        try RegexPreTokenizer(regex, isShallow: true).matches(in: text.span)
    }

    package static func == (a: SearchPattern, b: SearchPattern) -> Bool { a.text == b.text }
}
