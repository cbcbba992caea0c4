/// The filters of Jinja: `value | name(arguments)`.
enum JinjaFilter {
    private static let ofText: Set<String> = [
        "capitalize", "center", "e", "escape", "forceescape", "format", "indent", "lower", "replace", "safe", "string", "title", "trim",
        "truncate", "upper", "urlencode", "wordcount",
    ]
    private static let ofSequences: Set<String> = [
        "batch", "count", "dictsort", "first", "groupby", "items", "join", "last", "length", "list", "map", "max", "min", "reject",
        "rejectattr", "reverse", "select", "selectattr", "slice", "sort", "sum", "unique",
    ]
    private static let ofValues: Set<String> = ["abs", "attr", "d", "default", "float", "int", "round", "tojson"]
    /// Filters of Jinja that no chat template has a use for.
    private static let unsupported: Set<String> = [
        "filesizeformat", "pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr",
    ]

    static func exists(_ name: String) -> Bool {
        ofText.contains(name) || ofSequences.contains(name) || ofValues.contains(name) || unsupported.contains(name)
    }

    static func apply(
        _ name: String, to value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        if ofText.contains(name) { return try textFilter(name, value, arguments, in: run) }
        if ofSequences.contains(name) { return try sequenceFilter(name, value, arguments, in: run) }
        if ofValues.contains(name) { return try valueFilter(name, value, arguments, in: run) }
        if unsupported.contains(name) { throw .evaluation("the filter \(PythonText.repr(name)) is not supported in chat templates") }
        throw .evaluation("No filter named \(PythonText.repr(name)).")
    }

    // MARK: Values

    private static func valueFilter(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        switch name {
        case "default", "d":
            let values = try arguments.bound(to: ["default_value", "boolean"], of: "do_default")
            return value.isUndefined || (values[1]?.isTrue ?? false && !value.isTrue) ? values[0] ?? .string("") : value
        case "tojson":
            let values = try arguments.bound(to: ["ensure_ascii", "indent", "separators", "sort_keys"], of: "tojson")
            return .string(try JinjaJSON.written(value, values, in: run))
        case "abs":
            if case .undefined(let undefined) = value { throw undefined.error }
            if let integer = value.integer { return integer == .min ? .float(Double(integer).magnitude) : .int(Swift.abs(integer)) }
            guard let number = value.number else { throw .evaluation("bad operand type for abs(): '\(value.typeName)'") }
            return .float(number.magnitude)
        case "attr":
            guard case .string(let name)? = try arguments.bound(to: ["name"], required: 1, of: "do_attr")[0]
            else { return .undefined(name: "") }
            if case .dict(let dict) = value, dict[name.string] != nil, !["get", "items", "keys", "values", "copy"].contains(name.string) {
                return .undefined(JinjaUndefined("'dict object' has no attribute \(PythonText.repr(name))"))
            }
            return try run.attribute(name.string, of: value)
        case "int":
            let values = try arguments.bound(to: ["default", "base"], of: "do_int")
            return integer(value, base: values[1]?.integer ?? 10) ?? values[0] ?? .int(0)
        case "float":
            let otherwise = try arguments.bound(to: ["default"], of: "do_float")[0] ?? .float(0)
            if case .string(let text) = value { return PythonNumber.float(text).map { .float($0) } ?? otherwise }
            return value.number.map { .float($0) } ?? otherwise
        default: return try round(value, arguments)
        }
    }

    private static func integer(_ value: JinjaValue, base: Int) -> JinjaValue? {
        if let integer = value.integer { return .int(integer) }
        if case .string(let text) = value {
            if let integer = PythonNumber.integer(text, base: base) { return .int(integer) }
            return PythonNumber.float(text).flatMap { Int(exactly: $0.rounded(.towardZero)) }.map { .int($0) }
        }
        return value.number.flatMap { Int(exactly: $0.rounded(.towardZero)) }.map { .int($0) }
    }

    private static func round(_ value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        let values = try arguments.bound(to: ["precision", "method"], of: "do_round")
        let method = values[1]?.text.string ?? "common", precision = values[0]?.integer ?? 0
        guard ["common", "ceil", "floor"].contains(method) else { throw .evaluation("method must be common, ceil or floor") }
        if case .undefined(let undefined) = value { throw undefined.error }
        guard let number = value.number else { throw .evaluation("type \(value.typeName) doesn't define __round__ method") }
        if method == "common" {
            if value.integer != nil, precision >= 0 { return value }
            guard number.isFinite, precision < 300, precision > -300 else { return .float(number) }
            if precision >= 0 { return .float(Double(PythonText.fixed(number, digits: precision)) ?? number) }
            let unit = JinjaMath.power(10, Double(-precision))
            let rounded = (number / unit).rounded(.toNearestOrEven) * unit
            return value.integer == nil ? .float(rounded) : Int(exactly: rounded).map { .int($0) } ?? .float(rounded)
        }
        let unit = JinjaMath.power(10, Double(precision))
        let scaled = number * unit
        return .float((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / unit)
    }

    // MARK: Text

    private static func textFilter(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        if name == "safe" {
            var text = value.text
            text.isMarkup = true
            return .string(text)
        }
        let text = value.text
        try run.charge(characters: text.count)
        switch name {
        case "string": return .string(text)
        case "upper": return .string(text.uppercased)
        case "lower": return .string(text.lowercased)
        case "capitalize": return .string(text.capitalized)
        case "title": return .string(text.jinjaTitle)
        case "trim":
            let characters = try arguments.bound(to: ["chars"], of: "do_trim")[0]
            switch characters {
            case nil, .some(.none): return .string(text.trimmed(nil))
            case .string(let set): return .string(text.trimmed(set.scalars))
            default: throw .evaluation("strip arg must be None or str")
            }
        case "replace":
            let values = try arguments.bound(to: ["old", "new", "count"], required: 2, of: "do_replace")
            let plain = JinjaText(units: text.units)
            return .string(try JinjaMethods.replaced(
                plain, values[0]?.text ?? "", with: values[1]?.text ?? "", count: values[2]?.integer ?? -1, in: run))
        case "escape", "e": return .string(JinjaOperators.escaped(text))
        case "forceescape": return .string(JinjaOperators.escaped(JinjaText(units: text.units)))
        case "format":
            guard arguments.positional.isEmpty || arguments.keywords.isEmpty else {
                throw .evaluation("can't handle positional and keyword arguments at the same time")
            }
            if arguments.keywords.isEmpty { return .string(try JinjaFormatting.percent(text, .tuple(arguments.positional), in: run)) }
            let dict = JinjaDict()
            for (key, value) in arguments.keywords { dict.set(.string(key), value) }
            return .string(try JinjaFormatting.percent(text, .dict(dict), in: run))
        case "indent": return .string(try indented(value, arguments, in: run))
        case "center":
            let width = try arguments.bound(to: ["width"], of: "do_center")[0] ?? .int(80)
            return try JinjaMethods.call("center", of: text, JinjaArguments([width]), in: run)
        case "truncate": return .string(try truncated(text, arguments))
        case "wordcount":
            var count = 0, isInside = false
            for index in text.units.indices {
                let isWord = text[index] == 95 || PythonCharacter.isAlphabetic(text[index]) || PythonCharacter.isNumeric(text[index])
                if isWord, !isInside { count += 1 }
                isInside = isWord
            }
            return .int(count)
        default: return .string(urlEncoded(text))
        }
    }

    private static func indented(
        _ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaText {
        let values = try arguments.bound(to: ["width", "first", "blank"], of: "do_indent")
        if case .undefined(let undefined) = value { throw undefined.error }
        guard case .string(let text) = value else {
            throw .evaluation("unsupported operand type(s) for +=: '\(value.typeName)' and 'str'")
        }
        let indent: JinjaText
        switch values[0] {
        case .string(let text)?: indent = text
        case let width:
            guard let count = (width ?? .int(4)).integer else {
                throw .evaluation("can't multiply sequence by non-int of type '\(width?.typeName ?? "")'")
            }
            try run.charge(characters: max(0, count))
            indent = JinjaText(units: [UInt32](repeating: 32, count: max(0, count)))
        }
        let isFirst = values[1]?.isTrue ?? false, isBlank = values[2]?.isTrue ?? false
        var ended = text
        ended.append("\n")
        var units: [UInt32] = isFirst ? indent.units : []
        for (index, line) in JinjaMethods.lines(of: ended).enumerated() {
            try run.charge(characters: indent.count + line.count)
            if index > 0 {
                units.append(10)
                if isBlank || !line.isEmpty { units += indent.units }
            }
            units += line.units
        }
        return JinjaText(units: units, isMarkup: text.isMarkup)
    }

    private static func truncated(_ text: JinjaText, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaText {
        let values = try arguments.bound(to: ["length", "killwords", "end", "leeway"], of: "do_truncate")
        let length = values[0]?.integer ?? 255, end = values[2]?.text ?? "...", leeway = values[3]?.integer ?? 5
        guard length >= end.count else { throw .evaluation("expected length >= \(end.count), got \(length)") }
        guard leeway >= 0 else { throw .evaluation("expected leeway >= 0, got \(leeway)") }
        if text.count <= length &+ leeway { return text }
        var result = text.slice(0..<length - end.count)
        if !(values[1]?.isTrue ?? false), let space = result.rangesFromEnd(of: " ", atMost: 1).first {
            result = result.slice(0..<space.lowerBound)
        }
        result.append(end)
        return result
    }

    private static func urlEncoded(_ text: JinjaText) -> JinjaText {
        var units: [UInt32] = []
        for (index, unit) in text.units.enumerated() {
            let scalar = text[index], origin = unit & ~JinjaText.scalarMask
            let isPlain = scalar < 128
                && (PythonCharacter.isAlphabetic(scalar) || 48...57 ~= scalar || [45, 46, 47, 95, 126].contains(scalar))
            if isPlain { units.append(unit) } else {
                for byte in String(JinjaText.scalar(unit)).utf8 {
                    units += ("%" + PythonText.hex(UInt32(byte), 2).uppercased()).unicodeScalars.map { $0.value | origin }
                }
            }
        }
        return JinjaText(units: units)
    }
}

/// Numbers in text as Python's `int` and `float` read them.
enum PythonNumber {
    /// The text in lower case without white space at its ends, decimal digits of all scripts as those of ASCII.
    private static func asciiDigits(_ text: JinjaText) -> String {
        let trimmed = text.trimmed(nil)
        return trimmed.units.indices.reduce(into: "") { result, index in
            let scalar = JinjaText.scalar(trimmed.units[index])
            let digit = PythonCharacter.isDecimal(scalar.value) ? scalar.properties.numericValue : nil
            result += digit.map { String(Int($0)) } ?? String(scalar)
        }.lowercased()
    }

    static func integer(_ text: JinjaText, base: Int) -> Int? {
        var digits = asciiDigits(text)
        let isNegative = digits.hasPrefix("-")
        if isNegative || digits.hasPrefix("+") { digits.removeFirst() }
        var radix = base
        for (prefix, value) in [("0x", 16), ("0o", 8), ("0b", 2)] where (base == value || base == 0) && digits.hasPrefix(prefix) {
            digits.removeFirst(2)
            radix = value
        }
        guard (2...36).contains(radix == 0 ? 10 : radix), let first = digits.first, first != "_", digits.last != "_",
            !digits.contains("__"),
            !"+-".contains(first)
        else { return nil }
        return Int((isNegative ? "-" : "") + digits.filter { $0 != "_" }, radix: radix == 0 ? 10 : radix)
    }

    static func float(_ text: JinjaText) -> Double? {
        let digits = asciiDigits(text)
        let unsigned = digits.hasPrefix("-") || digits.hasPrefix("+") ? digits.dropFirst() : digits[...]
        switch unsigned {
        case "inf", "infinity": return digits.hasPrefix("-") ? -.infinity : .infinity
        case "nan": return .nan
        default: break
        }
        guard let first = unsigned.first, first == "." || first.isASCII && first.isNumber, !unsigned.contains("x"), !digits.hasSuffix("_"),
            !digits.contains("__")
        else { return nil }
        return Double(digits.filter { $0 != "_" })
    }
}
