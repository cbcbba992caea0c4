internal import CPCRE2

/// A regular expression compiled by PCRE2, to machine code where the system allows it. Threads share it.
///
///     let regex = try CompiledRegex(#"\p{L}+"#)
///     var first = RegexPreTokenizer(regex), second = RegexPreTokenizer(regex)         // for two threads
///
/// `@unchecked Sendable`: the compiled code is not modified after `init`. A match writes only to its own match data and stack, which belong
/// to `RegexPreTokenizer` (pcre2api, "Multithreading").
final class CompiledRegex: @unchecked Sendable {
    let pattern: String
    let code: OpaquePointer
    /// Whether PCRE2's JIT compiled the pattern. If the system forbids it, PCRE2 interprets the pattern.
    let isJITCompiled: Bool
    /// How many bytes before a word `^`, `\b` and `(?<=…)` may examine.
    let lookbehind: Int

    init(_ pattern: String) throws(TokenizeError) {
        let translation = try OnigurumaTranslation(pattern)
        var error: Int32 = 0
        var offset = 0
        let options = UInt32(PCRE2_UTF) | UInt32(PCRE2_UCP) | UInt32(PCRE2_NEVER_BACKSLASH_C)
        let context = pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(context) }
        pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
        let utf8 = Array(translation.text.utf8)
        guard let code = pcre2_compile_8(utf8, utf8.count, options, &error, &offset, context) else {
            throw .badPattern(pattern, at: translation.origin(of: offset), reason: Self.message(error))
        }
        isJITCompiled = pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE) | UInt32(PCRE2_JIT_PARTIAL_HARD)) == 0
        var characters: UInt32 = 0
        pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_MAXLOOKBEHIND), &characters)
        // PCRE2 reports the longest single lookbehind; a nested one starts where the outer one ends.
        let nested = translation.text.ranges(of: "(?<").count
        lookbehind = 4 * Int(characters) * (1 + nested)
        self.pattern = pattern
        self.code = code
    }

    deinit { pcre2_code_free_8(code) }

    static func message(_ error: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 256)
        let count = pcre2_get_error_message_8(error, &text, text.count)
        return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
    }
}
