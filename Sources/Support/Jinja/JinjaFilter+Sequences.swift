extension JinjaFilter {
    static func sequenceFilter(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        switch name {
        case "length", "count": return .int(try length(value))
        case "first":
            let items = try run.iterate(value)
            return items.first ?? .undefined(JinjaUndefined("No first item, sequence was empty."))
        case "last":
            if case .sequence(let sequence) = value, sequence.kind.isIterator {
                throw .evaluation("'\(value.typeName)' object is not reversible")
            }
            if !value.isIterable { throw .evaluation("'\(value.typeName)' object is not reversible") }
            return try run.iterate(value).last ?? .undefined(JinjaUndefined("No last item, sequence was empty."))
        case "list": return .list(try run.iterate(value))
        case "items":
            if value.isUndefined { return .generator([]) }
            guard case .dict(let dict) = value else { throw .evaluation("Can only get item pairs from a mapping.") }
            return .generator(dict.entries.map { .tuple([$0.key, $0.value]) })
        case "reverse":
            if case .string(let text) = value { return .string(JinjaText(units: text.units.reversed(), isMarkup: text.isMarkup)) }
            guard value.isIterable else { throw .evaluation("argument must be iterable") }
            return .sequence(JinjaSequence(.reverseIterator, try run.iterate(value).reversed()))
        case "join":
            let values = try arguments.bound(to: ["d", "attribute"], of: "do_join")
            let items = try mapped(try run.iterate(value), attribute: values[1], in: run)
            let separator = JinjaText(units: (values[0]?.text ?? "").units)
            return .string(try JinjaMethods.joined(items.map { .string($0.text) }, separator, in: run))
        case "map": return .generator(try map(value, arguments, in: run))
        case "select", "reject", "selectattr", "rejectattr": return .generator(try select(name, value, arguments, in: run))
        case "sort", "min", "max", "unique": return try ordered(name, value, arguments, in: run)
        default: return try dictsort(value, arguments, in: run)
        }
    }

    static func length(_ value: JinjaValue) throws(JinjaError) -> Int {
        switch value {
        case .string(let text): return text.count
        case .dict(let dict): return dict.entries.count
        case .undefined: return 0
        case .loop(let loop): return try loop.attribute("length")?.integer ?? 0
        case .sequence(let sequence) where !sequence.kind.isIterator: return sequence.items.count
        default: throw .evaluation("object of type '\(value.typeName)' has no len()")
        }
    }

    /// The value at a path like `function.name` or `0.id`.
    ///
    /// - Parameter otherwise: stands for each part that is undefined.
    private static func value(
        at path: JinjaValue, of item: JinjaValue, default otherwise: JinjaValue? = nil, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        func defined(_ value: JinjaValue) -> JinjaValue { value.isUndefined ? otherwise ?? value : value }
        guard case .string(let text) = path else { return defined(try run.item(path, of: item)) }
        var value = item
        for part in text.string.split(separator: ".", omittingEmptySubsequences: false) {
            try run.charge(steps: 1)
            let isIndex = !part.isEmpty && part.unicodeScalars.allSatisfy { PythonCharacter.isDigit($0.value) }
            value = defined(try run.item(isIndex ? Int(part).map { .int($0) } ?? .string(String(part)) : .string(String(part)), of: value))
        }
        return value
    }

    private static func mapped(_ items: [JinjaValue], attribute: JinjaValue?, in run: JinjaInterpreter) throws(JinjaError) -> [JinjaValue] {
        guard let attribute, !attribute.isNone else { return items }
        return try items.map { (item) throws(JinjaError) in try value(at: attribute, of: item, in: run) }
    }

    private static func map(_ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter) throws(JinjaError) -> [JinjaValue] {
        // An empty sequence maps to nothing before Jinja looks at the arguments.
        guard value.isTrue else { return [] }
        let items = try run.iterate(value)
        if arguments.positional.isEmpty, let attribute = arguments.keywords.first(where: { $0.name == "attribute" })?.value {
            let otherwise = arguments.keywords.first { $0.name == "default" }?.value
            if let other = arguments.keywords.first(where: { $0.name != "attribute" && $0.name != "default" }) {
                throw .evaluation("Unexpected keyword argument \(PythonText.repr(other.name))")
            }
            return try items.map { (item) throws(JinjaError) in
                try self.value(at: attribute, of: item, default: otherwise.flatMap { $0.isNone ? nil : $0 }, in: run)
            }
        }
        guard case .string(let name)? = arguments.positional.first else { throw .evaluation("map requires a filter argument") }
        let rest = JinjaArguments(Array(arguments.positional.dropFirst()), keywords: arguments.keywords)
        return try items.map { (item) throws(JinjaError) in
            try run.charge(steps: 1)
            run.charge(reading: item)
            return try run.admit(try apply(name.string, to: item, rest, in: run))
        }
    }

    private static func select(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> [JinjaValue] {
        guard value.isTrue else { return [] }
        var rest = arguments.positional
        var attribute: JinjaValue?
        if name.hasSuffix("attr") {
            guard let first = rest.first else { throw .evaluation("Missing parameter for attribute name") }
            attribute = first
            rest.removeFirst()
        }
        let isReject = name.hasPrefix("reject")
        var kept: [JinjaValue] = []
        for item in try run.iterate(value) {
            try run.charge(steps: 1)
            let tested = try attribute.map { (path) throws(JinjaError) in try self.value(at: path, of: item, in: run) } ?? item
            let holds: Bool
            if let test = rest.first {
                let others = JinjaArguments(Array(rest.dropFirst()), keywords: arguments.keywords)
                holds = try JinjaTest.evaluate(test.text.string, tested, others, in: run)
            } else {
                holds = tested.isTrue
            }
            if holds != isReject { kept.append(item) }
        }
        return kept
    }

    // MARK: Order

    private static func sortKey(_ value: JinjaValue, caseSensitive: Bool) -> JinjaValue {
        if !caseSensitive, case .string(let text) = value { return .string(text.lowercased) }
        return value
    }

    /// Sorts by keys, stable. Merges, because a comparison can throw.
    private static func sorted(
        _ items: [(key: JinjaValue, value: JinjaValue)], in run: JinjaInterpreter, isReversed: Bool = false
    ) throws(JinjaError) -> [(key: JinjaValue, value: JinjaValue)] {
        guard items.count > 1 else { return items }
        let middle = items.count / 2
        let left = try sorted(Array(items[..<middle]), in: run, isReversed: isReversed)
        let right = try sorted(Array(items[middle...]), in: run, isReversed: isReversed)
        try run.charge(elements: items.count)
        var merged: [(key: JinjaValue, value: JinjaValue)] = [], i = 0, j = 0
        while i < left.count, j < right.count {
            run.charge(reading: left[i].key)
            try run.charge(steps: 1)
            let takesRight = isReversed
                ? try JinjaOperators.isOrdered(left[i].key, right[j].key, "<")
                : try JinjaOperators.isOrdered(right[j].key, left[i].key, "<")
            if takesRight {
                merged.append(right[j])
                j += 1
            } else {
                merged.append(left[i])
                i += 1
            }
        }
        return merged + left[i...] + right[j...]
    }

    private static func keyed(
        _ items: [JinjaValue], _ attribute: JinjaValue?, caseSensitive: Bool, in run: JinjaInterpreter
    ) throws(JinjaError) -> [(key: JinjaValue, value: JinjaValue)] {
        try items.map { (item) throws(JinjaError) in
            let path = attribute ?? .none
            let value = path.isNone ? item : try self.value(at: path, of: item, in: run)
            run.charge(reading: value)
            return (sortKey(value, caseSensitive: caseSensitive), item)
        }
    }

    private static func ordered(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        var parameters = ["case_sensitive", "attribute"]
        if name == "sort" { parameters.insert("reverse", at: 0) }
        var values = try arguments.bound(to: parameters, of: "do_\(name)")
        let isReversed = name == "sort" ? values.removeFirst()?.isTrue ?? false : false
        let caseSensitive = values[0]?.isTrue ?? false
        let items = try run.iterate(value)
        if name == "sort", case .string(let paths)? = values[1], paths.scalars.contains(44) {
            // Several attributes: sorted by the list of their values.
            let parts = paths.string.split(separator: ",", omittingEmptySubsequences: false).map { JinjaValue.string(String($0)) }
            let keyed = try items.map { (item) throws(JinjaError) -> (key: JinjaValue, value: JinjaValue) in
                let keys = try parts.map { (path) throws(JinjaError) in
                    sortKey(try self.value(at: path, of: item, in: run), caseSensitive: caseSensitive)
                }
                return (.list(keys), item)
            }
            return .list(try sorted(keyed, in: run, isReversed: isReversed).map(\.value))
        }
        let keyed = try keyed(items, values[1], caseSensitive: caseSensitive, in: run)
        switch name {
        case "sort": return .list(try sorted(keyed, in: run, isReversed: isReversed).map(\.value))
        case "unique":
            var seen: Set<JinjaValue> = [], kept: [JinjaValue] = []
            for (key, value) in keyed {
                guard key.isHashable else { throw .evaluation("unhashable type: '\(key.typeName)'") }
                if seen.insert(key).inserted { kept.append(value) }
            }
            return .generator(kept)
        default:
            guard var best = keyed.first else { return .undefined(JinjaUndefined("No aggregated item, sequence was empty.")) }
            let symbol = name == "min" ? "<" : ">"
            for entry in keyed.dropFirst() where try JinjaOperators.isOrdered(entry.key, best.key, symbol) { best = entry }
            return best.value
        }
    }

    private static func dictsort(
        _ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> JinjaValue {
        let values = try arguments.bound(to: ["case_sensitive", "by", "reverse"], of: "do_dictsort")
        let by = values[1]?.text.string ?? "key"
        guard by == "key" || by == "value" else { throw .evaluation("You can only sort by either \"key\" or \"value\"") }
        if case .undefined(let undefined) = value { throw undefined.error }
        guard case .dict(let dict) = value else {
            throw .evaluation("\(PythonText.repr(value.typeName)) object has no attribute 'items'")
        }
        let caseSensitive = values[0]?.isTrue ?? false
        let keyed = dict.entries.map { entry in
            let key = sortKey(by == "key" ? entry.key : entry.value, caseSensitive: caseSensitive)
            return (key: key, value: JinjaValue.tuple([entry.key, entry.value]))
        }
        return .list(try sorted(keyed, in: run, isReversed: values[2]?.isTrue ?? false).map(\.value))
    }
}
