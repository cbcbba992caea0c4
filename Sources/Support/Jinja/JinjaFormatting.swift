/// Python's `str.format` and `%` on strings.
enum JinjaFormatting {
    // MARK: str.format

    static func format(_ text: JinjaText, _ arguments: JinjaArguments, in run: JinjaInterpreter) throws(JinjaError) -> JinjaText {
        var nextIndex = 0
        let units = try format(text, arguments, &nextIndex, depth: 2, in: run)
        return JinjaText(units: units, isMarkup: text.isMarkup)
    }

    private static func format(
        _ text: JinjaText, _ arguments: JinjaArguments, _ nextIndex: inout Int, depth: Int, in run: JinjaInterpreter
    ) throws(JinjaError) -> [UInt32] {
        if depth < 0 { throw .evaluation("Max string recursion exceeded") }
        var result: [UInt32] = [], index = 0
        while index < text.count {
            let scalar = text[index]
            let isDoubled = index + 1 < text.count && text[index + 1] == scalar
            guard scalar == 123 || scalar == 125 else {
                result.append(text.units[index])
                index += 1
                continue
            }
            if isDoubled {
                result.append(text.units[index])
                index += 2
                continue
            }
            if scalar == 125 { throw .evaluation("Single '}' encountered in format string") }
            // The field, with fields inside of its specification.
            var level = 1, end = index + 1
            while end < text.count, level > 0 {
                if text[end] == 123 { level += 1 } else if text[end] == 125 { level -= 1 }
                end += 1
            }
            guard level == 0 else {
                throw .evaluation(index + 1 == text.count ? "Single '{' encountered in format string" : "expected '}' before end of string")
            }
            let field = text.slice(index + 1..<end - 1)
            let value = try formatField(field, arguments, &nextIndex, depth: depth, in: run)
            try run.charge(characters: value.count)
            result += value.units
            index = end
        }
        return result
    }

    private static func formatField(
        _ field: JinjaText, _ arguments: JinjaArguments, _ nextIndex: inout Int, depth: Int, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaText {
        let colon = field.units.indices.first { field[$0] == 58 } ?? field.count
        let bang = field.units.indices.first { field[$0] == 33 && $0 < colon }
        let path = field.slice(0..<(bang ?? colon)).string
        let name = String(path.prefix { $0 != "." && $0 != "[" })
        var value = try lookup(name, arguments, &nextIndex)
        var rest = path.dropFirst(name.count)
        while let mark = rest.first {
            rest.removeFirst()
            if mark == "." {
                let attribute = String(rest.prefix { $0 != "." && $0 != "[" })
                rest = rest.dropFirst(attribute.count)
                value = try run.attribute(attribute, of: value)
            } else {
                guard mark == "[", let close = rest.firstIndex(of: "]") else { throw .evaluation("Missing ']' in format string") }
                let key = String(rest[..<close])
                rest = rest[rest.index(after: close)...]
                value = try run.item(Int(key).map { .int($0) } ?? .string(key), of: value)
            }
        }
        if let bang {
            switch field.slice(bang + 1..<colon).string {
            case "s": value = .string(value.text)
            case "r", "a": value = .string(value.representation)
            case let conversion: throw .evaluation("Unknown conversion specifier \(PythonText.repr(conversion))")
            }
        }
        let specification = colon < field.count ? field.slice(colon + 1..<field.count) : ""
        let expanded = JinjaText(units: try format(specification, arguments, &nextIndex, depth: depth - 1, in: run)).string
        return try formatted(value, expanded, in: run)
    }

    private static func lookup(_ name: String, _ arguments: JinjaArguments, _ nextIndex: inout Int) throws(JinjaError) -> JinjaValue {
        var index = Int(name)
        if name.isEmpty {
            index = nextIndex
            nextIndex += 1
        }
        if let index {
            guard arguments.positional.indices.contains(index) else {
                throw .evaluation("tuple index out of range")
            }
            return arguments.positional[index]
        }
        guard let value = arguments.keywords.first(where: { $0.name == name })?.value else { throw .evaluation(PythonText.repr(name)) }
        return value
    }

    /// `[[fill]align][sign][#][0][width][,][.precision][type]`
    private struct Specification {
        var fill: UInt32 = 32
        var align: Character?
        var sign: Character = "-"
        var isAlternate = false
        var width = 0
        var grouping: Character?
        var precision: Int?
        var type: Character?

        init(_ text: String) throws(JinjaError) {
            var rest = text[...]
            let aligns: [Character] = ["<", ">", "^", "="]
            if let second = rest.dropFirst().first, aligns.contains(second) {
                fill = rest.first?.unicodeScalars.first?.value ?? 32
                align = second
                rest = rest.dropFirst(2)
            } else if let first = rest.first, aligns.contains(first) {
                align = first
                rest.removeFirst()
            }
            if let first = rest.first, "+- ".contains(first) {
                sign = first
                rest.removeFirst()
            }
            if rest.first == "#" {
                isAlternate = true
                rest.removeFirst()
            }
            if rest.first == "0" {
                if align == nil {
                    fill = 48
                    align = "="
                }
                rest.removeFirst()
            }
            func number() throws(JinjaError) -> Int? {
                let digits = rest.prefix { $0.isASCII && $0.isNumber }
                rest = rest.dropFirst(digits.count)
                guard let value = digits.isEmpty ? 0 : Int(digits), value < 1 << 30 else {
                    throw .evaluation("Too many decimal digits in format string")
                }
                return digits.isEmpty ? nil : value
            }
            width = try number() ?? 0
            if let first = rest.first, first == "," || first == "_" {
                grouping = first
                rest.removeFirst()
            }
            if rest.first == "." {
                rest.removeFirst()
                guard let digits = try number() else { throw .evaluation("Format specifier missing precision") }
                precision = digits
            }
            type = rest.popFirst()
            guard rest.isEmpty else { throw .evaluation("Invalid format specifier") }
        }
    }

    private static func formatted(_ value: JinjaValue, _ text: String, in run: JinjaInterpreter) throws(JinjaError) -> JinjaText {
        if text.isEmpty { return value.text }
        let specification = try Specification(text)
        try run.charge(characters: specification.width + min(specification.precision ?? 0, 1 << 20))
        var body: JinjaText, align: Character = "<"
        switch value {
        case .string(let string):
            guard specification.type ?? "s" == "s" else { throw unknownCode(specification.type, value) }
            body = specification.precision.map { string.slice(0..<min($0, string.count)) } ?? string
            body = JinjaText(units: body.units)
        case .int, .bool, .float:
            align = ">"
            body = JinjaText(try number(value, specification))
        default: throw .evaluation("unsupported format string passed to \(value.typeName).__format__")
        }
        return padded(body, specification, align)
    }

    private static func unknownCode(_ type: Character?, _ value: JinjaValue) -> JinjaError {
        .evaluation("Unknown format code '\(type.map { String($0) } ?? "")' for object of type '\(value.typeName)'")
    }

    private static func padded(_ body: JinjaText, _ specification: Specification, _ align: Character) -> JinjaText {
        let missing = specification.width - min(body.count, specification.width)
        if missing == 0 { return body }
        func filling(_ count: Int) -> [UInt32] { [UInt32](repeating: specification.fill, count: count) }
        switch specification.align ?? align {
        case ">": return JinjaText(units: filling(missing) + body.units)
        case "^": return JinjaText(units: filling(missing / 2) + body.units + filling(missing - missing / 2))
        case "=":
            let hasSign = body.count > 0 && [43, 45, 32].contains(body[0])
            var units = body.units
            units.insert(contentsOf: filling(missing), at: hasSign ? 1 : 0)
            return JinjaText(units: units)
        default: return JinjaText(units: body.units + filling(missing))
        }
    }

    private static func number(_ value: JinjaValue, _ specification: Specification) throws(JinjaError) -> String {
        var digits: String
        let type = specification.type
        let isNegative = (value.number ?? 0) < 0
        if let integer = value.integer, type.map({ "dnxXobc".contains($0) }) ?? true {
            if type == nil, case .bool = value, specification.width == 0 { return value.text.string }
            let magnitude = integer.magnitude
            switch type {
            case "x": digits = (specification.isAlternate ? "0x" : "") + String(magnitude, radix: 16)
            case "X": digits = (specification.isAlternate ? "0X" : "") + String(magnitude, radix: 16, uppercase: true)
            case "o": digits = (specification.isAlternate ? "0o" : "") + String(magnitude, radix: 8)
            case "b": digits = (specification.isAlternate ? "0b" : "") + String(magnitude, radix: 2)
            case "c": return Unicode.Scalar(UInt32(clamping: integer)).map { String($0) } ?? "\u{FFFD}"
            default: digits = grouped(String(magnitude), specification.grouping)
            }
        } else {
            digits = grouped(try float((value.number ?? 0).magnitude, type, specification.precision, value), specification.grouping)
        }
        return (isNegative ? "-" : specification.sign == "-" ? "" : String(specification.sign)) + digits
    }

    private static func grouped(_ digits: String, _ separator: Character?) -> String {
        guard let separator else { return digits }
        let whole = digits.prefix { $0.isNumber }
        var result = ""
        for (index, digit) in whole.enumerated() {
            if index > 0, (whole.count - index) % 3 == 0 { result.append(separator) }
            result.append(digit)
        }
        return result + digits.dropFirst(whole.count)
    }

    /// - Parameter value: not negative.
    private static func float(_ value: Double, _ type: Character?, _ precision: Int?, _ original: JinjaValue) throws(JinjaError) -> String {
        guard value.isFinite else { return PythonText.float(value) }
        let digits = min(precision ?? 6, 400)
        switch type {
        case "f", "F": return PythonText.fixed(value, digits: digits)
        case "%": return PythonText.fixed(value * 100, digits: digits) + "%"
        case "e", "E":
            let text = exponential(value, digits)
            return type == "E" ? text.uppercased() : text
        case "G": return general(value, max(1, digits), keepsPoint: false).uppercased()
        case "g", nil, "n":
            if type == nil, precision == nil { return PythonText.float(value) }
            return general(value, max(1, digits), keepsPoint: type == nil)
        default: throw unknownCode(type, original)
        }
    }

    private static func exponential(_ value: Double, _ digits: Int) -> String {
        guard value > 0 else { return PythonText.fixed(0, digits: digits) + "e+00" }
        // The first estimate of the exponent may be off by one, also because rounding adds a digit.
        var exponent = PythonText.decimalExponent(value)
        var mantissa = PythonText.scaled(value, by: -exponent, digits: digits)
        if mantissa.prefix(while: { $0 != "." }).count > 1 {
            exponent += 1
            mantissa = PythonText.scaled(value, by: -exponent, digits: digits)
        }
        let text = String(exponent.magnitude)
        return mantissa + "e" + (exponent < 0 ? "-" : "+") + (text.count < 2 ? "0" : "") + text
    }

    private static func general(_ value: Double, _ digits: Int, keepsPoint: Bool) -> String {
        let parts = exponential(value, digits - 1).split(separator: "e")
        let exponent = Int(parts[1]) ?? 0
        func withoutZeros(_ text: String) -> String {
            guard text.contains(".") else { return text }
            let trimmed = String(text.reversed().drop { $0 == "0" }.reversed())
            return trimmed.hasSuffix(".") ? String(trimmed.dropLast()) : trimmed
        }
        if exponent < -4 || exponent >= digits { return withoutZeros(String(parts[0])) + "e" + parts[1] }
        let text = withoutZeros(PythonText.fixed(value, digits: digits - 1 - exponent))
        return keepsPoint && !text.contains(".") ? text + ".0" : text
    }

    // MARK: %

    static func percent(_ format: JinjaText, _ value: JinjaValue, in run: JinjaInterpreter) throws(JinjaError) -> JinjaText {
        var positional: [JinjaValue] = [value], isTuple = false
        if case .sequence(let sequence) = value, sequence.kind == .tuple {
            positional = sequence.items
            isTuple = true
        }
        var units: [UInt32] = [], index = 0, used = 0
        func nextValue() throws(JinjaError) -> JinjaValue {
            guard used < positional.count else { throw .evaluation("not enough arguments for format string") }
            used += 1
            return positional[used - 1]
        }
        while index < format.count {
            guard format[index] == 37 else {
                units.append(format.units[index])
                index += 1
                continue
            }
            index += 1
            var text = "", argument: JinjaValue?
            if index < format.count, format[index] == 40 {
                guard let close = format.units.indices[index...].first(where: { format[$0] == 41 })
                else { throw .evaluation("incomplete format key") }
                guard case .dict(let dict) = value else { throw .evaluation("format requires a mapping") }
                let key = format.slice(index + 1..<close)
                guard let found = dict[.string(key)] else { throw .evaluation(PythonText.repr(key)) }
                argument = found
                used = positional.count
                index = close + 1
            }
            while index < format.count, let character = Unicode.Scalar(format[index]).map(Character.init),
                "-+ #0123456789.*".contains(character) {
                if character == "*" {
                    guard let width = try nextValue().integer else { throw .evaluation("* wants int") }
                    text += String(width)
                } else {
                    text.append(character)
                }
                index += 1
            }
            guard index < format.count else { throw .evaluation("incomplete format") }
            let type = Character(JinjaText.scalar(format.units[index]))
            index += 1
            if type == "%" {
                units.append(37)
                continue
            }
            let item: JinjaValue
            if let argument { item = argument } else { item = try nextValue() }
            let piece = try converted(item, type, text, at: index - 1, in: run)
            try run.charge(characters: piece.count)
            units += piece.units
        }
        if isTuple || !value.isContainer, used < positional.count {
            throw .evaluation("not all arguments converted during string formatting")
        }
        return JinjaText(units: units, isMarkup: format.isMarkup)
    }

    private static func converted(
        _ value: JinjaValue, _ type: Character, _ flags: String, at index: Int, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaText {
        let isLeft = flags.contains("-")
        let rest = flags.filter { $0 != "-" && $0 != "#" }
        switch type {
        case "s", "r", "a":
            let text = type == "s" ? value.text : value.representation
            let sizes = rest.filter { $0 != "+" && $0 != " " }
            if sizes.isEmpty { return JinjaText(units: text.units) }
            return try formatted(.string(text), (isLeft ? "<" : ">") + sizes.drop { $0 == "0" }, in: run)
        case "d", "i", "u", "x", "X", "o":
            guard let number = value.number, type == "d" || type == "i" || type == "u" || value.integer != nil,
                let integer = Int(exactly: number.rounded(.towardZero))
            else { throw .evaluation("%\(type) format: a real number is required, not \(value.typeName)") }
            let exact = value.integer ?? integer
            return try formatted(.int(exact), (isLeft ? "<" : "") + rest + ("iu".contains(type) ? "d" : String(type)), in: run)
        case "f", "F", "e", "E", "g", "G":
            guard let number = value.number else { throw .evaluation("must be real number, not \(value.typeName)") }
            return try formatted(.float(number), (isLeft ? "<" : "") + rest + String(type), in: run)
        case "c":
            if case .string(let text) = value, text.count == 1 { return JinjaText(units: text.units) }
            guard let integer = value.integer else { throw .evaluation("%c requires int or char") }
            return try formatted(.int(integer), "c", in: run)
        default:
            let code = String(type.unicodeScalars.first?.value ?? 0, radix: 16)
            throw .evaluation("unsupported format character '\(type)' (0x\(code)) at index \(index)")
        }
    }
}

extension JinjaValue {
    /// A value with items, all of which `%` may leave unused.
    fileprivate var isContainer: Bool {
        switch self {
        case .dict, .sequence: true
        default: false
        }
    }
}
