import Glibc

/// Values as Python's `str` and `repr` write them.
enum PythonText {
    static func repr(_ text: String) -> String { repr(JinjaText(text)) }

    static func repr(_ text: JinjaText) -> String { quoted(text).string }

    /// A string literal. Characters keep their origins.
    static func quoted(_ text: JinjaText) -> JinjaText {
        let hasSingle = text.units.contains { $0 & JinjaText.scalarMask == 39 }
        let hasDouble = text.units.contains { $0 & JinjaText.scalarMask == 34 }
        let quote: UInt32 = hasSingle && !hasDouble ? 34 : 39
        var result: [UInt32] = [quote]
        for (index, unit) in text.units.enumerated() {
            let scalar = text[index]
            func escape(_ string: String) { result += string.unicodeScalars.map { $0.value | (unit & ~JinjaText.scalarMask) } }
            switch scalar {
            case 92: escape(#"\\"#)
            case quote: escape("\\" + String(JinjaText.scalar(quote)))
            case 10: escape(#"\n"#)
            case 13: escape(#"\r"#)
            case 9: escape(#"\t"#)
            case _ where PythonCharacter.isPrintable(scalar): result.append(unit)
            case ..<256: escape(#"\x"# + hex(scalar, 2))
            case ..<65_536: escape(#"\u"# + hex(scalar, 4))
            default: escape(#"\U"# + hex(scalar, 8))
            }
        }
        return JinjaText(units: result + [quote])
    }

    static func hex(_ value: UInt32, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// The shortest digits that give the number back, in Python's format.
    static func float(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let (digits, point) = shortestDigits(value.magnitude)
        let sign = value.sign == .minus ? "-" : ""
        if point > 16 || point < -3 {
            let exponent = point - 1
            let text = String(exponent.magnitude)
            let mantissa = digits.count == 1 ? digits : digits.prefix(1) + "." + digits.dropFirst()
            return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + (text.count < 2 ? "0" : "") + text
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if digits.count <= point { return sign + digits + String(repeating: "0", count: point - digits.count) + ".0" }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }

    /// The digits without zeros at the ends, and the position of the decimal point among them.
    static func shortestDigits(_ value: Double) -> (digits: String, point: Int) {
        let parts = value.description.split(separator: "e")
        let number = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var digits = String(number[0]) + (number.count > 1 ? number[1] : "")
        var point = number[0].count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while digits.count > 1, digits.hasPrefix("0") {
            digits.removeFirst()
            point -= 1
        }
        while digits.count > 1, digits.hasSuffix("0") { digits.removeLast() }
        return digits == "0" ? ("0", 1) : (digits, point)
    }

    /// The decimal expansion with a number of digits after the point, correctly rounded.
    static func fixed(_ value: Double, digits: Int) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let capacity = 320 + digits
        var text = [CChar](repeating: 0, count: capacity)
        let count = unsafe withVaList([Int32(digits), value]) { arguments in unsafe vsnprintf(&text, capacity, "%.*f", arguments) }
        return String(decoding: text[..<Int(count)].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension JinjaValue {
    /// Python's `str(value)`.
    var text: JinjaText {
        switch self {
        case .string(let text): return text
        case .undefined: return JinjaText(units: [])
        default: return representation
        }
    }

    /// Python's `repr(value)`.
    var representation: JinjaText {
        switch self {
        case .none: return "None"
        case .undefined: return "Undefined"
        case .bool(let value): return value ? "True" : "False"
        case .int(let value): return JinjaText(String(value))
        case .float(let value): return JinjaText(PythonText.float(value))
        case .string(let text):
            let quoted = PythonText.quoted(text)
            return text.isMarkup ? JinjaText(units: JinjaText("Markup(").units + quoted.units + [41]) : quoted
        case .sequence(let sequence): return Self.representation(of: sequence)
        case .dict(let dict):
            var units: [UInt32] = [123]
            for (index, entry) in dict.entries.enumerated() {
                if index > 0 { units += [44, 32] }
                units += entry.key.representation.units + [58, 32] + entry.value.representation.units
            }
            return JinjaText(units: units + [125])
        case .namespace(let namespace):
            // The values of a namespace may contain it.
            return JinjaText("<Namespace {" + namespace.names.map { PythonText.repr($0) + ": …" }.joined(separator: ", ") + "}>")
        case .function(let function):
            guard case .macro(let macro) = function.kind else { return JinjaText("<\(function.typeName)>") }
            return JinjaText("<Macro \(macro.definition.name.map { PythonText.repr($0) } ?? "anonymous")>")
        case .loop(let loop): return JinjaText("<LoopContext \(loop.index + 1)>")
        }
    }

    private static func representation(of sequence: JinjaSequence) -> JinjaText {
        func joined(_ open: UInt32, _ close: UInt32) -> JinjaText {
            var units = [open]
            for (index, item) in sequence.items.enumerated() {
                if index > 0 { units += [44, 32] }
                units += item.representation.units
            }
            if open == 40, sequence.items.count == 1 { units.append(44) }
            return JinjaText(units: units + [close])
        }
        switch sequence.kind {
        case .list: return joined(91, 93)
        case .tuple: return joined(40, 41)
        case .keys, .values, .items:
            return JinjaText(units: JinjaText(sequence.kind.rawValue + "(").units + joined(91, 93).units + [41])
        case .range:
            let first = sequence.items.first?.integer ?? 0, last = sequence.items.last?.integer ?? -1
            return JinjaText("range(\(first), \(last + 1))")
        case .generator, .reverseIterator: return JinjaText("<\(sequence.kind.rawValue) object>")
        }
    }
}
