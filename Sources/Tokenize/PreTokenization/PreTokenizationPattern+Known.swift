extension PreTokenizationPattern {
    /// The pattern for a regular expression in Oniguruma's syntax (tokenizer.json): a built-in one if it means the same on every text.
    ///
    ///     PreTokenizationPattern(regex: #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)     // .gpt2
    package init(regex: String) {
        self = Self.known[regex] ?? .regex(regex)
    }

    /// The pattern for a tiktoken `pat_str`. In cl100k_base's, `\p{N}{1,3}+` matches at most three digits in tiktoken, but any number of
    /// them in Oniguruma.
    package init(tiktoken regex: String) {
        self = regex == Self.cl100k ? .gpt4 : Self(regex: regex)
    }

    private static let known: [String: PreTokenizationPattern] = {
        var known: [String: PreTokenizationPattern] = [
            // OpenAI's encoder.py, without and with redundant brackets.
            #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
            #"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
            // tiktoken's gpt2, r50k_base and p50k_base, since version 0.8 and before.
            #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#: .gpt2,
            #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
            // Llama 3's, and tiktoken's cl100k_base before it had an alternative for trailing white space.
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#:
                .llama3,
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#: .llama3,
        ]
        // Qwen 2's, 2.5's and 3's.
        let qwen2 = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"#
        known[qwen2 + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#] = .qwen2
        for pattern in [PreTokenizationPattern.gpt2, .gpt4, .llama3, .qwen2, .smollm] {
            if let regex = pattern.regex { known[regex] = pattern }
        }
        return known
    }()

    private static let cl100k =
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"#

    /// tiktoken's o200k_base.
    package static let o200k = [
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#,
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#,
        #"\p{N}{1,3}"#, #" ?[^\s\p{L}\p{N}]+[\r\n/]*"#, #"\s*[\r\n]+"#, #"\s+(?!\S)"#, #"\s+"#,
    ].joined(separator: "|")

    /// GPT-2's pattern applied between matches of `digits`: "Digits" before "ByteLevel" in a tokenizer.json. A run of spaces also ends
    /// before a digit, because GPT-2's pattern is applied to text without the digits.
    static func gpt2(betweenDigits digits: String) -> String {
        digits + #"|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+"#
    }
}
