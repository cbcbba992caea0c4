/// Splits text into words: the pieces inside which BPE merges tokens (`pre_tokenizer` in Hugging Face's library). One per thread.
struct PreTokenizer: ~Copyable {
    /// Neither is set if a whole text is one word.
    private let builtIn: BuiltInPreTokenizer?
    private var regex: RegexPreTokenizer?

    /// Treats a whole text as one word.
    init() {
        builtIn = nil
        regex = nil
    }

    /// - Parameter compiled: the pattern's regular expression, if it has been compiled already.
    init(_ pattern: PreTokenizationPattern, compiled: CompiledRegex? = nil) throws(TokenizeError) {
        builtIn = switch pattern {
        case .gpt2: BuiltInPreTokenizer(.gpt2)
        case .gpt4: BuiltInPreTokenizer(.gpt4)
        case .llama3: BuiltInPreTokenizer(.llama3)
        case .none, .regex: nil
        }
        if case .regex(let text) = pattern {
            if let compiled { regex = RegexPreTokenizer(compiled) } else { regex = try RegexPreTokenizer(text) }
        } else {
            regex = nil
        }
    }

    /// Replaces `ends` with the end offsets of the next words, of at most 4 GiB of text.
    ///
    /// - Parameter isLast: whether the text is complete. Otherwise only words that further text cannot change are returned, maybe none.
    mutating func split(_ text: Span<UInt8>, isLast: Bool, into ends: inout [UInt32]) throws(TokenizeError) {
        let piece = text.extracting(first: Int(UInt32.max))
        let isLast = isLast && piece.count == text.count
        if let builtIn {
            builtIn.split(piece, isLast: isLast, into: &ends)
        } else if regex != nil {
            try regex?.split(piece, isLast: isLast, into: &ends)
        } else {
            ends = isLast ? [UInt32(piece.count)] : []
        }
    }
}
