/// The methods of Python's `str`.
enum JinjaMethods {
    static let ofStrings: Set<String> = [
        "capitalize", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isdigit", "islower", "isspace", "isupper",
        "join", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit",
        "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
    ]

    static func call(
        _ name: String, of text: JinjaText, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        for value in arguments.positional { run.charge(reading: value) }
        try run.charge(characters: text.count)
        switch name {
        case "upper": return .string(text.uppercased)
        case "lower": return .string(text.lowercased)
        case "capitalize": return .string(text.capitalized)
        case "title": return .string(text.pythonTitle)
        case "strip", "lstrip", "rstrip":
            let characters = try optionalText(arguments, name, 0)
            return .string(text.trimmed(characters?.scalars, left: name != "rstrip", right: name != "lstrip"))
        case "startswith", "endswith": return .bool(try matches(text, arguments, atStart: name == "startswith"))
        case "split", "rsplit": return try split(text, arguments, fromEnd: name == "rsplit", in: run)
        case "splitlines":
            let keepsEnds = try arguments.bound(to: ["keepends"], of: name)[0]?.isTrue ?? false
            return .list(lines(of: text, keepsEnds: keepsEnds).map { .string($0) })
        case "partition", "rpartition": return try partition(text, arguments, fromEnd: name == "rpartition")
        case "replace":
            let values = arguments.positional
            guard values.count >= 2 else { throw .evaluation("replace expected at least 2 arguments, got \(values.count)") }
            let old = try self.text(values[0], name, 1), new = try self.text(values[1], name, 2)
            return .string(try replaced(text, old, with: new, count: try integer(values.count > 2 ? values[2] : nil) ?? -1, in: run))
        case "removeprefix", "removesuffix":
            let part = try self.text(arguments.positional.first ?? .none, name, nil)
            if name == "removeprefix" { return .string(text.hasPrefix(part) ? text.slice(part.count..<text.count) : text) }
            return .string(text.hasSuffix(part) && !part.isEmpty ? text.slice(0..<text.count - part.count) : text)
        case "join":
            let sequence = arguments.positional.first ?? .none
            guard sequence.isIterable else { throw .evaluation("can only join an iterable") }
            let items = try run.iterate(sequence)
            return .string(try joined(items, text, in: run))
        case "find", "rfind", "index", "rindex", "count": return try search(name, text, arguments)
        case "format": return .string(try JinjaFormatting.format(text, arguments, in: run))
        default: return .bool(hasProperty(name, text))
        }
    }

    private static func text(_ value: JinjaValue, _ method: String, _ position: Int?) throws(JinjaError) -> JinjaText {
        guard case .string(let text) = value else {
            if let position { throw .evaluation("\(method)() argument \(position) must be str, not \(value.typeName)") }
            throw .evaluation("\(method)() argument must be str, not \(value.typeName)")
        }
        return text
    }

    private static func optionalText(_ arguments: JinjaArguments, _ method: String, _ index: Int) throws(JinjaError) -> JinjaText? {
        guard arguments.positional.count > index, !arguments.positional[index].isNone else { return nil }
        guard case .string(let text) = arguments.positional[index] else { throw .evaluation("\(method) arg must be None or str") }
        return text
    }

    private static func integer(_ value: JinjaValue?) throws(JinjaError) -> Int? {
        guard let value else { return nil }
        guard let integer = value.integer else { throw .evaluation("'\(value.typeName)' object cannot be interpreted as an integer") }
        return integer
    }

    /// The range that optional start and end arguments select.
    private static func range(_ text: JinjaText, _ arguments: JinjaArguments, from index: Int) throws(JinjaError) -> Range<Int>? {
        func bound(_ index: Int, _ otherwise: Int) throws(JinjaError) -> Int {
            guard arguments.positional.count > index, !arguments.positional[index].isNone else { return otherwise }
            let value = try integer(arguments.positional[index]) ?? otherwise
            return value < 0 ? max(0, value &+ text.count) : value
        }
        let start = try bound(index, 0), end = min(try bound(index + 1, text.count), text.count)
        return start <= end ? start..<end : nil
    }

    private static func matches(_ text: JinjaText, _ arguments: JinjaArguments, atStart: Bool) throws(JinjaError) -> Bool {
        let method = atStart ? "startswith" : "endswith"
        guard let first = arguments.positional.first else { throw .evaluation("\(method)() takes at least 1 argument (0 given)") }
        guard let range = try range(text, arguments, from: 1) else { return false }
        let part = text.slice(range)
        func matches(_ value: JinjaValue) throws(JinjaError) -> Bool {
            guard case .string(let affix) = value else {
                throw .evaluation("\(method) first arg must be str or a tuple of str, not \(first.typeName)")
            }
            return atStart ? part.hasPrefix(affix) : part.hasSuffix(affix)
        }
        guard case .sequence(let sequence) = first, sequence.kind == .tuple else { return try matches(first) }
        for item in sequence.items where try matches(item) { return true }
        return false
    }

    private static func split(
        _ text: JinjaText, _ arguments: JinjaArguments, fromEnd: Bool, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        let values = try arguments.bound(to: ["sep", "maxsplit"], of: fromEnd ? "rsplit" : "split")
        let limit = try integer(values[1]) ?? -1, most = limit < 0 ? Int.max : limit
        var parts: [JinjaText] = []
        switch values[0] {
        case nil, .some(.none): parts = words(of: text, atMost: most, fromEnd: fromEnd)
        case .string(let separator):
            guard !separator.isEmpty else { throw .evaluation("empty separator") }
            let ranges = fromEnd
                ? Array(text.rangesFromEnd(of: separator, atMost: most).reversed()) : text.ranges(of: separator, atMost: most)
            var start = 0
            for range in ranges {
                parts.append(text.slice(start..<range.lowerBound))
                start = range.upperBound
            }
            parts.append(text.slice(start..<text.count))
        case .undefined(let undefined): throw undefined.error
        case let other?: throw .evaluation("must be str or None, not \(other.typeName)")
        }
        try run.charge(elements: 4 * parts.count)
        return .list(parts.map { .string($0) })
    }

    /// The text split at runs of white space.
    private static func words(of text: JinjaText, atMost limit: Int, fromEnd: Bool) -> [JinjaText] {
        var ranges: [Range<Int>] = []
        var index = 0
        while index < text.count {
            if PythonCharacter.isSpace(text[index]) {
                index += 1
                continue
            }
            let start = index
            while index < text.count, !PythonCharacter.isSpace(text[index]) { index += 1 }
            ranges.append(start..<index)
        }
        guard ranges.count > limit else { return ranges.map { text.slice($0) } }
        if fromEnd {
            let kept = ranges.suffix(limit)
            let end = ranges[ranges.count - 1 - limit].upperBound
            return [text.slice(0..<end)] + kept.map { text.slice($0) }
        }
        return ranges.prefix(limit).map { text.slice($0) } + [text.slice(ranges[limit].lowerBound..<text.count)]
    }

    static func lines(of text: JinjaText, keepsEnds: Bool = false) -> [JinjaText] {
        var lines: [JinjaText] = [], start = 0, index = 0
        while index < text.count {
            guard PythonCharacter.isLineEnd(text[index]) else {
                index += 1
                continue
            }
            let end = index
            index += text[index] == 13 && index + 1 < text.count && text[index + 1] == 10 ? 2 : 1
            lines.append(text.slice(start..<(keepsEnds ? index : end)))
            start = index
        }
        if start < text.count { lines.append(text.slice(start..<text.count)) }
        return lines
    }

    private static func partition(_ text: JinjaText, _ arguments: JinjaArguments, fromEnd: Bool) throws(JinjaError) -> JinjaValue {
        guard case .string(let separator)? = arguments.positional.first else {
            throw .evaluation("must be str, not \(arguments.positional.first?.typeName ?? "NoneType")")
        }
        guard !separator.isEmpty else { throw .evaluation("empty separator") }
        guard let range = fromEnd ? text.rangesFromEnd(of: separator, atMost: 1).first : text.firstRange(of: separator) else {
            return .tuple(fromEnd ? [.string(""), .string(""), .string(text)] : [.string(text), .string(""), .string("")])
        }
        return .tuple([
            .string(text.slice(0..<range.lowerBound)), .string(text.slice(range)), .string(text.slice(range.upperBound..<text.count)),
        ])
    }

    /// - Parameter count: the largest number of replacements; below 0, all.
    static func replaced(
        _ text: JinjaText, _ old: JinjaText, with new: JinjaText, count: Int, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaText {
        let limit = count < 0 ? Int.max : count
        let ranges = old.isEmpty ? (0...text.count).prefix(limit).map { $0..<$0 } : text.ranges(of: old, atMost: limit)
        if ranges.isEmpty { return text }
        let (added, overflow) = ranges.count.multipliedReportingOverflow(by: new.count)
        try run.charge(characters: overflow ? .max : added)
        var units: [UInt32] = [], start = 0
        for range in ranges {
            units += text.units[start..<range.lowerBound]
            units += new.units
            start = range.upperBound
        }
        units += text.units[start...]
        return JinjaText(units: units, isMarkup: text.isMarkup)
    }

    static func joined(_ items: [JinjaValue], _ separator: JinjaText, in run: JinjaInterpreter) throws(JinjaError) -> JinjaText {
        var result = JinjaText(units: [], isMarkup: separator.isMarkup)
        for (index, item) in items.enumerated() {
            guard case .string(let text) = item else {
                throw .evaluation("sequence item \(index): expected str instance, \(item.typeName) found")
            }
            try run.charge(characters: text.count + separator.count)
            if index > 0 { result.append(separator) }
            result.append(text)
        }
        return result
    }

    private static func search(_ name: String, _ text: JinjaText, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        guard let first = arguments.positional.first else { throw .evaluation("\(name)() takes at least 1 argument (0 given)") }
        guard case .string(let part) = first else { throw .evaluation("must be str, not \(first.typeName)") }
        let range = try range(text, arguments, from: 1)
        if name == "count" {
            guard let range else { return .int(0) }
            return .int(part.isEmpty ? range.count + 1 : text.slice(range).ranges(of: part).count)
        }
        var found: Int?
        if let range {
            let inside = text.slice(range)
            let match = name.hasPrefix("r")
                ? part.isEmpty ? inside.count..<inside.count : inside.rangesFromEnd(of: part, atMost: 1).first
                : inside.firstRange(of: part)
            found = match.map { $0.lowerBound + range.lowerBound }
        }
        if found == nil, name.hasSuffix("index") { throw .evaluation("substring not found") }
        return .int(found ?? -1)
    }

    static func hasProperty(_ name: String, _ text: JinjaText) -> Bool {
        func all(_ test: (UInt32) -> Bool) -> Bool { !text.isEmpty && text.units.indices.allSatisfy { test(text[$0]) } }
        func isCase(_ wanted: (UInt32) -> Bool, not unwanted: (UInt32) -> Bool) -> Bool {
            text.units.indices.contains { wanted(text[$0]) } && !text.units.indices.contains { unwanted(text[$0]) }
        }
        switch name {
        case "isalnum": return all { PythonCharacter.isAlphabetic($0) || PythonCharacter.isNumeric($0) }
        case "isalpha": return all(PythonCharacter.isAlphabetic)
        case "isdigit": return all(PythonCharacter.isDigit)
        case "isspace": return all(PythonCharacter.isSpace)
        case "islower": return isCase(PythonCharacter.isLower) { PythonCharacter.isUpper($0) || PythonCharacter.isTitle($0) }
        default: return isCase(PythonCharacter.isUpper) { PythonCharacter.isLower($0) || PythonCharacter.isTitle($0) }
        }
    }
}
