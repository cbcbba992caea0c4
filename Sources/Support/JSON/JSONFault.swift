/// Finds where a text stops being JSON. simdjson only says that it does; this reads the text again, byte by byte, once it has been refused.
enum JSONSyntaxChecker {
    /// Throws the first fault of `text`. `reason` is for a fault that simdjson saw and this did not.
    ///
    /// Where there is none but whole numbers that no 64 bits hold, which simdjson refuses, and which others write (10^30 for "no limit"),
    /// returns the
    /// text with ".0" behind each: Doubles, as in JavaScript.
    static func textWithoutLongNumbers(_ text: Span<UInt8>, otherwise reason: String) throws(JSONError) -> [UInt8] {
        var reader = FaultReader(text), result: [UInt8] = [], done = 0
        try reader.readDocument(text)
        if reader.longNumbers.isEmpty { throw .malformed(offset: 0, expected: "JSON", found: reason) }
        for end in reader.longNumbers {
            for i in done..<end { result.append(text[i]) }
            result += ".0".utf8
            done = end
        }
        for i in done..<text.count { result.append(text[i]) }
        return result
    }
}

/// Reads one document, and throws where it is not one. The levels that are open are kept in an array, not on the stack.
struct FaultReader {
    private let count: Int
    /// Where the text stops being UTF-8; its end if it does not.
    private let broken: Int
    private var offset = 0
    private var open: [UInt8] = []
    /// Where whole numbers end that no 64 bits hold.
    private(set) var longNumbers: [Int] = []

    init(_ text: Span<UInt8>) {
        count = text.count
        do throws(UTF8.ValidationError) {
            _ = try UTF8Span(validating: text)
            broken = text.count
        } catch { broken = error.byteOffsets.lowerBound }
    }

    mutating func readDocument(_ text: Span<UInt8>) throws(JSONError) {
        skipSpace(text)
        try readValueStart(text)
        while let level = open.last {
            skipSpace(text)
            let close: UInt8 = level == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]")
            if peek(text) == close { offset += 1; open.removeLast(); continue }
            guard peek(text) == UInt8(ascii: ",") else { throw fault(text, "a comma or \(quoted(close))") }
            offset += 1
            skipSpace(text)
            if level == UInt8(ascii: "{") { try readKey(text) }
            try readValueStart(text)
        }
        skipSpace(text)
        if offset < count { throw fault(text, "the end of the document") }
    }

    /// Reads a value, or the beginning of one that has others inside, up to the first that has not.
    private mutating func readValueStart(_ text: Span<UInt8>) throws(JSONError) {
        while true {
            skipSpace(text)
            switch peek(text) {
            case UInt8(ascii: "{")?:
                if try enter(text, UInt8(ascii: "}")) { return }
                try readKey(text)
            case UInt8(ascii: "[")?:
                if try enter(text, UInt8(ascii: "]")) { return }
            case UInt8(ascii: "\"")?: return try readString(text)
            case UInt8(ascii: "t")?: return try readWord(text, "true")
            case UInt8(ascii: "f")?: return try readWord(text, "false")
            case UInt8(ascii: "n")?: return try readWord(text, "null")
            case UInt8(ascii: "-")?, (UInt8(ascii: "0")...UInt8(ascii: "9"))?: return try readNumber(text)
            default: throw fault(text, "a value")
            }
        }
    }

    /// Opens a level; true if it is empty, and closed again.
    private mutating func enter(_ text: Span<UInt8>, _ close: UInt8) throws(JSONError) -> Bool {
        let start = offset
        offset += 1
        skipSpace(text)
        if peek(text) == close { offset += 1; return true }
        // simdjson counts the document itself as a level, and does not count what is empty.
        guard open.count < 1_023 else { throw .malformed(offset: start, expected: "at most 1,024 levels", found: "more") }
        open.append(text[start])
        return false
    }

    private mutating func readKey(_ text: Span<UInt8>) throws(JSONError) {
        guard peek(text) == UInt8(ascii: "\"") else { throw fault(text, "a key in quotation marks") }
        try readString(text)
        skipSpace(text)
        guard peek(text) == UInt8(ascii: ":") else { throw fault(text, "a colon") }
        offset += 1
    }

    private mutating func readString(_ text: Span<UInt8>) throws(JSONError) {
        offset += 1
        while let byte = peek(text) {
            switch byte {
            case UInt8(ascii: "\""): offset += 1; return
            case UInt8(ascii: "\\"): try readEscape(text)
            case 0..<32: throw fault(text, "control characters in strings to be escaped")
            case _ where offset == broken: throw fault(text, "UTF-8")
            default: offset += 1
            }
        }
        throw fault(text, "a quotation mark that ends the string")
    }

    private mutating func readEscape(_ text: Span<UInt8>) throws(JSONError) {
        let start = offset
        offset += 1
        guard let letter = peek(text), #""\/bfnrtu"#.utf8.contains(letter) else { throw fault(text, #"one of "\/bfnrtu"#) }
        offset += 1
        guard letter == UInt8(ascii: "u") else { return }
        let unit = try readFourDigits(text)
        guard 0xD800...0xDFFF ~= unit else { return }
        let half = JSONError.malformed(offset: start, expected: "both halves of a surrogate pair", found: "one")
        guard unit < 0xDC00, peek(text) == UInt8(ascii: "\\"), offset + 1 < count, text[offset + 1] == UInt8(ascii: "u") else { throw half }
        offset += 2
        guard 0xDC00...0xDFFF ~= (try readFourDigits(text)) else { throw half }
    }

    private mutating func readFourDigits(_ text: Span<UInt8>) throws(JSONError) -> Int {
        var value = 0
        for _ in 0..<4 {
            guard let byte = peek(text), let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw fault(text, "four hexadecimal digits")
            }
            value = value * 16 + digit
            offset += 1
        }
        return value
    }

    private mutating func readWord(_ text: Span<UInt8>, _ word: String) throws(JSONError) {
        let start = offset
        for byte in word.utf8 {
            guard peek(text) == byte else { offset = start; throw fault(text, "a value") }
            offset += 1
        }
        try endScalar(text)
    }

    private mutating func readNumber(_ text: Span<UInt8>) throws(JSONError) {
        let start = offset
        var isWhole = true
        if peek(text) == UInt8(ascii: "-") { offset += 1 }
        if peek(text) == UInt8(ascii: "0") { offset += 1 } else { try readDigits(text) }
        if peek(text) == UInt8(ascii: ".") {
            isWhole = false
            offset += 1
            try readDigits(text)
        }
        if let e = peek(text), e == UInt8(ascii: "e") || e == UInt8(ascii: "E") {
            isWhole = false
            offset += 1
            if let sign = peek(text), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { offset += 1 }
            try readDigits(text)
        }
        try endScalar(text)
        let number = String(decoding: (start..<offset).map { text[$0] }, as: UTF8.self)
        if isWhole, Int64(number) != nil || UInt64(number) != nil { return }
        guard (Double(number) ?? .infinity).isFinite else {
            throw .malformed(offset: start, expected: "a number below 1.8e308", found: "a larger one")
        }
        if isWhole { longNumbers.append(offset) }
    }

    private mutating func readDigits(_ text: Span<UInt8>) throws(JSONError) {
        let start = offset
        while let byte = peek(text), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { offset += 1 }
        if offset == start { throw fault(text, "a digit") }
    }

    /// A number, true, false and null end where something else begins.
    private func endScalar(_ text: Span<UInt8>) throws(JSONError) {
        guard let byte = peek(text) else { return }
        guard " \t\r\n,:{}[]".utf8.contains(byte) else { throw fault(text, "the end of a value") }
    }

    private mutating func skipSpace(_ text: Span<UInt8>) {
        while let byte = peek(text), byte == 32 || byte == 10 || byte == 13 || byte == 9 { offset += 1 }
    }

    private func peek(_ text: Span<UInt8>) -> UInt8? { offset < count ? text[offset] : nil }

    private func fault(_ text: Span<UInt8>, _ expected: String) -> JSONError {
        .malformed(offset: offset, expected: expected, found: peek(text).map(quoted) ?? "the end")
    }

    private func quoted(_ byte: UInt8) -> String {
        switch byte {
        case 0x21..<0x7F: "'\(Character(Unicode.Scalar(byte)))'"
        default: "byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
}
