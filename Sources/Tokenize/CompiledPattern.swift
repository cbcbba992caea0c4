internal import CPCRE2

/// A regular expression, compiled to machine code where the system allows it: compiled once, and shared by all who match it.
///
///     let pattern = try CompiledRegex(#"\p{L}+"#)
///     var one = Regex(pattern), other = Regex(pattern)         // on two threads
///
/// `@unchecked Sendable`: nobody writes to what was compiled after `init`; a match writes to its own data and stack, which are `Regex`'s
/// (pcre2api, "Multithreading").
final class CompiledRegex: @unchecked Sendable {
    let text: String
    let code: OpaquePointer
    /// Without machine code (a system that forbids making it) PCRE2 interprets the pattern.
    let isMachineCode: Bool
    /// What `^`, `\b` and `(?<=…)` may look at: so many bytes before the next word.
    let lookbehind: Int

    init(_ pattern: String) throws(TokenizeError) {
        let syntax = try OnigurumaTranslation(pattern)
        var error: Int32 = 0, place = 0
        let options = UInt32(PCRE2_UTF) | UInt32(PCRE2_UCP) | UInt32(PCRE2_NEVER_BACKSLASH_C)
        let compiling = pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(compiling) }
        pcre2_set_newline_8(compiling, UInt32(PCRE2_NEWLINE_LF))
        let utf8 = Array(syntax.text.utf8)
        guard let code = pcre2_compile_8(utf8, utf8.count, options, &error, &place, compiling) else {
            throw .badPattern(pattern, at: syntax.origin(of: place), reason: Self.message(error))
        }
        isMachineCode = pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE) | UInt32(PCRE2_JIT_PARTIAL_HARD)) == 0
        var characters: UInt32 = 0
        pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_MAXLOOKBEHIND), &characters)
        // PCRE2 gives the longest; one inside another begins where that ends.
        let nested = syntax.text.ranges(of: "(?<").count
        lookbehind = 4 * Int(characters) * (1 + nested)
        text = pattern
        self.code = code
    }

    deinit { pcre2_code_free_8(code) }

    static func message(_ error: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 256)
        let count = pcre2_get_error_message_8(error, &text, text.count)
        return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
    }
}
