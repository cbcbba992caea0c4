/// How a text is cut into words. Tokens never reach across two words.
///
///     vocabulary.pattern = .gpt2                               // "don't go" is cut into don, 't, go with its space
package enum PreTokenizationPattern: Sendable, Equatable {
    /// GPT-2's: contractions, letters, digits, the rest, each with the space before it.
    case gpt2
    /// GPT-4's, as tiktoken cuts for cl100k_base: also three digits at most and line ends apart.
    case gpt4
    /// GPT-4's as most Hugging Face files write it (Llama 3): another end where a text closes with line ends and spaces.
    case llama3
    /// The whole text is one word.
    case none
    /// What PCRE2 finds, and what lies between.
    case regex(String)

    /// The same in words that PCRE2, Rust's fancy-regex (tiktoken) and Oniguruma (Hugging Face) understand alike; nil for `none`.
    ///
    /// Tests/Peers/check_tokenizers.py holds these strings against the originals, in both engines, on code points in four places and on
    /// random texts, most of
    /// them spaces and line ends: tiktoken's `\s++$` and our `\s+\z` cut alike, for a possessive run of spaces can only stop at a line end
    /// if that is the
    /// end of the text. One original does not mean everywhere what it means to tiktoken: see `init(tiktoken:)`.
    package var regex: String? {
        switch self {
        case .gpt2: #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .gpt4: Self.beforeSpaces + #"|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+"#
        case .llama3: Self.beforeSpaces + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
        case .none: nil
        case .regex(let text): text
        }
    }

    private static let beforeSpaces =
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
}
