/// The filters of Jinja: `value | name(arguments)`.
enum JinjaFilter {
    private static let ofText: Set<String> = [
        "capitalize", "e", "escape", "format", "indent", "lower", "replace", "safe", "string", "title", "trim", "upper",
    ]
    private static let ofSequences: Set<String> = [
        "count", "dictsort", "first", "items", "join", "last", "length", "list", "map", "max", "min", "reject", "rejectattr", "reverse",
        "select", "selectattr", "sort", "unique",
    ]
    private static let ofValues: Set<String> = ["abs", "d", "default", "float", "int", "round", "tojson"]
    /// Filters of Jinja that no chat template has a use for.
    private static let unsupported: Set<String> = [
        "attr", "batch", "center", "filesizeformat", "forceescape", "groupby", "pprint", "random", "slice", "striptags", "sum",
        "truncate", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr",
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
        case "format":
            guard arguments.keywords.isEmpty else { throw .evaluation("named values of 'format' are not supported in chat templates") }
            return .string(try JinjaFormatting.percent(text, .tuple(arguments.positional), in: run))
        default: return .string(try indented(value, arguments, in: run))
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
