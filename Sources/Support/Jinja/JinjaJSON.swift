/// JSON as Python's `json.dumps` writes it, with the arguments of transformers' `tojson` filter.
struct JinjaJSON {
    private let ensuresASCII: Bool
    private let indent: JinjaText?
    private let itemSeparator: JinjaText
    private let keySeparator: JinjaText
    private let sortsKeys: Bool
    private let run: JinjaInterpreter
    private var units: [UInt32] = []

    /// - Parameter arguments: `ensure_ascii`, `indent`, `separators` and `sort_keys`.
    static func written(_ value: JinjaValue, _ arguments: [JinjaValue?], in run: JinjaInterpreter) throws(JinjaError) -> JinjaText {
        var writer = try JinjaJSON(arguments, run)
        try writer.write(value, level: 0)
        return JinjaText(units: writer.units)
    }

    private init(_ arguments: [JinjaValue?], _ run: JinjaInterpreter) throws(JinjaError) {
        self.run = run
        ensuresASCII = arguments[0]?.isTrue ?? false
        sortsKeys = arguments[3]?.isTrue ?? false
        switch arguments[1] {
        case nil, .some(.none): indent = nil
        case .string(let text)?: indent = text
        case let width?:
            guard let count = width.integer else { throw .evaluation("can't multiply sequence by non-int of type '\(width.typeName)'") }
            try run.charge(characters: max(0, count))
            indent = JinjaText(units: [UInt32](repeating: 32, count: max(0, count)))
        }
        switch arguments[2] {
        case nil, .some(.none):
            itemSeparator = indent == nil ? ", " : ","
            keySeparator = ": "
        case let separators?:
            let parts = try run.iterate(separators)
            guard parts.count == 2, case .string(let item) = parts[0], case .string(let key) = parts[1] else {
                throw .evaluation("the separators of tojson are a pair of strings")
            }
            itemSeparator = item
            keySeparator = key
        }
    }

    private mutating func write(_ value: JinjaValue, level: Int) throws(JinjaError) {
        switch value {
        case .none: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .int(let value): append(String(value))
        case .float(let value): append(Self.float(value))
        case .string(let text): try write(text)
        case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
            try writeContainer(91, 93, sequence.items.count, level) { (writer, index) throws(JinjaError) in
                try writer.write(sequence.items[index], level: level + 1)
            }
        case .dict(let dict):
            let entries = sortsKeys ? try sorted(dict) : dict.entries
            try writeContainer(123, 125, entries.count, level) { (writer, index) throws(JinjaError) in
                try writer.write(try Self.key(entries[index].key))
                writer.units += writer.keySeparator.units
                try writer.write(entries[index].value, level: level + 1)
            }
        default: throw .evaluation("Object of type \(value.typeName) is not JSON serializable")
        }
    }

    private mutating func writeContainer(
        _ open: UInt32, _ close: UInt32, _ count: Int, _ level: Int, _ item: (inout JinjaJSON, Int) throws(JinjaError) -> Void
    ) throws(JinjaError) {
        units.append(open)
        for index in 0..<count {
            try run.charge(steps: 1)
            if index > 0 { units += itemSeparator.units }
            try startLine(level + 1)
            try item(&self, index)
        }
        if count > 0 { try startLine(level) }
        units.append(close)
    }

    private mutating func startLine(_ level: Int) throws(JinjaError) {
        guard let indent else { return }
        try run.charge(characters: indent.count * level + 1)
        units.append(10)
        for _ in 0..<level { units += indent.units }
    }

    private mutating func append(_ text: String) { units += text.unicodeScalars.map(\.value) }

    private static func float(_ value: Double) -> String {
        value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : PythonText.float(value)
    }

    private static func key(_ value: JinjaValue) throws(JinjaError) -> JinjaText {
        switch value {
        case .string(let text): return text
        case .none: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .int(let value): return JinjaText(String(value))
        case .float(let value): return JinjaText(float(value))
        default: throw .evaluation("keys must be str, int, float, bool or None, not \(value.typeName)")
        }
    }

    private func sorted(_ dict: JinjaDict) throws(JinjaError) -> [(key: JinjaValue, value: JinjaValue)] {
        var entries = dict.entries
        for index in entries.indices.dropFirst() {
            _ = try JinjaOperators.isOrdered(entries[index].key, entries[index - 1].key, "<")
        }
        // Keys of one kind: each pair that a sort compares can be compared.
        let allText = entries.allSatisfy { if case .string = $0.key { true } else { false } }
        guard allText || entries.allSatisfy({ $0.key.number != nil }) || entries.count < 2 else {
            throw .evaluation("'<' not supported between instances of keys of different types")
        }
        entries.sort { a, b in
            if case .string(let a) = a.key, case .string(let b) = b.key { return a < b }
            return (a.key.number ?? 0) < (b.key.number ?? 0)
        }
        return entries
    }

    private mutating func write(_ text: JinjaText) throws(JinjaError) {
        try run.charge(characters: text.count)
        units.append(34)
        for (index, unit) in text.units.enumerated() {
            let scalar = text[index], origin = unit & ~JinjaText.scalarMask
            func escape(_ string: String) { units += string.unicodeScalars.map { $0.value | origin } }
            switch scalar {
            case 34: escape(#"\""#)
            case 92: escape(#"\\"#)
            case 10: escape(#"\n"#)
            case 13: escape(#"\r"#)
            case 9: escape(#"\t"#)
            case 12: escape(#"\f"#)
            case 8: escape(#"\b"#)
            case ..<32: escape(#"\u"# + PythonText.hex(scalar, 4))
            case 128... where ensuresASCII:
                if scalar < 0x10000 { escape(#"\u"# + PythonText.hex(scalar, 4)) } else {
                    let offset = scalar - 0x10000
                    escape(#"\u"# + PythonText.hex(0xD800 + (offset >> 10), 4) + #"\u"# + PythonText.hex(0xDC00 + (offset & 0x3FF), 4))
                }
            default: units.append(unit)
            }
        }
        units.append(34)
    }
}
