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
    /// Qwen 2's, 2.5's and 3's: as Llama 3's, with each digit a word.
    case qwen2
    /// SmolLM's and StarCoder's: each digit is a word, and GPT-2's pattern splits the text between digits.
    case smollm
    /// Each space starts a word: SentencePiece's Metaspace with `split`.
    case spaces
    /// No split: the whole text is one word.
    case none
    /// The matches of a regular expression (PCRE2) and the text between them.
    case regex(String)
    /// Several patterns in turn: each splits the words of the one before it.
    indirect case sequence([PreTokenizationPattern])

    /// The pattern as a regular expression that PCRE2, Rust's fancy-regex (tiktoken) and Oniguruma (Hugging Face) interpret alike; nil
    /// for `none` and `sequence`.
    ///
    /// Tests/Peers/check_tokenizers.py compares these with the originals in both engines, on all code points in four contexts and on
    /// random texts, most of them white space. tiktoken's `\s++$` and our `\s+\z` split alike, because a possessive run of spaces can
    /// only stop at a line end that is the end of the text. For an original that engines interpret differently see `init(tiktoken:)`.
    package var regex: String? {
        switch self {
        case .gpt2: #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .gpt4: Self.gpt4Words + #"|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+"#
        case .llama3: Self.gpt4Words + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
        case .qwen2: Self.gpt4Words.replacing(#"\p{N}{1,3}"#, with: #"\p{N}"#) + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
        case .smollm: Self.gpt2(betweenDigits: #"\p{N}"#)
        case .spaces: " [^ ]*|[^ ]+"
        case .none, .sequence: nil
        case .regex(let text): text
        }
    }

    /// All regular expressions of the pattern that no scanner replaces, in order.
    var uncompiledRegexes: [String] {
        switch self {
        case .regex(let text): [text]
        case .sequence(let patterns): patterns.flatMap(\.uncompiledRegexes)
        default: []
        }
    }

    /// What fingerprints contain: the regular expressions, as the file format of fingerprints requires.
    var identity: String {
        if case .sequence(let patterns) = self { "sequence " + patterns.map(\.identity).joined(separator: "\n") } else { regex ?? "none" }
    }

    /// GPT-4's alternatives for anything but white space.
    private static let gpt4Words =
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
}
