internal import CPCRE2

/// Cuts text at what a regular expression finds: each match is a word, and so is what lies between two. PCRE2, compiled to machine code.
///
///     var regex = try Regex(#"\p{L}+"#), ends: [UInt32] = []
///     try regex.cut(Array("to be, or".utf8).span, isLast: true, into: &ends)
///     ends                                         // 2, 3, 5, 7, 9: "to", " ", "be", ", ", "or"
///
/// This is Hugging Face's Split with "Isolated", and the syntax is that of its engine (see `OnigurumaTranslation`). Each byte of a text is
/// in exactly one
/// word. What is not UTF-8 counts as U+FFFD. An empty match cuts too. A pattern that takes more than ten million steps at one place is
/// given up
/// with an error. One for each thread.
package struct Regex: ~Copyable {
    private let pattern: CompiledRegex
    private let data, context: OpaquePointer
    private let stack: OpaquePointer?
    /// Those bytes that are kept of a text that is not yet at its end.
    private var behind: [UInt8] = []

    package init(_ pattern: String) throws(TokenizeError) { self.init(try CompiledRegex(pattern)) }

    /// Matches a pattern that was compiled before, in memory of its own.
    init(_ pattern: CompiledRegex) {
        guard let data = pcre2_match_data_create_8(1, nil), let context = pcre2_match_context_create_8(nil) else {
            fatalError("no memory for a pattern")
        }
        pcre2_set_match_limit_8(context, 10_000_000)
        pcre2_set_heap_limit_8(context, 64 << 10)               // KiB
        stack = pattern.isMachineCode ? pcre2_jit_stack_create_8(32 << 10, 64 << 20, nil) : nil
        if let stack { pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack)) }
        self.pattern = pattern
        self.data = data
        self.context = context
    }

    deinit {
        if let stack { pcre2_jit_stack_free_8(stack) }
        pcre2_match_context_free_8(context)
        pcre2_match_data_free_8(data)
    }

    /// Replaces `ends` by where the next words end: all of them when the text ends here (`isLast`), else those that no further text can
    /// change.
    /// The next call begins with the bytes behind the last word.
    package mutating func cut(_ text: Span<UInt8>, isLast: Bool, into ends: inout [UInt32]) throws(TokenizeError) {
        ends.removeAll(keepingCapacity: true)
        guard pattern.lookbehind > 0 else { return try cut(text, from: 0, isLast: isLast, into: &ends) }
        let start = behind.count
        for i in text.indices { behind.append(text[i]) }
        do throws(TokenizeError) {
            try cut(behind.span, from: start, isLast: isLast, into: &ends)
        } catch {
            behind = []
            throw error
        }
        behind = isLast ? [] : Array(behind[..<(ends.last.map(Int.init) ?? start)].suffix(pattern.lookbehind))
        for i in ends.indices { ends[i] -= UInt32(start) }
    }

    /// Makes the next call the beginning of a text, whatever the last one was.
    package mutating func reset() { behind = [] }

    /// Cuts from `start` on; what is before it is only looked at.
    private func cut(_ text: Span<UInt8>, from start: Int, isLast: Bool, into ends: inout [UInt32]) throws(TokenizeError) {
        var first = 0
        // What is kept of the text before may begin inside a character.
        while start >= pattern.lookbehind, first < min(3, start), text[first] & 0xC0 == 0x80 { first += 1 }
        let known = text.extracting(first..<text.count - (isLast ? 0 : text.extracting(start..<text.count).incompleteUTF8Suffix))
        if (try? UTF8Span(validating: known)) != nil {
            return try cutValid(known, from: start - first, isLast: isLast, at: first, into: &ends)
        }
        let repaired = LossyUTF8Text(known), count = ends.count
        try cutValid(repaired.bytes.span, from: repaired.place(of: start - first), isLast: isLast, at: 0, into: &ends)
        for i in count..<ends.count { ends[i] = UInt32(first + repaired.origin(of: Int(ends[i]))) }
    }

    /// The same for UTF-8 alone, whose first byte is byte `offset` of the text. Follows the iterator of Hugging Face's Oniguruma match by
    /// match.
    private func cutValid(
        _ text: Span<UInt8>, from start: Int, isLast: Bool, at offset: Int, into ends: inout [UInt32]
    ) throws(TokenizeError) {
        // `word` is where the next one begins, which is also where the last match ended; `at` is from where the next match is looked for.
        var word = start, at = start
        search: while at < text.count {
            switch try match(text, from: at, isLast: isLast) {
            case nil: break search
            case let found? where found.isEmpty && found.lowerBound == word:
                at = word + text.piece(at: word).length             // nothing, where the last one ended: look behind one more character
            case let found?:
                if found.lowerBound == text.count, !isLast { break search }
                if found.lowerBound > word { ends.append(UInt32(offset + found.lowerBound)) }
                if !found.isEmpty { ends.append(UInt32(offset + found.upperBound)) }
                word = found.upperBound
                at = found.upperBound
            }
        }
        if isLast, word < text.count { ends.append(UInt32(offset + text.count)) }
    }

    /// The next match; nil if there is none, or if more text might make it another.
    private func match(_ text: Span<UInt8>, from start: Int, isLast: Bool) throws(TokenizeError) -> Range<Int>? {
        let options = UInt32(PCRE2_NO_UTF_CHECK) | (isLast ? 0 : UInt32(PCRE2_PARTIAL_HARD))
        let result = text.withUnsafeBufferPointer { pcre2_match_8(pattern.code, $0.baseAddress, $0.count, start, options, data, context) }
        switch result {
        case PCRE2_ERROR_NOMATCH, PCRE2_ERROR_PARTIAL: return nil
        case 0...:                                                  // 0: there are groups, whose places nobody asked for
            guard let places = pcre2_get_ovector_pointer_8(data), places[0] >= start, places[1] >= places[0] else { return nil }
            return places[0]..<places[1]
        default: throw .patternGaveUp(pattern.text, at: start, reason: CompiledRegex.message(result))
        }
    }
}
