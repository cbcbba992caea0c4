/// A part of a document that is found and shown as a whole.
package struct DocumentPassage: Sendable, Equatable {
    /// The headings above it, such as "Pump > Reset"; for code, the declarations in it. Empty if there are none.
    package let heading: String
    /// From 1, in a format that has pages.
    package let page: Int?
    /// Its first line in the file, or in the page, from 1.
    package let line: Int
    package let text: String
    /// By the count that made the passage.
    package let tokens: Int
}

/// Tokens of a text without a tokenizer: one for each four bytes. GPT-2's vocabulary has 4.2 bytes per token in English prose, and fewer in
/// code, tables and other languages.
package enum TokenEstimate {
    package static func count(_ text: String) -> Int { (text.utf8.count + 3) / 4 }
}
