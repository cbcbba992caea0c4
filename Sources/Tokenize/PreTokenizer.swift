/// Cuts texts into words by any pattern, at most 4 GiB of a text at a time.
struct PreTokenizer: ~Copyable {
    /// One of the two; with neither, a text is one word.
    private let scanner: BuiltInPreTokenizer?
    private var regex: Regex?

    /// A text is one word.
    init() {
        scanner = nil
        regex = nil
    }

    /// - Parameter compiled: a regular expression that was compiled before.
    init(_ pattern: PreTokenizationPattern, compiled: CompiledRegex? = nil) throws(TokenizeError) {
        scanner = switch pattern {
        case .gpt2: BuiltInPreTokenizer(.gpt2)
        case .gpt4: BuiltInPreTokenizer(.gpt4)
        case .llama3: BuiltInPreTokenizer(.llama3)
        case .none, .regex: nil
        }
        if case .regex(let text) = pattern {
            if let compiled { regex = Regex(compiled) } else { regex = try Regex(text) }
        } else {
            regex = nil
        }
    }

    /// Replaces `ends` by the ends of the next words of a text: none when there has to be more text first.
    mutating func cut(_ text: Span<UInt8>, isLast: Bool, into ends: inout [UInt32]) throws(TokenizeError) {
        let piece = text.extracting(first: Int(UInt32.max)), isLast = isLast && piece.count == text.count
        if let scanner {
            scanner.split(piece, isLast: isLast, into: &ends)
        } else if regex != nil {
            try regex?.cut(piece, isLast: isLast, into: &ends)
        } else {
            ends = isLast ? [UInt32(piece.count)] : []
        }
    }
}
