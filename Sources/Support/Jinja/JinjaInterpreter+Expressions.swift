extension JinjaInterpreter {
    func evaluate(_ expression: JinjaExpression, in scope: JinjaScope) throws(JinjaError) -> JinjaValue {
        try descend(line: expression.line)
        defer { ascend() }
        switch expression.kind {
        case .none: return .none
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .float(let value): return .float(value)
        case .string(let text): return .string(text)
        case .name(let name): return scope[name] ?? .undefined(name: name)
        case .not(let operand): return .bool(try !evaluate(operand, in: scope).isTrue)
        case .and(let a, let b):
            let first = try evaluate(a, in: scope)
            return first.isTrue ? try evaluate(b, in: scope) : first
        case .or(let a, let b):
            let first = try evaluate(a, in: scope)
            return first.isTrue ? first : try evaluate(b, in: scope)
        case .conditional(let test, let then, let otherwise):
            if try evaluate(test, in: scope).isTrue { return try evaluate(then, in: scope) }
            if let otherwise { return try evaluate(otherwise, in: scope) }
            return .undefined(JinjaUndefined(
                "the inline if-expression on line \(expression.line) evaluated to false and no else section was defined."))
        default: return try evaluateOperation(expression, in: scope)
        }
    }

    private func evaluateOperation(_ expression: JinjaExpression, in scope: JinjaScope) throws(JinjaError) -> JinjaValue {
        switch expression.kind {
        case .attribute(let value, let name): return try attribute(name, of: try evaluate(value, in: scope))
        case .item(let value, let key): return try item(key, of: try evaluate(value, in: scope), in: scope)
        case .call(let callee, let arguments):
            let function = try evaluate(callee, in: scope)
            let values = try evaluate(arguments, in: scope)
            return try admit(try call(function, values))
        case .filter(let value, _, _):
            guard let value else { return .none }
            return try evaluateFilter(expression, input: try evaluate(value, in: scope), in: scope)
        case .test(let value, let name, let arguments):
            guard JinjaTest.exists(name) else { throw .evaluation("No test named \(PythonText.repr(name)) found.") }
            let value = try evaluate(value, in: scope)
            return .bool(try JinjaTest.evaluate(name, value, try evaluate(arguments, in: scope), in: self))
        case .binary(let operation, let a, let b):
            let first = try evaluate(a, in: scope), second = try evaluate(b, in: scope)
            return try admit(try JinjaOperators.binary(operation, first, second, in: self))
        case .negative(let operand), .positive(let operand): return try signed(expression, try evaluate(operand, in: scope))
        case .compare(let first, let comparisons): return try compare(first, comparisons, in: scope)
        case .concatenation(let parts): return try concatenate(parts, in: scope)
        default: return try evaluateLiteral(expression, in: scope)
        }
    }

    private func evaluateLiteral(_ expression: JinjaExpression, in scope: JinjaScope) throws(JinjaError) -> JinjaValue {
        switch expression.kind {
        case .list(let items): return try admit(.list(try evaluate(items, in: scope)))
        case .tuple(let items): return try admit(.tuple(try evaluate(items, in: scope)))
        case .dict(let entries):
            let dict = JinjaDict()
            for entry in entries {
                let key = try evaluate(entry.key, in: scope)
                try add(key, try evaluate(entry.value, in: scope), to: dict)
            }
            return try admit(.dict(dict))
        default: return .none
        }
    }

    func add(_ key: JinjaValue, _ value: JinjaValue, to dict: JinjaDict) throws(JinjaError) {
        guard key.isHashable else { throw .evaluation("unhashable type: '\(key.typeName)'") }
        charge(reading: key)
        dict.set(key, value)
    }

    private func evaluate(_ expressions: [JinjaExpression], in scope: JinjaScope) throws(JinjaError) -> [JinjaValue] {
        try expressions.map { (expression) throws(JinjaError) in try evaluate(expression, in: scope) }
    }

    func evaluate(_ arguments: JinjaCallArguments, in scope: JinjaScope) throws(JinjaError) -> JinjaArguments {
        var values = JinjaArguments(try evaluate(arguments.positional, in: scope))
        for (name, value) in arguments.keywords { values.keywords.append((name, try evaluate(value, in: scope))) }
        if let unpacked = arguments.unpacked { values.positional += try iterate(try evaluate(unpacked, in: scope)) }
        if let unpacked = arguments.unpackedKeywords {
            guard case .dict(let dict) = try evaluate(unpacked, in: scope) else {
                throw .evaluation("argument after ** must be a mapping")
            }
            for entry in dict.entries { values.keywords.append((entry.key.text.string, entry.value)) }
        }
        return values
    }

    private func signed(_ expression: JinjaExpression, _ value: JinjaValue) throws(JinjaError) -> JinjaValue {
        var isNegative = false
        if case .negative = expression.kind { isNegative = true }
        if case .undefined(let undefined) = value { throw undefined.error }
        if let integer = value.integer {
            guard integer != .min || !isNegative else { throw .limit("a number does not fit in 64 bits") }
            return .int(isNegative ? -integer : integer)
        }
        guard let number = value.number else {
            throw .evaluation("bad operand type for unary \(isNegative ? "-" : "+"): '\(value.typeName)'")
        }
        return .float(isNegative ? -number : number)
    }

    private func compare(
        _ first: JinjaExpression, _ others: [JinjaExpression.Comparison], in scope: JinjaScope
    ) throws(JinjaError) -> JinjaValue {
        var left = try evaluate(first, in: scope)
        for comparison in others {
            let right = try evaluate(comparison.operand, in: scope)
            guard try JinjaOperators.compare(comparison.operation, left, right, in: self) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    private func concatenate(_ parts: [JinjaExpression], in scope: JinjaScope) throws(JinjaError) -> JinjaValue {
        let texts = try evaluate(parts, in: scope).map(\.text)
        try charge(characters: texts.reduce(0) { $0 + $1.count })
        var result = JinjaText(units: [])
        for text in texts { result.append(text) }
        return try admit(.string(result))
    }

    func evaluateFilter(_ filter: JinjaExpression, input: JinjaValue, in scope: JinjaScope) throws(JinjaError) -> JinjaValue {
        guard case .filter(let inner, let name, let arguments) = filter.kind else { return input }
        // The filters of a block are a chain whose first has no value.
        var value = input
        if let inner, case .filter = inner.kind, inner.isWithoutValue { value = try evaluateFilter(inner, input: input, in: scope) }
        let values = try evaluate(arguments, in: scope)
        charge(reading: value)
        guard JinjaFilter.exists(name) else { throw .evaluation("No filter named \(PythonText.repr(name)) found.") }
        return try admit(try JinjaFilter.apply(name, to: value, values, in: self))
    }

    // MARK: Attributes and items

    /// `value.name`: a method or attribute of the type, else an item.
    func attribute(_ name: String, of value: JinjaValue) throws(JinjaError) -> JinjaValue {
        if case .undefined(let undefined) = value { throw undefined.error }
        if let attribute = try typeAttribute(name, of: value) { return attribute }
        if case .dict(let dict) = value, let item = dict[name] { return item }
        return missing("attribute \(PythonText.repr(name))", of: PythonText.repr(value.describedType))
    }

    private func missing(_ what: String, of type: String) -> JinjaValue { .undefined(JinjaUndefined("\(type) has no \(what)")) }

    private func typeAttribute(_ name: String, of value: JinjaValue) throws(JinjaError) -> JinjaValue? {
        func isUnsafe(_ names: [String]) -> Bool { names.contains(name) || (name.hasPrefix("__") && name.hasSuffix("__")) }
        let method = JinjaValue.function(JinjaFunction(.method(name, of: value)))
        let unsafe = JinjaValue.undefined(
            JinjaUndefined("access to attribute \(PythonText.repr(name)) of \(PythonText.repr(value.typeName)) object is unsafe."))
        switch value {
        case .string: return isUnsafe([]) ? unsafe : JinjaMethods.ofStrings.contains(name) ? method : nil
        case .dict:
            if isUnsafe(["clear", "pop", "popitem", "setdefault", "update"]) { return unsafe }
            return ["get", "items", "keys", "values", "copy"].contains(name) ? method : nil
        case .sequence(let sequence):
            let changing = ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"]
            if isUnsafe(sequence.kind == .list ? changing : []) { return unsafe }
            let methods = sequence.kind == .list ? ["index", "count", "copy"] : ["index", "count"]
            return sequence.kind.hasIndexes && methods.contains(name) ? method : nil
        case .namespace(let namespace): return isUnsafe([]) ? unsafe : namespace.attributes[name]
        case .loop(let loop): return isUnsafe([]) ? unsafe : try loop.attribute(name)
        default: return isUnsafe([]) ? unsafe : nil
        }
    }

    private func item(_ key: JinjaExpression, of value: JinjaValue, in scope: JinjaScope) throws(JinjaError) -> JinjaValue {
        if case .slice(let start, let stop, let step) = key.kind {
            let none = JinjaExpression(kind: .none, line: key.line)
            return try slice(value, try evaluate([start ?? none, stop ?? none, step ?? none], in: scope))
        }
        return try item(try evaluate(key, in: scope), of: value)
    }

    /// `value[key]`: an item, else an attribute of that name.
    func item(_ key: JinjaValue, of value: JinjaValue) throws(JinjaError) -> JinjaValue {
        switch value {
        case .undefined(let undefined): throw undefined.error
        case .dict(let dict): if key.isHashable, let item = dict[key] { return item }
        case .sequence(let sequence) where sequence.kind.hasIndexes:
            if let index = key.integer {
                let position = index < 0 ? index + sequence.items.count : index
                if sequence.items.indices.contains(position) { return sequence.items[position] }
            }
        case .string(let text):
            if let index = key.integer {
                let position = index < 0 ? index + text.count : index
                if text.units.indices.contains(position) { return .string(text.slice(position..<position + 1)) }
            }
        default: break
        }
        guard case .string(let name) = key else { return missing("element \(key.representation.string)", of: value.describedType) }
        if let attribute = try typeAttribute(name.string, of: value) { return attribute }
        return missing("attribute \(PythonText.repr(name))", of: PythonText.repr(value.describedType))
    }

    private func slice(_ value: JinjaValue, _ bounds: [JinjaValue]) throws(JinjaError) -> JinjaValue {
        if case .undefined(let undefined) = value { throw undefined.error }
        let description = "slice(" + bounds.map { $0.representation.string }.joined(separator: ", ") + ")"
        let count: Int
        switch value {
        case .string(let text): count = text.count
        case .sequence(let sequence) where sequence.kind.hasIndexes: count = sequence.items.count
        default: return missing("element \(description)", of: value.describedType)
        }
        // Bounds of other types are a TypeError in Python, which Jinja turns into Undefined.
        guard bounds.allSatisfy({ $0.isNone || $0.integer != nil })
        else { return missing("element \(description)", of: value.describedType) }
        let step = bounds[2].integer ?? 1
        if step == 0 { throw .evaluation("slice step cannot be zero") }
        let lowest = step > 0 ? 0 : -1, highest = step > 0 ? count : count - 1
        func clamped(_ bound: JinjaValue, _ otherwise: Int) -> Int {
            guard let index = bound.integer else { return otherwise }
            return min(max(index < 0 ? index &+ count : index, lowest), highest)
        }
        let start = clamped(bounds[0], step > 0 ? 0 : count - 1), stop = clamped(bounds[1], step > 0 ? count : -1)
        var indexes: [Int] = [], index = start
        while step > 0 ? index < stop : index > stop {
            indexes.append(index)
            let next = index.addingReportingOverflow(step)
            if next.overflow { break }
            index = next.partialValue
        }
        switch value {
        case .string(let text): return try admit(.string(JinjaText(units: indexes.map { text.units[$0] }, isMarkup: text.isMarkup)))
        case .sequence(let sequence): return try admit(.sequence(JinjaSequence(sequence.kind, indexes.map { sequence.items[$0] })))
        default: return .none
        }
    }
}

extension JinjaExpression {
    /// Whether this is a chain of filters without a value at its start.
    fileprivate var isWithoutValue: Bool {
        guard case .filter(let value, _, _) = kind else { return false }
        return value?.isWithoutValue ?? true
    }
}
