internal import CPCRE2

/// Splits text by a regular expression: each match is a word, and so is the text between two matches. PCRE2, compiled to machine code.
///
///     var regex = try RegexPreTokenizer(#"\p{L}+"#), ends: [UInt32] = []
///     try regex.split(Array("to be, or".utf8).span, isLast: true, into: &ends)
///     ends                                         // 2, 3, 5, 7, 9: "to", " ", "be", ", ", "or"
///
/// This is Hugging Face's Split with the behavior "Isolated", in the syntax of its engine (see `OnigurumaTranslation`). Every byte of a
/// text belongs to exactly one word. Invalid UTF-8 is matched as U+FFFD. An empty match also splits. A pattern that takes more than ten
/// million steps at one position throws an error. One per thread.
package struct RegexPreTokenizer: ~Copyable {
    private let regex: CompiledRegex
    private let data, context: OpaquePointer
    private let stack: OpaquePointer?
    /// The last bytes of the previous call's text, for lookbehind.
    private var previous: [UInt8] = []

    /// - Parameter stepLimit: The number of steps at one position after which matching throws an error.
    package init(_ pattern: String, stepLimit: UInt32 = 10_000_000) throws(TokenizeError) {
        self.init(try CompiledRegex(pattern), stepLimit: stepLimit)
    }

    /// Uses a compiled pattern with match data of its own.
    ///
    /// - Parameter isShallow: Use 32 kB of the thread's stack instead of a stack of its own: faster to create, but a pattern that needs
    ///   more gives up.
    init(_ regex: CompiledRegex, stepLimit: UInt32 = 10_000_000, isShallow: Bool = false) {
        guard let data = pcre2_match_data_create_8(2, nil), let context = pcre2_match_context_create_8(nil) else {
            fatalError("out of memory for a regular expression")
        }
        pcre2_set_match_limit_8(context, stepLimit)
        pcre2_set_heap_limit_8(context, 64 << 10)               // KiB
        stack = regex.isJITCompiled && !isShallow ? pcre2_jit_stack_create_8(32 << 10, 64 << 20, nil) : nil
        if let stack { pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack)) }
        self.regex = regex
        self.data = data
        self.context = context
    }

    deinit {
        if let stack { pcre2_jit_stack_free_8(stack) }
        pcre2_match_context_free_8(context)
        pcre2_match_data_free_8(data)
    }

    /// Replaces `ends` with the end offsets of the next words: all if `isLast`, otherwise only those that further text cannot change.
    /// The next call starts with the bytes after the last word.
    package mutating func split(_ text: Span<UInt8>, isLast: Bool, into ends: inout [UInt32]) throws(TokenizeError) {
        ends.removeAll(keepingCapacity: true)
        guard regex.lookbehind > 0 else { return try split(text, from: 0, isLast: isLast, into: &ends) }
        let start = previous.count
        for i in text.indices { previous.append(text[i]) }
        do throws(TokenizeError) {
            try split(previous.span, from: start, isLast: isLast, into: &ends)
        } catch {
            previous = []
            throw error
        }
        previous = isLast ? [] : Array(previous[..<(ends.last.map(Int.init) ?? start)].suffix(regex.lookbehind))
        for i in ends.indices { ends[i] -= UInt32(start) }
    }

    /// Whether the pattern matches a text from its first to its last byte.
    package func matchesWhole(_ text: String) throws(TokenizeError) -> Bool {
        let bytes = Array(text.utf8)
        return try match(bytes.span, from: 0, isLast: true) == 0..<bytes.count
    }

    /// Calls `body` with what the pattern finds in valid UTF-8. Its result is the end of what it uses of a match; where it uses nothing
    /// (nil), the search goes on within the match.
    func forEachMatch(in text: Span<UInt8>, _ body: (Range<Int>) -> Int?) throws(TokenizeError) {
        var position = 0
        while position < text.count, let match = try match(text, from: position, isLast: true) {
            let end = match.isEmpty ? nil : body(match)
            // `\K` begins a match behind what it was found by: there, another may begin.
            position = max(end ?? match.lowerBound, match.lowerBound > position ? match.lowerBound : position + 1)
            while position < text.count, text[position] & 0xC0 == 0x80 { position += 1 }
        }
    }

    /// What the pattern finds first in a text: its first group, or the whole match if there is no group. nil if it finds nothing.
    func firstMatch(in text: String) throws(TokenizeError) -> String? {
        let bytes = Array(text.utf8)
        guard var range = try match(bytes.span, from: 0, isLast: true) else { return nil }
        var groups: UInt32 = 0
        pcre2_pattern_info_8(regex.code, UInt32(PCRE2_INFO_CAPTURECOUNT), &groups)
        if groups > 0, let offsets = pcre2_get_ovector_pointer_8(data) {
            // A group that is not part of the match has the offsets −1.
            range = offsets[2] >= 0 && offsets[2] <= offsets[3] ? offsets[2]..<offsets[3] : 0..<0
        }
        return String(decoding: bytes[range], as: UTF8.self)
    }

    /// Splits from `start` on. The bytes before it are only for lookbehind.
    private func split(_ text: Span<UInt8>, from start: Int, isLast: Bool, into ends: inout [UInt32]) throws(TokenizeError) {
        var first = 0
        // The lookbehind bytes may start inside a character.
        while start >= regex.lookbehind, first < min(3, start), text[first] & 0xC0 == 0x80 { first += 1 }
        let incomplete = isLast ? 0 : text.extracting(start..<text.count).incompleteUTF8Suffix
        let known = text.extracting(first..<text.count - incomplete)
        if (try? UTF8Span(validating: known)) != nil {
            return try splitValid(known, from: start - first, isLast: isLast, offset: first, into: &ends)
        }
        let lossy = LossyUTF8Text(known)
        let count = ends.count
        try splitValid(lossy.bytes.span, from: lossy.offset(ofOriginal: start - first), isLast: isLast, offset: 0, into: &ends)
        for i in count..<ends.count { ends[i] = UInt32(first + lossy.originalOffset(of: Int(ends[i]))) }
    }

    /// Splits valid UTF-8 whose first byte is at `offset` of the text. Follows the match iterator of Hugging Face's Oniguruma exactly.
    private func splitValid(
        _ text: Span<UInt8>, from start: Int, isLast: Bool, offset: Int, into ends: inout [UInt32]
    ) throws(TokenizeError) {
        var word = start                                            // the end of the last match: where the next word starts
        var at = start                                              // where the search for the next match starts
        search: while at < text.count {
            switch try match(text, from: at, isLast: isLast) {
            case nil: break search
            case let match? where match.isEmpty && match.lowerBound == word:
                at = word + text.utf8Sequence(at: word).length      // empty, right after the last match: search after the next character
            case let match?:
                if match.lowerBound == text.count, !isLast { break search }
                if match.lowerBound > word { ends.append(UInt32(offset + match.lowerBound)) }
                if !match.isEmpty { ends.append(UInt32(offset + match.upperBound)) }
                word = match.upperBound
                at = match.upperBound
            }
        }
        if isLast, word < text.count { ends.append(UInt32(offset + text.count)) }
    }

    /// The next match; nil if there is none, or if further text might change it.
    private func match(_ text: Span<UInt8>, from start: Int, isLast: Bool) throws(TokenizeError) -> Range<Int>? {
        let options = UInt32(PCRE2_NO_UTF_CHECK) | (isLast ? 0 : UInt32(PCRE2_PARTIAL_HARD))
        let result = text.withUnsafeBufferPointer {
            pcre2_match_8(regex.code, $0.baseAddress, $0.count, start, options, data, context)
        }
        switch result {
        case PCRE2_ERROR_NOMATCH, PCRE2_ERROR_PARTIAL: return nil
        case 0...:                                                  // 0: the match data has no room for all groups
            guard let offsets = pcre2_get_ovector_pointer_8(data), offsets[0] >= start, offsets[1] >= offsets[0] else { return nil }
            return offsets[0]..<offsets[1]
        default: throw .patternGaveUp(regex.pattern, at: start, reason: CompiledRegex.message(result))
        }
    }
}
