extension JinjaInterpreter {
    func call(_ callee: JinjaValue, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        switch callee {
        case .undefined(let undefined): throw undefined.error
        case .function(let function): return try call(function, arguments)
        default: throw .evaluation("'\(callee.typeName)' object is not callable")
        }
    }

    private func call(_ function: JinjaFunction, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        switch function.kind {
        case .macro(let macro): return try callMacro(macro, arguments)
        case .method(let name, let value): return try callMethod(name, of: value, arguments)
        case .global(let name): return try callGlobal(name, arguments)
        }
    }

    private func callGlobal(_ name: String, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        switch name {
        case "raise_exception":
            throw JinjaError(.raised, try arguments.bound(to: ["message"], required: 1, of: name)[0]?.text.string ?? "")
        case "strftime_now":
            guard case .string(let format)? = try arguments.bound(to: ["format"], required: 1, of: name)[0] else {
                throw .evaluation("strftime() argument 1 must be str, not \(arguments.positional.first?.typeName ?? "NoneType")")
            }
            return .string(clock.formatted(format.string))
        case "range": return try range(arguments)
        case "dict": return .dict(try dict(arguments))
        default:
            let entries = try dict(arguments).entries
            let namespace = try makeNamespace()
            for (key, value) in entries { try namespace.setChecked(key.text.string, value) }
            return .namespace(namespace)
        }
    }

    private func range(_ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        let values = arguments.positional
        guard arguments.keywords.isEmpty else { throw .evaluation("range() takes no keyword arguments") }
        guard let first = values.first else { throw .evaluation("range expected at least 1 argument, got 0") }
        guard values.count <= 3 else { throw .evaluation("range expected at most 3 arguments, got \(values.count)") }
        var numbers: [Int] = []
        for value in values {
            if case .undefined(let undefined) = value { throw undefined.error }
            guard let number = value.integer else { throw .evaluation("'\(value.typeName)' object cannot be interpreted as an integer") }
            numbers.append(number)
        }
        let start = values.count == 1 ? 0 : first.integer ?? 0, stop = values.count == 1 ? numbers[0] : numbers[1]
        let step = values.count == 3 ? numbers[2] : 1
        if step == 0 { throw .evaluation("range() arg 3 must not be zero") }
        let count = max(0, (Double(stop) - Double(start)) / Double(step))
        guard count <= 100_000 else {
            throw .evaluation("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).")
        }
        try charge(elements: Int(count) + 1)
        return .sequence(JinjaSequence(.range, stride(from: start, to: stop, by: step).map { .int($0) }))
    }

    private func dict(_ arguments: JinjaArguments) throws(JinjaError) -> JinjaDict {
        let result = JinjaDict()
        guard arguments.positional.count <= 1
        else { throw .evaluation("dict expected at most 1 argument, got \(arguments.positional.count)") }
        switch arguments.positional.first {
        case nil: break
        case .dict(let dict): for (key, value) in dict.entries { try add(key, value, to: result) }
        case .namespace(let namespace): for name in namespace.names { result.set(.string(name), namespace.attributes[name] ?? .none) }
        case let value?:
            for (index, pair) in try iterate(value).enumerated() {
                let items = try iterate(pair)
                guard items.count == 2 else {
                    throw .evaluation("dictionary update sequence element #\(index) has length \(items.count); 2 is required")
                }
                try add(items[0], items[1], to: result)
            }
        }
        for (name, value) in arguments.keywords { result.set(.string(name), value) }
        return result
    }

    private func callMethod(_ name: String, of value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        charge(reading: value)
        switch value {
        case .string(let text): return try JinjaMethods.call(name, of: text, arguments, in: self)
        case .dict(let dict): return try call(name, of: dict, arguments)
        case .sequence(let sequence):
            if name == "copy" { return value }
            guard let element = arguments.positional.first else { throw .evaluation("\(name) expected at least 1 argument, got 0") }
            if name == "count" { return .int(sequence.items.count { $0 == element }) }
            guard let index = sequence.items.firstIndex(of: element) else {
                throw .evaluation(
                    sequence.kind == .tuple ? "tuple.index(x): x not in tuple"
                        : "\(element.representation.string) is not in \(value.typeName)")
            }
            return .int(index)
        case .loop(let loop):
            guard !arguments.positional.isEmpty else { throw .evaluation("no items for cycling given") }
            return arguments.positional[max(0, loop.index) % arguments.positional.count]
        default: return .none
        }
    }

    private func call(_ name: String, of dict: JinjaDict, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        let values = arguments.positional
        if !arguments.keywords.isEmpty { throw .evaluation("dict.\(name)() takes no keyword arguments") }
        if name == "get" {
            guard let key = values.first else { throw .evaluation("get expected at least 1 argument, got 0") }
            guard values.count <= 2 else { throw .evaluation("get expected at most 2 arguments, got \(values.count)") }
            guard key.isHashable else { throw .evaluation("unhashable type: '\(key.typeName)'") }
            return dict[key] ?? (values.count == 2 ? values[1] : .none)
        }
        guard values.isEmpty else { throw .evaluation("dict.\(name)() takes no arguments (\(values.count) given)") }
        switch name {
        case "items": return .sequence(JinjaSequence(.items, dict.entries.map { .tuple([$0.key, $0.value]) }))
        case "keys": return .sequence(JinjaSequence(.keys, dict.entries.map(\.key)))
        case "values": return .sequence(JinjaSequence(.values, dict.entries.map(\.value)))
        default: return .dict(dict)
        }
    }
}
