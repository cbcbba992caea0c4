/// Finds personal data in UTF-8. Each recognizer reads a word, a bounded number of bytes, or what it then skips.
struct PersonalDataScanner {
    typealias Found = (kind: PersonalData.Kind, range: Range<Int>)

    let bytes: [UInt8]
    private var found: [Found] = []
    /// From here on, the text has no end of a private key.
    private var keyEndSearched = Int.max

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Returns what was found in the order of the text. Ranges do not overlap.
    mutating func run() -> [Found] {
        found = []
        var i = 0
        while i < bytes.count {
            if Self.isDelimiter(bytes[i]) { i += 1; continue }
            var end = i
            while end < bytes.count, !Self.isDelimiter(bytes[end]) { end += 1 }
            scanWord(i..<end)
            i = end
        }
        scanNumbers()
        found.sort { ($0.range.lowerBound, -$0.range.upperBound) < ($1.range.lowerBound, -$1.range.upperBound) }
        var result: [Found] = [], last = 0
        for item in found where item.range.lowerBound >= last {
            result.append(item)
            last = item.range.upperBound
        }
        return result
    }

    private mutating func add(_ kind: PersonalData.Kind, _ range: Range<Int>) { found.append((kind, range)) }

    // MARK: Words

    /// - Parameter word: Bytes without white space, quotes and brackets.
    private mutating func scanWord(_ word: Range<Int>) {
        if addURL(word) { return }
        if addKey(word) { return }
        addEmails(word)
        addIBAN(at: word.lowerBound)
        addIPv6(word)
        addPassword(word)
    }

    /// A URL with credentials: `https://user:password@host`.
    private mutating func addURL(_ word: Range<Int>) -> Bool {
        guard let scheme = position(of: "://", in: word), scheme > word.lowerBound else { return false }
        let start = scheme + 3
        let end = (start..<word.upperBound).first { [0x2F, 0x3F, 0x23].contains(bytes[$0]) } ?? word.upperBound      // / ? #
        guard let at = (start..<end).last(where: { bytes[$0] == 0x40 }),
              let colon = (start..<at).first(where: { bytes[$0] == 0x3A }), colon + 1 < at, at + 1 < end else { return false }
        add(.url, word.lowerBound..<trimmedEnd(word))
        return true
    }

    private mutating func addEmails(_ word: Range<Int>) {
        var start = word.lowerBound
        while let at = (start..<word.upperBound).first(where: { bytes[$0] == 0x40 }) {
            // Local parts have at most 64 bytes, domains 255.
            var first = at
            while first > max(start, at - 64), Self.isLocal(bytes[first - 1]) { first -= 1 }
            while first < at, bytes[first] == 0x2E { first += 1 }
            var end = at + 1
            while end < min(word.upperBound, at + 256), Self.isAlphanumeric(bytes[end]) || [0x2D, 0x2E].contains(bytes[end]) { end += 1 }
            while end > at + 1, !Self.isAlphanumeric(bytes[end - 1]) { end -= 1 }
            let labels = bytes[at + 1..<end].split(separator: 0x2E, omittingEmptySubsequences: false)
            let isDomain = labels.count >= 2 && labels.allSatisfy { !$0.isEmpty && $0.first != 0x2D && $0.last != 0x2D }
            if first < at, isDomain, let top = labels.last, top.count >= 2, top.allSatisfy(Self.isLetter) {
                add(.email, first..<end)
                start = end
            } else {
                start = at + 1
            }
        }
    }

    /// Keys that begin with a prefix of their issuer, tokens with three parts, private keys.
    private mutating func addKey(_ word: Range<Int>) -> Bool {
        if bytes[word.lowerBound] == 0x2D, has("-----BEGIN", at: word.lowerBound) { return addPrivateKey(word.lowerBound) }
        // A key may follow a name: `token=ghp_…`.
        let starts = [word.lowerBound] + word.filter { [0x3D, 0x3A].contains(bytes[$0]) }.prefix(4).map { $0 + 1 }
        for start in starts where start < word.upperBound {
            for (prefix, least) in Self.prefixes where has(prefix, at: start) {
                var end = start + prefix.utf8.count
                while end < word.upperBound, Self.isKeyCharacter(bytes[end]) { end += 1 }
                guard end - start - prefix.utf8.count >= least else { continue }
                add(.key, start..<end)
                return true
            }
            if has("eyJ", at: start) {
                var end = start, dots = 0
                while end < word.upperBound, Self.isKeyCharacter(bytes[end]) || bytes[end] == 0x2E {
                    if bytes[end] == 0x2E { dots += 1 }
                    end += 1
                }
                if dots >= 2, end - start >= 40 {
                    add(.key, start..<end)
                    return true
                }
            }
        }
        return false
    }

    private mutating func addPrivateKey(_ start: Int) -> Bool {
        guard let title = position(of: "PRIVATE KEY-----", in: start..<min(bytes.count, start + 64)) else { return false }
        var end = title + 16
        if end < keyEndSearched {
            if let close = position(of: "-----END", in: end..<bytes.count) {
                let line = close + 8..<min(bytes.count, close + 64)
                end = position(of: "-----", in: line).map { $0 + 5 } ?? close + 8
            } else {
                keyEndSearched = end
            }
        }
        add(.key, start..<end)
        return true
    }

    /// A password or token after its name: `password: hunter2`, `api_key="abc123"`, `Bearer abc…`, "my password is hunter2".
    private mutating func addPassword(_ word: Range<Int>) {
        let nameEnd = word.first { [0x3D, 0x3A].contains(bytes[$0]) } ?? word.upperBound
        let name = bytes[word.lowerBound..<nameEnd].prefix(24).map { $0 | 0x20 }
        guard nameEnd - word.lowerBound <= 24 else { return }
        let isBearer = name == Array("bearer".utf8)
        guard isBearer || Self.secretNames.contains(where: { name.hasSuffix($0) }) else { return }
        var i = nameEnd
        // What is between the name and the value: quotes, white space, "=", ":", "is" or "ist".
        var isAssigned = false, isSaid = false
        let end = min(bytes.count, nameEnd + 12)
        while i < end {
            if [0x3D, 0x3A].contains(bytes[i]) {
                isAssigned = true
            } else if Self.isWhitespace(bytes[i]), !isAssigned, !isSaid, has("is ", at: i + 1) || has("ist ", at: i + 1) {
                isSaid = true
                i += has("is ", at: i + 1) ? 2 : 3
            } else if !(Self.isWhitespace(bytes[i]) && bytes[i] != 0x0A) && ![0x22, 0x27, 0x60].contains(bytes[i]) {
                break
            }
            i += 1
        }
        var last = i
        while last < min(bytes.count, i + 512), !Self.isWhitespace(bytes[last]), ![0x22, 0x27, 0x60, 0x2C, 0x3B].contains(bytes[last]) {
            last += 1
        }
        while last > i, [0x2E, 0x29, 0x21, 0x3F].contains(bytes[last - 1]) { last -= 1 }
        let value = bytes[i..<last]
        let kinds: [(UInt8) -> Bool] = [Self.isUppercase, Self.isLowercase, Self.isDigit, { !Self.isAlphanumeric($0) }]
        let classes = kinds.count { isOfKind in value.contains { isOfKind($0) } }
        let isSecret = isBearer
            ? value.count >= 20 && value.allSatisfy { Self.isKeyCharacter($0) || $0 == 0x2E }
            : (isAssigned || isSaid) && value.count >= 6 && classes >= 2 && value.contains { !Self.isLetter($0) }
        if isSecret { add(.key, i..<last) }
    }

    /// An IBAN, whose groups may be separated by spaces.
    private mutating func addIBAN(at start: Int) {
        guard start + 15 <= bytes.count, Self.isUppercase(bytes[start]), Self.isUppercase(bytes[start + 1]),
              Self.isDigit(bytes[start + 2]), Self.isDigit(bytes[start + 3]),
              let length = Self.ibanLengths[String(decoding: bytes[start..<start + 2], as: UTF8.self)] else { return }
        var characters: [UInt8] = [], i = start
        while i < bytes.count, characters.count < length {
            if Self.isUppercase(bytes[i]) || Self.isDigit(bytes[i]) {
                characters.append(bytes[i])
            } else if !(bytes[i] == 0x20 && i + 1 < bytes.count && bytes[i - 1] != 0x20) {
                return
            }
            i += 1
        }
        guard characters.count == length, i == bytes.count || !Self.isAlphanumeric(bytes[i]) else { return }
        var rest = 0
        for byte in characters[4...] + characters[..<4] {
            rest = Self.isDigit(byte) ? (rest * 10 + Int(byte - 0x30)) % 97 : (rest * 100 + Int(byte - 0x41) + 10) % 97
        }
        if rest == 1 { add(.iban, start..<i) }
    }

    private mutating func addIPv6(_ word: Range<Int>) {
        let end = trimmedEnd(word)
        guard end - word.lowerBound <= 45, end - word.lowerBound >= 6 else { return }
        let text = bytes[word.lowerBound..<end]
        guard text.count(where: { $0 == 0x3A }) >= 2, text.allSatisfy({ Self.isHexDigit($0) || $0 == 0x3A }) else { return }
        let groups = text.split(separator: 0x3A, omittingEmptySubsequences: false)
        guard groups.allSatisfy({ $0.count <= 4 }) else { return }
        let isShort = position(of: "::", in: word.lowerBound..<end) != nil
        let full = groups.count { !$0.isEmpty }
        if isShort ? full >= 2 && full <= 7 && text.count(where: Self.isHexDigit) >= 5 : groups.count == 8 && full == 8 {
            add(.ip, word.lowerBound..<end)
        }
    }

    // MARK: Numbers

    /// Digits without anything between them, and what is before them.
    private struct Group {
        let range: Range<Int>
        /// The bytes between the previous group and this one; before the first one, "+" or "(" or nothing.
        let separator: ArraySlice<UInt8>
        var count: Int { range.count }
    }

    /// Looks at runs of groups of digits with at most two of the characters " -./()" between them.
    private mutating func scanNumbers() {
        var i = 0
        while i < bytes.count {
            guard Self.isDigit(bytes[i]) else { i += 1; continue }
            var groups: [Group] = []
            var start = i
            while start > 0, groups.isEmpty, [0x2B, 0x28].contains(bytes[start - 1]), i - start < 2 { start -= 1 }
            var separator = bytes[start..<i]
            // A number inside a word, such as a version "v1.2" or a hash.
            let isInWord = start > 0 && (Self.isAlphanumeric(bytes[start - 1]) || [0x5F, 0x23].contains(bytes[start - 1]))
            while i < bytes.count {
                let first = i
                while i < bytes.count, Self.isDigit(bytes[i]) { i += 1 }
                groups.append(Group(range: first..<i, separator: separator))
                var next = i
                while next < bytes.count, next - i < 3, [0x20, 0x2D, 0x2E, 0x2F, 0x28, 0x29].contains(bytes[next]) { next += 1 }
                guard next > i, next < bytes.count, Self.isDigit(bytes[next]) else { break }
                separator = bytes[i..<next]
                i = next
            }
            let continues = i < bytes.count && (Self.isLetter(bytes[i]) || bytes[i] == 0x5F)
            scan(groups, isInWord: isInWord, continues: continues)
        }
    }

    private mutating func scan(_ groups: [Group], isInWord: Bool, continues: Bool) {
        var g = isInWord ? 1 : 0
        // After a group in a word, only one after a space begins a new number.
        while isInWord, g < groups.count, groups[g].separator.first != 0x20 { g += 1 }
        let last = continues ? groups.count - 1 : groups.count
        while g < last {
            let rest = groups[g..<last]
            if let isPublic = isPublicAddress(rest) {
                if isPublic { add(.ip, rest[g].range.lowerBound..<rest[g + 3].range.upperBound) }
                g += 4
            } else if let count = cardLength(rest) {
                add(.card, rest[g].range.lowerBound..<rest[g + count - 1].range.upperBound)
                g += count
            } else if let count = phoneLength(rest) {
                let separator = rest[g].separator
                let mark = g == 0 || [0x2B, 0x28].contains(separator.last ?? 0) ? separator.suffix(while: { $0 != 0x20 }) : []
                add(.phone, rest[g].range.lowerBound - mark.count..<rest[g + count - 1].range.upperBound)
                g += count
            } else {
                g += 1
            }
        }
    }

    /// nil if the groups do not begin with an IPv4 address.
    private func isPublicAddress(_ groups: ArraySlice<Group>) -> Bool? {
        let parts = groups.prefix(5)
        guard parts.count >= 4, parts.dropFirst().prefix(3).allSatisfy({ $0.separator.elementsEqual([0x2E]) }),
              parts.count == 4 || !parts[parts.startIndex + 4].separator.elementsEqual([0x2E]) else { return nil }
        let numbers = parts.prefix(4).compactMap { $0.count <= 3 ? Int(String(decoding: bytes[$0.range], as: UTF8.self)) : nil }
        guard numbers.count == 4, numbers.allSatisfy({ $0 <= 255 }) else { return nil }
        return ![0, 127, 255].contains(numbers[0])
    }

    private func cardLength(_ groups: ArraySlice<Group>) -> Int? {
        guard let first = groups.first, [0x33, 0x34, 0x35, 0x36, 0x32].contains(bytes[first.range.lowerBound]) else { return nil }
        for count in [4, 3, 5, 1] where groups.count >= count {
            let parts = groups.prefix(count)
            let sizes = parts.map(\.count), digits = sizes.reduce(0, +)
            let isGrouped = switch count {
            case 1: digits >= 13
            case 3: sizes == [4, 6, 5] || sizes == [4, 6, 4]
            default: sizes.prefix(4).allSatisfy { $0 == 4 } && (count == 4 || sizes[4] <= 3)
            }
            let separators = parts.dropFirst().map(\.separator)
            guard isGrouped, digits <= 19, separators.allSatisfy({ $0.elementsEqual([0x20]) || $0.elementsEqual([0x2D]) }) else { continue }
            var sum = 0
            for (i, digit) in parts.flatMap({ bytes[$0.range] }).reversed().enumerated() {
                let value = Int(digit - 0x30) * (i % 2 == 1 ? 2 : 1)
                sum += value > 9 ? value - 9 : value
            }
            if sum % 10 == 0 { return count }
        }
        return nil
    }

    /// International numbers with "+" or "00", national ones with an area code that begins with 0, and North American ones.
    private func phoneLength(_ groups: ArraySlice<Group>) -> Int? {
        guard let first = groups.first else { return nil }
        let digits = bytes[first.range]
        let isInternational = first.separator.last == 0x2B || digits.starts(with: [0x30, 0x30]) && digits.dropFirst(2).first != 0x30
        let zero = digits.first == 0x30 && digits.dropFirst().first != 0x30
        // Groups of a number, until one that cannot belong to it.
        var count = 1, total = first.count
        for group in groups.dropFirst() {
            let isJoined = group.separator.allSatisfy { [0x20, 0x2D, 0x2F, 0x28, 0x29].contains($0) }
                || isInternational && group.separator.elementsEqual([0x2E])
            guard isJoined, total + group.count <= 15, count < 7, group.count >= 2 || isInternational else { break }
            total += group.count
            count += 1
        }
        if isInternational {
            let least = first.separator.last == 0x2B ? 8 : 10
            return total >= least && total <= 15 && (count > 1 || first.count >= least) ? count : nil
        }
        if zero, first.count >= 3, first.count <= 5, count >= 2, total >= 8, total <= 13 { return count }
        if zero, first.count >= 10, first.count <= 12 { return 1 }
        // (555) 123-4567, 555-123-4567, 555.123.4567
        let parts = groups.prefix(3)
        guard parts.map(\.count) == [3, 3, 4], digits.first.map({ $0 >= 0x32 }) == true else { return nil }
        let marks = parts.dropFirst().map { Array($0.separator) }
        let isBracketed = first.separator.last == 0x28 && marks[0].first == 0x29
        return isBracketed || marks[0] == marks[1] && (marks[0] == [0x2D] || marks[0] == [0x2E]) ? 3 : nil
    }
}

extension PersonalDataScanner {
    /// Prefixes of keys, and the least number of characters after them.
    private static let prefixes: [(String, Int)] = [
        ("sk-", 20), ("sk_live_", 16), ("rk_live_", 16), ("pk_live_", 16), ("sk_test_", 16), ("ghp_", 30), ("gho_", 30), ("ghs_", 30),
        ("ghu_", 30), ("ghr_", 30), ("github_pat_", 30), ("glpat-", 16), ("xoxb-", 20), ("xoxp-", 20), ("xoxa-", 20), ("xoxs-", 20),
        ("AKIA", 16), ("ASIA", 16), ("AIza", 30), ("hf_", 30), ("npm_", 30), ("pypi-", 30), ("dckr_pat_", 20),
    ]

    private static let secretNames = [
        "password", "passwd", "passwort", "kennwort", "passphrase", "pwd", "secret", "token", "api_key", "apikey", "api-key", "access_key",
        "access-key", "secret_key", "private_key",
    ].map { Array($0.utf8).map { $0 | 0x20 } }

    private static let ibanLengths: [String: Int] = [
        "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21, "CR": 22, "CY": 28,
        "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18,
        "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21,
        "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28,
        "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VG": 24,
        "XK": 20,
    ]

    private func has(_ text: String, at start: Int) -> Bool {
        start >= 0 && start + text.utf8.count <= bytes.count && bytes[start...].starts(with: text.utf8)
    }

    private func position(of text: String, in range: Range<Int>) -> Int? {
        let count = text.utf8.count
        guard range.count >= count else { return nil }
        return (range.lowerBound...range.upperBound - count).first { has(text, at: $0) }
    }

    /// The end of a word without the punctuation of its sentence.
    private func trimmedEnd(_ word: Range<Int>) -> Int {
        var end = word.upperBound
        while end > word.lowerBound, [0x2E, 0x21, 0x3F, 0x3A].contains(bytes[end - 1]) { end -= 1 }
        return end
    }

    private static func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte >= 0x09 && byte <= 0x0D }
    /// White space, quotes, brackets, commas and semicolons.
    private static func isDelimiter(_ byte: UInt8) -> Bool {
        isWhitespace(byte)
            || [0x22, 0x27, 0x60, 0x28, 0x29, 0x3C, 0x3E, 0x5B, 0x5D, 0x7B, 0x7D, 0x7C, 0x2C, 0x3B].contains(byte)
    }
    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    private static func isUppercase(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A }
    private static func isLowercase(_ byte: UInt8) -> Bool { byte >= 0x61 && byte <= 0x7A }
    private static func isLetter(_ byte: UInt8) -> Bool { isUppercase(byte) || isLowercase(byte) }
    private static func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isLetter(byte) }
    private static func isHexDigit(_ byte: UInt8) -> Bool { isDigit(byte) || (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66 }
    private static func isKeyCharacter(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || byte == 0x2D || byte == 0x5F }
    private static func isLocal(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte >= 0x80 || [0x2E, 0x5F, 0x25, 0x2B, 0x2D].contains(byte)
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool { count >= suffix.count && self[(count - suffix.count)...].elementsEqual(suffix) }
}

extension ArraySlice<UInt8> {
    /// The last elements that satisfy a condition.
    fileprivate func suffix(while isWanted: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        var start = endIndex
        while start > startIndex, isWanted(self[start - 1]) { start -= 1 }
        return self[start...]
    }
}
