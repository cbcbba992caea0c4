/// The tests of Jinja: `value is name(arguments)`.
enum JinjaTest {
    private static let names: Set<String> = [
        "odd", "even", "divisibleby", "defined", "undefined", "none", "boolean", "false", "true", "integer", "float", "lower", "upper",
        "string", "mapping", "number", "sequence", "iterable", "in", "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge",
        ">=", "<", "lt", "lessthan", "<=", "le",
    ]

    static func exists(_ name: String) -> Bool { names.contains(name) }

    static func evaluate(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, in run: JinjaInterpreter
    ) throws(JinjaError) -> Bool {
        guard exists(name) else { throw .evaluation("No test named \(PythonText.repr(name)).") }
        if let answer = typeTest(name, value) {
            guard arguments.positional.isEmpty, arguments.keywords.isEmpty else {
                throw .evaluation("test_\(name)() takes 1 positional argument but \(arguments.positional.count + 1) were given")
            }
            return answer
        }
        func operand() throws(JinjaError) -> JinjaValue {
            guard let operand = arguments.positional.first ?? arguments.keywords.first?.value else {
                throw .evaluation("the test \(PythonText.repr(name)) expects an argument")
            }
            return operand
        }
        func compare(_ operation: JinjaExpression.Comparison.Operator) throws(JinjaError) -> Bool {
            try JinjaOperators.compare(operation, value, try operand(), in: run)
        }
        switch name {
        case "odd", "even": return try JinjaOperators.binary(.modulo, value, .int(2), in: run) == .int(name == "odd" ? 1 : 0)
        case "divisibleby": return try JinjaOperators.binary(.modulo, value, try operand(), in: run) == .int(0)
        case "lower", "upper": return JinjaMethods.hasProperty("is" + name, value.text)
        case "in": return try compare(.contained)
        case "==", "eq", "equalto": return try compare(.equal)
        case "!=", "ne": return try compare(.notEqual)
        case ">", "gt", "greaterthan": return try compare(.greater)
        case ">=", "ge": return try compare(.greaterOrEqual)
        case "<", "lt", "lessthan": return try compare(.less)
        default: return try compare(.lessOrEqual)
        }
    }

    /// A test without arguments that looks at the type.
    private static func typeTest(_ name: String, _ value: JinjaValue) -> Bool? {
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": return value.isNone
        case "boolean": if case .bool = value { return true } else { return false }
        case "true": if case .bool(true) = value { return true } else { return false }
        case "false": if case .bool(false) = value { return true } else { return false }
        case "integer": if case .int = value { return true } else { return false }
        case "float": if case .float = value { return true } else { return false }
        case "number": return value.number != nil
        case "string": if case .string = value { return true } else { return false }
        case "mapping": if case .dict = value { return true } else { return false }
        case "iterable": return value.isIterable
        case "sequence":
            switch value {
            case .string, .dict, .undefined: return true
            case .sequence(let sequence): return sequence.kind.hasIndexes
            default: return false
            }
        default: return nil
        }
    }
}
