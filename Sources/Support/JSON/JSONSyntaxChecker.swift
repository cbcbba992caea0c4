/// Locates the syntax error of a text that simdjson has rejected, by checking it again byte by byte. simdjson reports no position.
///
/// Open levels are stored in an array instead of the call stack, so depth is not limited by the stack.
struct JSONSyntaxChecker {
    private let count: Int
    /// The offset of the first invalid UTF-8; `count` if there is none.
    private let invalidUTF8: Int
    private var offset = 0
    /// The opening brackets of all open levels.
    private var open: [UInt8] = []
    /// The end offsets of whole numbers that do not fit in 64 bits.
    private var largeIntegers: [Int] = []

    /// Throws the first syntax error of a text; `reason` describes an error that simdjson has found and this checker has not.
    ///
    /// If the only problem is whole numbers that do not fit in 64 bits, which simdjson rejects but other programs write (10^30 for "no
    /// limit"), returns the text with ".0" appended to each: they become Doubles, as in JavaScript.
    static func replacingLargeIntegers(in text: Span<UInt8>, otherwise reason: String) throws(JSONError) -> [UInt8] {
        var checker = JSONSyntaxChecker(text)
        try checker.readDocument(text)
        if checker.largeIntegers.isEmpty { throw .malformed(offset: 0, expected: "JSON", found: reason) }
        var result: [UInt8] = []
        var start = 0
        for end in checker.largeIntegers {
            for i in start..<end { result.append(text[i]) }
            result += ".0".utf8
            start = end
        }
        for i in start..<text.count { result.append(text[i]) }
        return result
    }

    private init(_ text: Span<UInt8>) {
        count = text.count
        do throws(UTF8.ValidationError) {
            _ = try UTF8Span(validating: text)
            invalidUTF8 = text.count
        } catch { invalidUTF8 = error.byteOffsets.lowerBound }
    }

    private mutating func readDocument(_ text: Span<UInt8>) throws(JSONError) {
        skipSpace(text)
        try readValueStart(text)
        while let level = open.last {
            skipSpace(text)
            let close: UInt8 = level == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]")
            if peek(text) == close {
                offset += 1
                open.removeLast()
                continue
            }
            guard peek(text) == UInt8(ascii: ",") else { throw error(text, "a comma or \(quoted(close))") }
            offset += 1
            skipSpace(text)
            if level == UInt8(ascii: "{") { try readKey(text) }
            try readValueStart(text)
        }
        skipSpace(text)
        if offset < count { throw error(text, "the end of the document") }
    }

    /// Reads a scalar or empty value, and before it all levels that open.
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
            case UInt8(ascii: "t")?: return try readLiteral(text, "true")
            case UInt8(ascii: "f")?: return try readLiteral(text, "false")
            case UInt8(ascii: "n")?: return try readLiteral(text, "null")
            case UInt8(ascii: "-")?, (UInt8(ascii: "0")...UInt8(ascii: "9"))?: return try readNumber(text)
            default: throw error(text, "a value")
            }
        }
    }

    /// Opens a level. Returns whether it is empty and closed again.
    private mutating func enter(_ text: Span<UInt8>, _ close: UInt8) throws(JSONError) -> Bool {
        let start = offset
        offset += 1
        skipSpace(text)
        if peek(text) == close {
            offset += 1
            return true
        }
        // simdjson counts the document itself as a level, and does not count empty ones.
        guard open.count < 1_023 else { throw .malformed(offset: start, expected: "at most 1,024 levels", found: "more") }
        open.append(text[start])
        return false
    }

    private mutating func readKey(_ text: Span<UInt8>) throws(JSONError) {
        guard peek(text) == UInt8(ascii: "\"") else { throw error(text, "a key in quotation marks") }
        try readString(text)
        skipSpace(text)
        guard peek(text) == UInt8(ascii: ":") else { throw error(text, "a colon") }
        offset += 1
    }

    private mutating func readString(_ text: Span<UInt8>) throws(JSONError) {
        offset += 1
        while let byte = peek(text) {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return
            case UInt8(ascii: "\\"): try readEscape(text)
            case 0..<32: throw error(text, "an escaped control character")
            case _ where offset == invalidUTF8: throw error(text, "UTF-8")
            default: offset += 1
            }
        }
        throw error(text, "a quotation mark that ends the string")
    }

    private mutating func readEscape(_ text: Span<UInt8>) throws(JSONError) {
        let start = offset
        offset += 1
        guard let letter = peek(text), #""\/bfnrtu"#.utf8.contains(letter) else { throw error(text, #"one of "\/bfnrtu"#) }
        offset += 1
        guard letter == UInt8(ascii: "u") else { return }
        let unit = try readFourDigits(text)
        guard 0xD800...0xDFFF ~= unit else { return }
        let unpaired = JSONError.malformed(offset: start, expected: "both halves of a surrogate pair", found: "one")
        guard unit < 0xDC00, peek(text) == UInt8(ascii: "\\"), offset + 1 < count, text[offset + 1] == UInt8(ascii: "u") else {
            throw unpaired
        }
        offset += 2
        guard 0xDC00...0xDFFF ~= (try readFourDigits(text)) else { throw unpaired }
    }

    private mutating func readFourDigits(_ text: Span<UInt8>) throws(JSONError) -> Int {
        var value = 0
        for _ in 0..<4 {
            guard let byte = peek(text), let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw error(text, "four hexadecimal digits")
            }
            value = value * 16 + digit
            offset += 1
        }
        return value
    }

    private mutating func readLiteral(_ text: Span<UInt8>, _ literal: String) throws(JSONError) {
        let start = offset
        for byte in literal.utf8 {
            guard peek(text) == byte else {
                offset = start
                throw error(text, "a value")
            }
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
        if isWhole { largeIntegers.append(offset) }
    }

    private mutating func readDigits(_ text: Span<UInt8>) throws(JSONError) {
        let start = offset
        while let byte = peek(text), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { offset += 1 }
        if offset == start { throw error(text, "a digit") }
    }

    /// Checks that a number, true, false or null ends here.
    private func endScalar(_ text: Span<UInt8>) throws(JSONError) {
        guard let byte = peek(text) else { return }
        guard " \t\r\n,:{}[]".utf8.contains(byte) else { throw error(text, "the end of a value") }
    }

    private mutating func skipSpace(_ text: Span<UInt8>) {
        while let byte = peek(text), byte == 32 || byte == 10 || byte == 13 || byte == 9 { offset += 1 }
    }

    private func peek(_ text: Span<UInt8>) -> UInt8? { offset < count ? text[offset] : nil }

    private func error(_ text: Span<UInt8>, _ expected: String) -> JSONError {
        .malformed(offset: offset, expected: expected, found: peek(text).map(quoted) ?? "the end")
    }

    private func quoted(_ byte: UInt8) -> String {
        switch byte {
        case 0x21..<0x7F: "'\(Character(Unicode.Scalar(byte)))'"
        default: "byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
}
