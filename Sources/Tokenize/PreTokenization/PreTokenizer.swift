/// Splits text into words: the pieces inside which BPE merges tokens (`pre_tokenizer` in Hugging Face's library). One per thread.
struct PreTokenizer: ~Copyable {
    private enum Method {
        case whole
        case builtIn(BuiltInPreTokenizer)
        case spaces(SpacePreTokenizer)
        case regex(RegexStep)
        case sequence([Step])
    }

    /// A regular expression has state of its own.
    private final class RegexStep {
        var regex: RegexPreTokenizer

        init(_ regex: consuming RegexPreTokenizer) { self.regex = regex }
    }

    /// A pattern of a sequence.
    private final class Step {
        var preTokenizer: PreTokenizer
        var ends: [UInt32] = []

        init(_ preTokenizer: consuming PreTokenizer) { self.preTokenizer = preTokenizer }
    }

    private let method: Method

    /// Treats a whole text as one word.
    init() { method = .whole }

    /// Splits at spaces only.
    init(_ spaces: SpacePreTokenizer) { method = .spaces(spaces) }

    /// - Parameter compiled: the pattern's regular expressions in order, if they have been compiled already.
    init(_ pattern: PreTokenizationPattern, compiled: [CompiledRegex] = []) throws(TokenizeError) {
        var compiled = compiled[...]
        try self.init(pattern, &compiled)
    }

    private init(_ pattern: PreTokenizationPattern, _ compiled: inout ArraySlice<CompiledRegex>) throws(TokenizeError) {
        switch pattern {
        case .gpt2: method = .builtIn(BuiltInPreTokenizer(.gpt2))
        case .gpt4: method = .builtIn(BuiltInPreTokenizer(.gpt4))
        case .llama3: method = .builtIn(BuiltInPreTokenizer(.llama3))
        case .qwen2: method = .builtIn(BuiltInPreTokenizer(.qwen2))
        case .smollm: method = .builtIn(BuiltInPreTokenizer(.smollm))
        case .spaces: method = .spaces(SpacePreTokenizer())
        case .none: method = .whole
        case .regex(let text):
            if let first = compiled.popFirst() {
                method = .regex(RegexStep(RegexPreTokenizer(first)))
            } else {
                method = .regex(RegexStep(try RegexPreTokenizer(text)))
            }
        case .sequence(let patterns):
            var steps: [Step] = []
            for pattern in patterns { steps.append(Step(try PreTokenizer(pattern, &compiled))) }
            method = .sequence(steps)
        }
    }

    /// Replaces `ends` with the end offsets of the next words, of at most 4 GiB of text.
    ///
    /// - Parameter isLast: whether the text is complete. Otherwise only words that further text cannot change are returned, maybe none.
    mutating func split(_ text: Span<UInt8>, isLast: Bool, into ends: inout [UInt32]) throws(TokenizeError) {
        let piece = text.extracting(first: Int(UInt32.max))
        let isLast = isLast && piece.count == text.count
        switch method {
        case .whole: ends = isLast ? [UInt32(piece.count)] : []
        case .builtIn(let builtIn): builtIn.split(piece, isLast: isLast, into: &ends)
        case .spaces(let spaces): spaces.split(piece, isLast: isLast, into: &ends)
        case .regex(let step): try step.regex.split(piece, isLast: isLast, into: &ends)
        case .sequence(let steps): try split(piece, isLast: isLast, steps[...], into: &ends)
        }
    }

    private func split(
        _ text: Span<UInt8>, isLast: Bool, _ steps: ArraySlice<Step>, into ends: inout [UInt32]
    ) throws(TokenizeError) {
        ends.removeAll(keepingCapacity: true)
        guard let step = steps.first else { return ends = isLast ? [UInt32(text.count)] : [] }
        var at = 0
        // A built-in scanner returns a limited number of words at a time; it is only asked again where the text is complete.
        repeat {
            try step.preTokenizer.split(text.extracting(at..<text.count), isLast: isLast, into: &step.ends)
            guard !step.ends.isEmpty else { return }
            var start = 0
            for end in step.ends.map(Int.init) {
                if steps.count == 1 {
                    ends.append(UInt32(at + end))
                } else {
                    var inner: [UInt32] = []
                    try split(text.extracting(at + start..<at + end), isLast: true, steps.dropFirst(), into: &inner)
                    ends.append(contentsOf: inner.map { $0 + UInt32(at + start) })
                }
                start = end
            }
            at += start
        } while isLast && at < text.count
    }
}
