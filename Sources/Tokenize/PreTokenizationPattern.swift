/// How text is split into words. A token never crosses the border of two words.
///
///     vocabulary.pattern = .gpt2                               // "don't go" is split into don, 't, " go"
package enum PreTokenizationPattern: Sendable, Equatable {
    /// GPT-2: contractions, letters, digits and other characters, each with the space before it.
    case gpt2
    /// GPT-4, as in tiktoken's cl100k_base: also at most three digits per word, and line ends separate from spaces.
    case gpt4
    /// GPT-4's as in most Hugging Face files, such as Llama 3's: differs where a text ends in white space.
    case llama3
    /// No split: the whole text is one word.
    case none
    /// The matches of a regular expression (PCRE2) and the text between them.
    case regex(String)

    /// The pattern as a regular expression that PCRE2, Rust's fancy-regex (tiktoken) and Oniguruma (Hugging Face) interpret alike; nil
    /// for `none`.
    ///
    /// Tests/Peers/check_tokenizers.py compares these with the originals in both engines, on all code points in four contexts and on
    /// random texts, most of them white space. tiktoken's `\s++$` and our `\s+\z` split alike, because a possessive run of spaces can
    /// only stop at a line end that is the end of the text. For an original that engines interpret differently see `init(tiktoken:)`.
    package var regex: String? {
        switch self {
        case .gpt2: #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .gpt4: Self.gpt4Words + #"|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+"#
        case .llama3: Self.gpt4Words + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
        case .none: nil
        case .regex(let text): text
        }
    }

    /// GPT-4's alternatives for anything but white space.
    private static let gpt4Words =
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
}
