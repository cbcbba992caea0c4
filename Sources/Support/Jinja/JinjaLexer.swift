/// Splits a template into tokens, with the settings of Hugging Face's transformers: `trim_blocks` (the line end after a block is dropped)
/// and `lstrip_blocks` (white space before a block at the start of a line is dropped).
struct JinjaLexer {
    private let source: [UInt32]
    private var position = 0
    private var line = 1
    /// Whether the last match ended a line.
    private var startsLine = true
    private var tokens: [JinjaToken] = []
    /// The closing brackets that are expected.
    private var brackets: [JinjaToken.Kind] = []

    /// The longest template: 1,000,000 characters.
    static let maxLength = 1_000_000

    /// The tokens, the last of them the end of the template, or the place of a syntax error.
    static func tokens(of template: String) throws(JinjaError) -> (tokens: [JinjaToken], error: JinjaError?) {
        var lexer = JinjaLexer(template)
        guard lexer.source.count <= maxLength else {
            throw JinjaError(.limit, "the template has more than \(maxLength) characters", line: 1)
        }
        var failure: JinjaError?
        do throws(JinjaError) { try lexer.readTemplate() } catch { failure = error }
        lexer.tokens.append(JinjaToken(kind: .end, line: lexer.line))
        return (lexer.tokens, failure)
    }

    private init(_ template: String) {
        source = Self.withUnixLineEnds(template.unicodeScalars.map(\.value), dropsLast: true)
    }

    /// Every kind of line end as "\n". `dropsLast`: without a line end at the end of the template.
    private static func withUnixLineEnds(_ text: [UInt32], dropsLast: Bool) -> [UInt32] {
        var result: [UInt32] = []
        result.reserveCapacity(text.count)
        for (index, scalar) in text.enumerated() {
            if scalar == 10, index > 0, text[index - 1] == 13 { continue }
            result.append(scalar == 13 ? 10 : scalar)
        }
        if dropsLast, result.last == 10 { result.removeLast() }
        return result
    }

    // MARK: Template data

    private mutating func readTemplate() throws(JinjaError) {
        while position < source.count {
            guard let start = nextTag() else {
                addData(position..<source.count)
                break
            }
            let begin = source[start + 1]
            var bodyStart = start + 2
            let sign = bodyStart < source.count && (source[bodyStart] == minus || source[bodyStart] == plus) ? source[bodyStart] : 0
            if sign != 0 { bodyStart += 1 }
            addData(position..<start, before: begin, sign: sign)
            if begin == percent, let rawStart = endOfRawTag(from: start, named: "raw", sign: sign) {
                addLines(of: start..<rawStart)
                position = rawStart
                startsLine = source[rawStart - 1] == 10
                try readRaw()
                continue
            }
            position = bodyStart
            startsLine = false
            switch begin {
            case hash: try readComment()
            case leftBrace: try readTag(.variableBegin, until: .variableEnd)
            default: try readTag(.blockBegin, until: .blockEnd)
            }
        }
    }

    /// The next "{%", "{{" or "{#".
    private func nextTag() -> Int? {
        guard position + 1 < source.count else { return nil }
        return (position..<source.count - 1).first {
            source[$0] == leftBrace && [leftBrace, percent, hash].contains(source[$0 + 1])
        }
    }

    /// Adds the text before a tag.
    private mutating func addData(_ range: Range<Int>, before begin: UInt32 = 0, sign: UInt32 = 0) {
        var end = range.upperBound
        if sign == minus {
            while end > range.lowerBound, PythonCharacter.isSpace(source[end - 1]) { end -= 1 }
        } else if sign != plus, begin == percent || begin == hash {
            let lineStart = source[range].lastIndex(of: 10).map { $0 + 1 } ?? range.lowerBound
            if lineStart > range.lowerBound || startsLine, source[lineStart..<end].allSatisfy(PythonCharacter.isSpace) { end = lineStart }
        }
        if end > range.lowerBound {
            tokens.append(JinjaToken(kind: .data, value: .text(JinjaText(units: source[range.lowerBound..<end])), line: line))
        }
        addLines(of: range)
    }

    private mutating func addLines(of range: Range<Int>) { line += source[range].reduce(0) { $0 + ($1 == 10 ? 1 : 0) } }

    private mutating func readComment() throws(JinjaError) {
        if position == source.count { return }
        guard position + 1 < source.count,
            let end = (position..<source.count - 1).first(where: { source[$0] == hash && source[$0 + 1] == rightBrace })
        else { throw JinjaError(.syntax, "Missing end of comment tag", line: line) }
        let start = position
        position = end + 2
        skipAfterTag(sign: end > start ? source[end - 1] : 0)
        addLines(of: start..<position)
        startsLine = source[position - 1] == 10
    }

    /// Skips what a closing tag removes behind it: all white space after "-", else one line end unless there is a "+".
    private mutating func skipAfterTag(sign: UInt32) {
        if sign == minus {
            while position < source.count, PythonCharacter.isSpace(source[position]) { position += 1 }
        } else if sign != plus, position < source.count, source[position] == 10 {
            position += 1
        }
    }

    /// The end of "{% raw %}" or "{% endraw %}", if there is one at `start`.
    private func endOfRawTag(from start: Int, named name: String, sign: UInt32) -> Int? {
        var index = start + 2 + (sign == 0 ? 0 : 1)
        func skipSpace() { while index < source.count, PythonCharacter.isSpace(source[index]) { index += 1 } }
        skipSpace()
        let letters = name.unicodeScalars.map(\.value)
        guard source[index...].starts(with: letters) else { return nil }
        index += letters.count
        skipSpace()
        let isEnd = name == "endraw"
        let endSign = index < source.count && (source[index] == minus || (isEnd && source[index] == plus)) ? source[index] : 0
        if endSign != 0 { index += 1 }
        guard source[min(index, source.count)...].starts(with: [percent, rightBrace]) else { return nil }
        index += 2
        if endSign == minus { skipSpace() } else if isEnd, endSign == 0, index < source.count, source[index] == 10 { index += 1 }
        return index
    }

    private mutating func readRaw() throws(JinjaError) {
        if position == source.count { return }
        var start = position
        while start + 1 < source.count {
            if source[start] == leftBrace, source[start + 1] == percent {
                let next = start + 2 < source.count ? source[start + 2] : 0
                let sign = next == minus || next == plus ? next : 0
                if let end = endOfRawTag(from: start, named: "endraw", sign: sign) {
                    addData(position..<start, before: percent, sign: sign)
                    addLines(of: start..<end)
                    position = end
                    startsLine = source[end - 1] == 10
                    return
                }
            }
            start += 1
        }
        throw JinjaError(.syntax, "Missing end of raw directive", line: line)
    }

    // MARK: Expressions

    private mutating func readTag(_ begin: JinjaToken.Kind, until end: JinjaToken.Kind) throws(JinjaError) {
        tokens.append(JinjaToken(kind: begin, line: line))
        let close = end == .blockEnd ? percent : rightBrace
        brackets = []
        while position < source.count {
            if brackets.isEmpty, let length = endTagLength(close, allowsPlus: end == .blockEnd) {
                tokens.append(JinjaToken(kind: end, line: line))
                let start = position
                let sign = length == 3 ? source[position] : 0
                position += length
                if sign == minus || end == .blockEnd { skipAfterTag(sign: sign) }
                addLines(of: start..<position)
                startsLine = source[position - 1] == 10
                return
            }
            try readToken()
        }
    }

    private func endTagLength(_ close: UInt32, allowsPlus: Bool) -> Int? {
        let rest = source[position...]
        if rest.starts(with: [close, rightBrace]) { return 2 }
        if rest.starts(with: [minus, close, rightBrace]) || (allowsPlus && rest.starts(with: [plus, close, rightBrace])) { return 3 }
        return nil
    }

    private mutating func readToken() throws(JinjaError) {
        let scalar = source[position]
        if PythonCharacter.isSpace(scalar) {
            if scalar == 10 { line += 1 }
            position += 1
        } else if 48...57 ~= scalar {
            try readNumber()
        } else if isWord(scalar) {
            let start = position
            while position < source.count, isWord(source[position]) { position += 1 }
            let name = JinjaText(units: source[start..<position])
            guard PythonCharacter.canStartName(scalar), name.units.allSatisfy(PythonCharacter.canContinueName) else {
                throw JinjaError(.syntax, "Invalid character in identifier", line: line)
            }
            tokens.append(JinjaToken(kind: .name, value: .name(name.string), line: line))
        } else if scalar == 39 || scalar == 34 {
            try readString(scalar)
        } else {
            try readOperator()
        }
    }

    private func isWord(_ scalar: UInt32) -> Bool {
        scalar == 95 || PythonCharacter.isAlphabetic(scalar) || PythonCharacter.isNumeric(scalar) || PythonCharacter.canContinueName(scalar)
    }

    private mutating func readOperator() throws(JinjaError) {
        for length in [2, 1] where position + length <= source.count {
            let text = JinjaText(units: source[position..<position + length]).string
            guard let kind = JinjaToken.Kind(rawValue: text) else { continue }
            switch kind {
            case .leftBrace: brackets.append(.rightBrace)
            case .leftParenthesis: brackets.append(.rightParenthesis)
            case .leftBracket: brackets.append(.rightBracket)
            case .rightBrace, .rightParenthesis, .rightBracket:
                guard let expected = brackets.popLast() else { throw JinjaError(.syntax, "unexpected '\(text)'", line: line) }
                guard expected == kind else {
                    throw JinjaError(.syntax, "unexpected '\(text)', expected '\(expected.rawValue)'", line: line)
                }
            default: break
            }
            tokens.append(JinjaToken(kind: kind, line: line))
            position += length
            return
        }
        let character = PythonText.repr(JinjaText(units: [source[position]]))
        throw JinjaError(.syntax, "unexpected char \(character) at \(position)", line: line)
    }

    /// Reads a decimal number: `7`, `1.5` or `1e-3`.
    private mutating func readNumber() throws(JinjaError) {
        func isDigit(at index: Int) -> Bool { index < source.count && 48...57 ~= source[index] }
        func endOfDigits(from start: Int) -> Int { start + source[start...].prefix { 48...57 ~= $0 }.count }
        var end = endOfDigits(from: position), isFloat = false
        // After a dot it is an index, as in `people.0.name`.
        if position == 0 || source[position - 1] != 46 {
            if end < source.count, source[end] == 46, isDigit(at: end + 1) {
                end = endOfDigits(from: end + 1)
                isFloat = true
            }
            if end < source.count, source[end] == 101 || source[end] == 69 {
                let hasSign = end + 1 < source.count && (source[end + 1] == plus || source[end + 1] == minus)
                let exponent = end + (hasSign ? 2 : 1)
                if isDigit(at: exponent) {
                    end = endOfDigits(from: exponent)
                    isFloat = true
                }
            }
        }
        let text = JinjaText(units: source[position..<end]).string
        position = end
        if isFloat { return tokens.append(JinjaToken(kind: .float, value: .float(Double(text) ?? .infinity), line: line)) }
        guard let value = Int(text) else { throw JinjaError(.limit, "the number \(text) is too large", line: line) }
        tokens.append(JinjaToken(kind: .integer, value: .integer(value), line: line))
    }

    private mutating func readString(_ quote: UInt32) throws(JinjaError) {
        var end = position + 1
        while end < source.count, source[end] != quote { end += source[end] == 92 ? 2 : 1 }
        guard end < source.count else {
            let character = PythonText.repr(JinjaText(units: [quote]))
            throw JinjaError(.syntax, "unexpected char \(character) at \(position)", line: line)
        }
        let text: JinjaText
        do throws(JinjaError) { text = try JinjaEscapes.decoded(source[position + 1..<end]) } catch {
            throw JinjaError(error.kind, error.message, line: line)
        }
        tokens.append(JinjaToken(kind: .string, value: .text(text), line: line))
        addLines(of: position..<end)
        position = end + 1
    }

    private let leftBrace: UInt32 = 123, rightBrace: UInt32 = 125, percent: UInt32 = 37, hash: UInt32 = 35
    private let minus: UInt32 = 45, plus: UInt32 = 43
}

/// The escapes of Python string literals.
enum JinjaEscapes {
    static func decoded(_ text: ArraySlice<UInt32>) throws(JinjaError) -> JinjaText {
        guard text.contains(92) else { return JinjaText(units: text) }
        var result: [UInt32] = [], index = text.startIndex
        while index < text.endIndex {
            guard text[index] == 92, index + 1 < text.endIndex else {
                result.append(text[index])
                index += 1
                continue
            }
            let letter = text[index + 1]
            index += 2
            if let simple = simple[letter] { result.append(simple) } else {
                switch letter {
                case 10: break
                case 48...55:
                    var value = letter - 48, digits = 1
                    while digits < 3, index < text.endIndex, 48...55 ~= text[index] {
                        value = value * 8 + text[index] - 48
                        index += 1
                        digits += 1
                    }
                    result.append(value)
                case 120: result.append(try hex(text, &index, 2, #"truncated \xXX escape"#))
                case 117: result.append(try hex(text, &index, 4, #"truncated \uXXXX escape"#))
                case 85: result.append(try hex(text, &index, 8, #"truncated \UXXXXXXXX escape"#))
                case 78: throw JinjaError(.syntax, "unknown Unicode character name")
                case 128...:
                    // Jinja writes the character as an escape first, and this backslash escapes the escape's own.
                    let width = letter < 256 ? 2 : letter < 65_536 ? 4 : 8
                    let digits = String(letter, radix: 16)
                    let escape = (width == 2 ? "x" : width == 4 ? "u" : "U") + String(repeating: "0", count: width - digits.count) + digits
                    result += [92] + escape.unicodeScalars.map(\.value)
                default: result += [92, letter]
                }
            }
        }
        return JinjaText(units: result)
    }

    private static let simple: [UInt32: UInt32] = [
        92: 92, 39: 39, 34: 34, 97: 7, 98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11,
    ]

    private static func hex(_ text: ArraySlice<UInt32>, _ index: inout Int, _ count: Int, _ message: String) throws(JinjaError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard index < text.endIndex, text[index] < 128, let scalar = Unicode.Scalar(text[index]),
                let digit = Character(scalar).hexDigitValue
            else { throw JinjaError(.syntax, message) }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        guard value <= 0x10FFFF else { throw JinjaError(.syntax, "illegal Unicode character") }
        return value
    }
}
