/// Python's `str.format` and `%` on strings, as far as chat templates use them: `'{}'.format(x)`, `'%02d' % x`.
enum JinjaFormatting {
    /// `str.format` with the fields `{}`, `{0}` and `{name}`.
    static func format(_ text: JinjaText, _ arguments: JinjaArguments, in run: JinjaInterpreter) throws(JinjaError) -> JinjaText {
        let open: UInt32 = 123, close: UInt32 = 125
        var units: [UInt32] = [], index = 0, nextField = 0
        while index < text.count {
            let scalar = text[index]
            let isDoubled = index + 1 < text.count && text[index + 1] == scalar
            guard scalar == open || scalar == close, !isDoubled else {
                units.append(text.units[index])
                index += scalar == open || scalar == close ? 2 : 1
                continue
            }
            if scalar == close { throw .evaluation("Single '}' encountered in format string") }
            guard let end = text.units.indices[index...].first(where: { text[$0] == close }) else {
                throw .evaluation(index + 1 == text.count ? "Single '{' encountered in format string" : "expected '}' before end of string")
            }
            let name = text.slice(index + 1..<end).string
            if let other = name.first(where: { ":!.[{".contains($0) }) {
                throw .evaluation("'\(other)' in a field of str.format is not supported in chat templates")
            }
            let value: JinjaValue
            if name.isEmpty || Int(name) != nil {
                let position = Int(name) ?? nextField
                if name.isEmpty { nextField += 1 }
                guard arguments.positional.indices.contains(position) else { throw .evaluation("tuple index out of range") }
                value = arguments.positional[position]
            } else {
                guard let argument = arguments.keywords.first(where: { $0.name == name }) else { throw .evaluation(PythonText.repr(name)) }
                value = argument.value
            }
            try run.charge(characters: value.text.count)
            units += value.text.units
            index = end + 1
        }
        return JinjaText(units: units, isMarkup: text.isMarkup)
    }

    /// `%` with `%s`, `%r`, `%d`, `%f` and `%%`, whose flags are `-`, `0`, a width and digits after the point.
    static func percent(_ format: JinjaText, _ value: JinjaValue, in run: JinjaInterpreter) throws(JinjaError) -> JinjaText {
        var values: [JinjaValue] = [value]
        if case .sequence(let sequence) = value, sequence.kind == .tuple { values = sequence.items }
        let percent: UInt32 = 37
        var units: [UInt32] = [], index = 0, used = 0
        while index < format.count {
            guard format[index] == percent else {
                units.append(format.units[index])
                index += 1
                continue
            }
            index += 1
            var flags = ""
            while index < format.count, let flag = Unicode.Scalar(format[index]).map(Character.init), "-0123456789.".contains(flag) {
                flags.append(flag)
                index += 1
            }
            guard index < format.count else { throw .evaluation("incomplete format") }
            let type = Character(JinjaText.scalar(format.units[index]))
            index += 1
            if type == "%" {
                units.append(percent)
                continue
            }
            guard used < values.count else { throw .evaluation("not enough arguments for format string") }
            let text = try converted(values[used], type, flags, in: run)
            used += 1
            try run.charge(characters: text.count)
            units += text.units
        }
        // One value that is a list or dict need not be used.
        guard used == values.count || values.count == 1 && value.isContainer else {
            throw .evaluation("not all arguments converted during string formatting")
        }
        return JinjaText(units: units, isMarkup: format.isMarkup)
    }

    private static func converted(
        _ value: JinjaValue, _ type: Character, _ flags: String, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaText {
        let parts = flags.drop { $0 == "-" || $0 == "0" }.split(separator: ".", omittingEmptySubsequences: false)
        let width = Int(parts.first ?? "") ?? 0, digits = parts.count > 1 ? Int(parts[1]) ?? 0 : nil
        try run.charge(characters: max(width, digits ?? 0))
        var text: JinjaText
        switch type {
        case "s", "r":
            text = type == "s" ? value.text : value.representation
            if let digits { text = text.slice(0..<min(digits, text.count)) }
        case "d":
            guard let number = value.number, let integer = value.integer ?? Int(exactly: number.rounded(.towardZero)) else {
                throw .evaluation("%d format: a real number is required, not \(value.typeName)")
            }
            text = JinjaText(String(integer))
        case "f":
            guard let number = value.number else { throw .evaluation("must be real number, not \(value.typeName)") }
            text = JinjaText(PythonText.fixed(number, digits: digits ?? 6))
        default: throw .evaluation("the format '%\(type)' is not supported in chat templates")
        }
        let missing = width - min(width, text.count)
        if flags.hasPrefix("-") { return JinjaText(units: text.units + [UInt32](repeating: 32, count: missing)) }
        guard flags.hasPrefix("0"), type == "d" || type == "f" else {
            return JinjaText(units: [UInt32](repeating: 32, count: missing) + text.units)
        }
        let sign = text.count > 0 && text[0] == 45 ? 1 : 0
        return JinjaText(units: text.units.prefix(sign) + [UInt32](repeating: 48, count: missing) + text.units.dropFirst(sign))
    }
}

extension JinjaValue {
    fileprivate var isContainer: Bool {
        switch self {
        case .dict, .sequence: true
        default: false
        }
    }
}
