/// Translates a regular expression from Oniguruma's syntax (Hugging Face's tokenizers, and so every tokenizer.json) to PCRE2's.
///
///     try OnigurumaTranslation(#"\s+$"#).text               // \p{White_Space}+(?m:$)
///
/// The syntaxes agree on nearly everything. The differences that tokenizer patterns may contain:
///
/// | pattern | Oniguruma | PCRE2 |
/// |---|---|---|
/// | `\s` | Unicode's White_Space | also U+180E |
/// | `\w` | Alphabetic, marks, decimal digits, connectors, ²³¹¼½¾ | letters, all numbers, `_` |
/// | `\b` | a border of `\w` | a border of PCRE2's own `\w` |
/// | `[[:alpha:]]` etc. | Unicode's Alphabetic | letters |
/// | `\h` | a hexadecimal digit | a horizontal space |
/// | `\v` | U+000B | any vertical space |
/// | `^ $` | at every line | at the start and end of the text |
/// | `(?m)` | the dot matches line ends | `^` and `$` at every line |
/// | `\u20AC` | a character | no such escape |
/// | `x{2,3}+` | one or more of the repetition | a possessive repetition |
/// | `x{2}?` | twice or not at all | twice |
/// | `[a[b]]`, `[a&&b]` | sets within sets | ordinary characters |
///
/// The last two are rejected. Rust's fancy-regex (tiktoken) treats `^ $` and `{2,3}+` like PCRE2.
struct OnigurumaTranslation {
    private let pattern: String
    private let scalars: [Unicode.Scalar]
    private var i = 0
    /// The translated pattern.
    private(set) var text = ""
    /// For each byte of `text`, the index of the character in the pattern that it comes from.
    private var origins: [Int] = []
    /// The offset in `text` at which the last repeatable item starts, and those of all open groups.
    private var atom = 0
    private var groups: [Int] = []
    /// The interval that was just read, if any.
    private var interval: Interval?

    /// `{2,3}` or `{2}`: a `+` or `?` after them means something else in Ruby's syntax than in Perl's.
    private enum Interval { case range, exact }

    init(_ pattern: String) throws(TokenizeError) {
        self.pattern = pattern
        scalars = Array(pattern.unicodeScalars)
        while i < scalars.count { try readItem() }
    }

    /// The index of the character in the pattern that a byte of `text` comes from.
    func origin(of offset: Int) -> Int { offset < origins.count ? origins[offset] : scalars.count }

    private mutating func readItem() throws(TokenizeError) {
        let previous = interval
        interval = nil
        switch scalars[i] {
        case "\\":
            atom = text.utf8.count
            try readEscape(inSet: false)
        case "[":
            atom = text.utf8.count
            try readSet()
        case "^": put("(?m:^)", for: 1)
        case "$": put("(?m:$)", for: 1)
        case "(":
            groups.append(text.utf8.count)
            readGroupStart()
        case ")":
            atom = groups.popLast() ?? text.utf8.count
            copy(1)
        case "{": readInterval()
        case "+" where previous != nil, "?" where previous == .exact: repeatAgain()
        case "*", "+", "?", "|": copy(1)
        default:
            atom = text.utf8.count
            copy(1)
        }
    }

    private mutating func readEscape(inSet: Bool) throws(TokenizeError) {
        guard i + 1 < scalars.count else { return copy(1) }
        switch scalars[i + 1] {
        case "s": put(#"\p{White_Space}"#, for: 2)
        case "S": put(#"\P{White_Space}"#, for: 2)
        case "w": put(inSet ? Self.letters : "[\(Self.word)]", for: 2)
        case "W" where !inSet: put("[^\(Self.word)]", for: 2)
        case "b" where !inSet: put("(?:(?<=[\(Self.word)])(?![\(Self.word)])|(?<![\(Self.word)])(?=[\(Self.word)]))", for: 2)
        case "B" where !inSet: put("(?:(?<=[\(Self.word)])(?=[\(Self.word)])|(?<![\(Self.word)])(?![\(Self.word)]))", for: 2)
        case "h": put(inSet ? "0-9A-Fa-f" : "[0-9A-Fa-f]", for: 2)
        case "H" where !inSet: put("[^0-9A-Fa-f]", for: 2)
        case "W", "H": throw error(#"\\#(scalars[i + 1]) inside a set is not supported; write the set without it"#)
        case "v": put(#"\x0B"#, for: 2)
        case "u":
            let digits = scalars[(i + 2)...].prefix(4)
            guard digits.count == 4, digits.allSatisfy({ $0.properties.isASCIIHexDigit }) else {
                throw error(#"\u needs four hexadecimal digits"#)
            }
            put(#"\x{"# + digits.map(String.init).joined() + "}", for: 6)
        case "p", "P":
            let name = propertyName()
            let not = name.first == "^" ? "^" : ""
            if let short = Self.categories[name.lowercased().filter(\.isLetter)] {
                put(#"\\#(scalars[i + 1]){\#(not)\#(short)}"#, for: name.unicodeScalars.count + 4)
            } else {
                copyWithBraces()
            }
        default: copyWithBraces()
        }
    }

    /// Copies an escape with the braces after it, such as `\x{20AC}`.
    private mutating func copyWithBraces() {
        let letter = scalars[i + 1]
        copy(2)
        guard "pPxoNkg".unicodeScalars.contains(letter), i < scalars.count, scalars[i] == "{" else { return }
        guard let end = scalars[i...].firstIndex(of: "}") else { return }
        copy(end + 1 - i)
    }

    /// The text between the braces of `\p{…}`.
    private func propertyName() -> String {
        guard i + 2 < scalars.count, scalars[i + 2] == "{", let end = scalars[i...].firstIndex(of: "}") else { return "" }
        return scalars[(i + 3)..<end].map(String.init).joined()
    }

    private mutating func readSet() throws(TokenizeError) {
        copy(1)
        if i < scalars.count, scalars[i] == "^" { copy(1) }
        if i < scalars.count, scalars[i] == "]" { copy(1) }
        while i < scalars.count, scalars[i] != "]" {
            switch scalars[i] {
            case "\\": try readEscape(inSet: true)
            case "[":
                guard i + 1 < scalars.count, scalars[i + 1] == ":", let end = scalars[(i + 2)...].firstIndex(of: ":") else {
                    throw error(#"a set inside a set is not supported; write a literal bracket as \["#)
                }
                let name = scalars[(i + 2)..<end].map(String.init).joined()
                let count = min(end + 2, scalars.count) - i
                if let properties = Self.classes[name] { put(properties, for: count) } else { copy(count) }
            case "&" where i + 1 < scalars.count && scalars[i + 1] == "&":
                throw error(#"&& between sets is not supported; write two literal ampersands as &\&"#)
            default: copy(1)
            }
        }
        if i < scalars.count { copy(1) }
    }

    /// Reads `(` and the options after it. The m of `(?m:` is Ruby's: PCRE2's s.
    private mutating func readGroupStart() {
        copy(1)
        guard i < scalars.count, scalars[i] == "?" else { return }
        var end = i + 1
        while end < scalars.count, "imsx-".unicodeScalars.contains(scalars[end]) { end += 1 }
        let areOptions = end < scalars.count && (scalars[end] == ":" || scalars[end] == ")")
        copy(1)
        while areOptions, i < end { if scalars[i] == "m" { put("s", for: 1) } else { copy(1) } }
        if !areOptions, i < scalars.count, scalars[i] != ")" { copy(1) }      // of (?=, (?!, (?<
    }

    /// Reads `{2}`, `{2,}`, `{,3}` or `{2,3}`. Any other brace is a literal character.
    private mutating func readInterval() {
        let body = scalars[(i + 1)...].prefix { ("0"..."9").contains($0) || $0 == "," }
        let end = i + 1 + body.count
        let isInterval = end < scalars.count && scalars[end] == "}" && !body.isEmpty && body.filter { $0 == "," }.count < 2 && body != [","]
        guard isInterval else {
            atom = text.utf8.count
            return put(#"\{"#, for: 1)
        }
        if body.first == "," { put("{0", for: 1) }
        copy(end + 1 - i)
        interval = body.contains(",") ? .range : .exact
    }

    /// Wraps an interval and the item it repeats in a group, so that the sign after it applies to the group.
    private mutating func repeatAgain() {
        let index = text.utf8.index(text.startIndex, offsetBy: atom)
        let origin = self.origin(of: atom)
        text.insert(contentsOf: "(?:", at: index)
        origins.insert(contentsOf: [origin, origin, origin], at: atom)
        put(")\(scalars[i])", for: 1)
    }

    private mutating func copy(_ count: Int) {
        for _ in 0..<count { put(String(scalars[i]), for: 1) }
    }

    /// Appends the translation of the next `count` characters.
    private mutating func put(_ string: String, for count: Int) {
        text += string
        origins.append(contentsOf: repeatElement(i, count: string.utf8.count))
        i += count
    }

    private func error(_ reason: String) -> TokenizeError { .badPattern(pattern, at: i, reason: reason) }

    private static let letters = #"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}"#
    /// Outside a set, Oniguruma uses a Latin-1 table in which these numbers are word characters.
    private static let word = letters + "²³¹¼-¾"

    private static let classes = [
        "alpha": #"\p{Alphabetic}"#, "alnum": #"\p{Alphabetic}\p{Nd}"#, "word": letters, "space": #"\p{White_Space}"#,
        "upper": #"\p{Uppercase}"#, "lower": #"\p{Lowercase}"#,
    ]

    /// The long names of general categories, which PCRE2 does not know.
    private static let categories = [
        "letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm",
        "otherletter": "Lo",
        "mark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me",
        "number": "N", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
        "punctuation": "P", "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe",
        "initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po",
        "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So",
        "separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp",
        "other": "C", "control": "Cc", "format": "Cf", "surrogate": "Cs", "privateuse": "Co", "unassigned": "Cn",
    ]
}
