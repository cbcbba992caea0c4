import Glibc
import Tokenize

/// Finds personal data: regular expressions for each kind, whose matches are examined where check digits or other rules decide.
enum PersonalDataScanner {
    typealias Found = (kind: PersonalData.Kind, range: Range<Int>)

    private struct Recognizer {
        let kind: PersonalData.Kind
        let pattern: SearchPattern
        /// How many bytes of a match are personal data; nil if none are.
        let length: @Sendable (ArraySlice<UInt8>) -> Int?

        init(
            _ kind: PersonalData.Kind, _ pattern: String, _ length: @escaping @Sendable (ArraySlice<UInt8>) -> Int? = { $0.count }
        ) {
            self.kind = kind
            do { self.pattern = try SearchPattern(pattern) } catch { fatalError("\(kind): \(error)") }
            self.length = length
        }
    }

    /// Finds personal data in UTF-8, in the order of the text. Ranges do not overlap.
    static func found(in bytes: [UInt8]) -> [Found] {
        var found: [Found] = []
        for recognizer in recognizers {
            do {
                try recognizer.pattern.forEachMatch(in: bytes) { match in
                    guard let length = recognizer.length(bytes[match]) else { return nil }
                    found.append((recognizer.kind, match.lowerBound..<match.lowerBound + length))
                    return match.lowerBound + length
                }
            } catch { continue }        // It took too many steps: what was found before counts.
        }
        found.sort { ($0.range.lowerBound, -$0.range.upperBound) < ($1.range.lowerBound, -$1.range.upperBound) }
        var last = 0
        return found.filter { item in
            if item.range.lowerBound < last { return false }
            last = item.range.upperBound
            return true
        }
    }

    /// White space, quotes, brackets, commas and semicolons.
    private static let delimiters = #"\t-\r "'`()<>\[\]{}|,;"#
    /// What the name of an email address consists of, apart from dots.
    private static let local = #"A-Za-z0-9_%+\-\x{80}-\x{10FFFF}"#
    private static let wordStart = "(?<![^\(delimiters)])"
    /// A number is not a part of a word.
    private static let numberStart = "(?<![A-Za-z0-9_#+])", numberEnd = "(?![A-Za-z0-9_])"

    private static let recognizers: [Recognizer] = [
        // https://user:password@host
        Recognizer(.url, #"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+://[^\#(delimiters)/?#:]*+:[^\#(delimiters)/?#]+@"#
            + #"[^\#(delimiters)]*[^\#(delimiters).!?:]"#),
        Recognizer(.email, #"[\#(local)](?>[\#(local).]{0,63})@"#
            + #"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"#),
        // International numbers with "+" or "00", national ones with an area code that begins with 0, and North American ones.
        Recognizer(.phone, numberStart + #"\(?\+[0-9](?:[ ./()-]{0,3}[0-9]){7,14}"# + numberEnd),
        Recognizer(.phone, numberStart + #"00[1-9](?:[ ./()-]{0,3}[0-9]){7,12}"# + numberEnd),
        Recognizer(.phone, numberStart + #"0[1-9][0-9]{1,3}(?:[ /()-]{1,3}[0-9]{2,}){1,6}"# + numberEnd) { match in
            (8...13).contains(match.count { $0 >= 0x30 && $0 <= 0x39 }) ? match.count : nil
        },
        Recognizer(.phone, numberStart + #"0[1-9][0-9]{8,10}"# + numberEnd),
        Recognizer(.phone, numberStart + #"(?:\([2-9][0-9]{2}\)[ -]{0,2}[0-9]{3}[ .-]|[2-9][0-9]{2}([.-])[0-9]{3}\1)[0-9]{4}"# + numberEnd),
        Recognizer(.iban, wordStart + #"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}"#, ibanLength),
        Recognizer(.card, numberStart + #"(?:[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}"#
            + "|[2-6][0-9]{12,18})" + numberEnd) { hasLuhnDigit($0) ? $0.count : nil },
        Recognizer(.ip, #"(?<![A-Za-z0-9_#.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9_]|\.[0-9])"#) { match in
            let first = String(decoding: match.prefix { $0 != 0x2E }, as: UTF8.self)
            return isAddress(match, AF_INET) && !["0", "127", "255"].contains(first) ? match.count : nil
        },
        Recognizer(.ip, wordStart + "[0-9A-Fa-f]*:[0-9A-Fa-f:]*[0-9A-Fa-f]" + numberEnd) { match in
            match.count { $0 != 0x3A } >= 5 && isAddress(match, AF_INET6) ? match.count : nil
        },
        // Keys with a prefix of their issuer, tokens with three parts, private keys. A key may follow a name: token=ghp_…
        Recognizer(.key, "(?<![^\(delimiters)=:])(?:(?:sk-|xox[abps]-|dckr_pat_)[A-Za-z0-9_-]{20,}"
            + "|(?:[srp]k_live_|sk_test_|glpat-|AKIA|ASIA)[A-Za-z0-9_-]{16,}"
            + "|(?:gh[oprsu]_|github_pat_|hf_|npm_|pypi-|AIza)[A-Za-z0-9_-]{30,}"
            + #"|(?=[A-Za-z0-9_.-]{40})eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_.-]*)"#),
        Recognizer(.key, "-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?:[^-]++|-(?!----))*+-----END[^-]{0,48}-----)?"),
        // password: hunter2, api_key="abc123", my password is hunter2
        Recognizer(.key, "(?i:passw(?:or)?d|passwort|kennwort|passphrase|pwd|secret|token|api[_-]?key|(?:access|secret|private)[_-]key)"
            + #"["'`]?(?:[ \t]*[:=][ \t]*|[ \t]is[ \t]+|[ \t]ist[ \t]+)["'`]?\K[^\t-\r "'`,;]{5,511}[^\t-\r "'`,;.)!?:=]"#) { match in
            let classes: [(UInt8) -> Bool] = [isUppercase, isLowercase, isDigit, { !isLetter($0) && !isDigit($0) }]
            let kinds = classes.count { isOfClass in match.contains { isOfClass($0) } }
            return kinds >= 2 && !match.allSatisfy(isLetter) ? match.count : nil
        },
        Recognizer(.key, #"(?i:bearer)[ \t:=]+\K[A-Za-z0-9_.-]{19,}[A-Za-z0-9_-]"#),
    ]

    private static func isUppercase(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A }
    private static func isLowercase(_ byte: UInt8) -> Bool { byte >= 0x61 && byte <= 0x7A }
    private static func isLetter(_ byte: UInt8) -> Bool { isUppercase(byte) || isLowercase(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private static func isAddress(_ text: ArraySlice<UInt8>, _ family: Int32) -> Bool {
        var address = in6_addr()
        return unsafe inet_pton(family, String(decoding: text, as: UTF8.self), &address) == 1
    }

    /// Whether the last digit is that of Luhn's formula.
    private static func hasLuhnDigit(_ text: ArraySlice<UInt8>) -> Bool {
        var sum = 0
        for (i, digit) in text.filter(isDigit).reversed().enumerated() {
            let value = Int(digit - 0x30) * (i % 2 == 1 ? 2 : 1)
            sum += value > 9 ? value - 9 : value
        }
        return sum % 10 == 0
    }

    /// The length of an IBAN at the beginning of a text, whose groups may be separated by spaces; nil if its check digits are wrong.
    private static func ibanLength(_ text: ArraySlice<UInt8>) -> Int? {
        guard let count = ibanCounts[String(decoding: text.prefix(2), as: UTF8.self)] else { return nil }
        let positions = text.indices.filter { text[$0] != 0x20 }
        guard positions.count >= count else { return nil }
        let end = positions[count - 1] + 1, characters = positions[..<count].map { text[$0] }
        if end < text.endIndex, text[end] != 0x20 { return nil }
        let rest = (characters[4...] + characters[..<4]).reduce(0) { rest, byte in
            isDigit(byte) ? (rest * 10 + Int(byte - 0x30)) % 97 : (rest * 100 + Int(byte - 0x41) + 10) % 97
        }
        return rest == 1 ? end - text.startIndex : nil
    }

    /// The number of characters in each country.
    private static let ibanCounts: [String: Int] = [
        "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21, "CR": 22, "CY": 28,
        "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18,
        "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21,
        "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28,
        "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VG": 24,
        "XK": 20,
    ]
}
