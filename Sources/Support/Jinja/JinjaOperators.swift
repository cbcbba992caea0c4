/// The operators of Python on template values.
enum JinjaOperators {
    typealias Operator = JinjaExpression.BinaryOperator

    static func binary(_ operation: Operator, _ a: JinjaValue, _ b: JinjaValue, in run: JinjaInterpreter) throws(JinjaError) -> JinjaValue {
        if case .string(let format) = a, operation == .modulo {
            return .string(try JinjaFormatting.percent(format, b, in: run))
        }
        if case .undefined(let undefined) = a { throw undefined.error }
        if case .undefined(let undefined) = b { throw undefined.error }
        if let a = a.integer, let b = b.integer { return try integers(operation, a, b) }
        if let a = a.number, let b = b.number { return try floats(operation, a, b) }
        if operation == .multiply { return try repeated(a, b, in: run) }
        guard operation == .add else { throw unsupported(operation.rawValue, a, b) }
        switch (a, b) {
        case (.string(let a), .string(let b)):
            return .string(try concatenated(a, b, in: run))
        case (.sequence(let a), .sequence(let b)) where a.kind == b.kind && (a.kind == .list || a.kind == .tuple):
            return .sequence(JinjaSequence(a.kind, a.items + b.items))
        case (.string, _): throw .evaluation("can only concatenate str (not \"\(b.typeName)\") to str")
        case (.sequence(let sequence), _) where sequence.kind == .list || sequence.kind == .tuple:
            throw .evaluation("can only concatenate \(a.typeName) (not \"\(b.typeName)\") to \(a.typeName)")
        default: throw unsupported("+", a, b)
        }
    }

    private static func unsupported(_ operation: String, _ a: JinjaValue, _ b: JinjaValue) -> JinjaError {
        .evaluation("unsupported operand type(s) for \(operation): '\(a.typeName)' and '\(b.typeName)'")
    }

    /// Adds strings; a string beside a `Markup` is escaped.
    static func concatenated(_ a: JinjaText, _ b: JinjaText, in run: JinjaInterpreter) throws(JinjaError) -> JinjaText {
        try run.charge(bytes: 4 * (a.count + b.count))
        var result = b.isMarkup && !a.isMarkup ? escaped(a) : a
        result.append(a.isMarkup && !b.isMarkup ? escaped(b) : b)
        result.isMarkup = a.isMarkup || b.isMarkup
        return result
    }

    /// The text with the five characters of HTML's syntax escaped.
    static func escaped(_ text: JinjaText) -> JinjaText {
        if text.isMarkup { return text }
        var units: [UInt32] = []
        for (index, unit) in text.units.enumerated() {
            guard let escape = [38: "&amp;", 60: "&lt;", 62: "&gt;", 39: "&#39;", 34: "&#34;"][text[index]] else {
                units.append(unit)
                continue
            }
            units += escape.unicodeScalars.map { $0.value | (unit & ~JinjaText.scalarMask) }
        }
        return JinjaText(units: units, isMarkup: true)
    }

    private static func integers(_ operation: Operator, _ a: Int, _ b: Int) throws(JinjaError) -> JinjaValue {
        func checked(_ result: (partialValue: Int, overflow: Bool)) throws(JinjaError) -> JinjaValue {
            if result.overflow { throw .limit("a number does not fit in 64 bits") }
            return .int(result.partialValue)
        }
        switch operation {
        case .add: return try checked(a.addingReportingOverflow(b))
        case .subtract: return try checked(a.subtractingReportingOverflow(b))
        case .multiply: return try checked(a.multipliedReportingOverflow(by: b))
        case .divide:
            if b == 0 { throw .evaluation("division by zero") }
            return .float(Double(a) / Double(b))
        case .floorDivide, .modulo:
            if b == 0 { throw .evaluation(operation == .modulo ? "integer modulo by zero" : "integer division or modulo by zero") }
            let (quotient, overflow) = a.dividedReportingOverflow(by: b)
            if overflow { throw .limit("a number does not fit in 64 bits") }
            let remainder = a - quotient * b
            let isBelow = remainder != 0 && (remainder < 0) != (b < 0)
            return .int(operation == .modulo ? remainder + (isBelow ? b : 0) : quotient - (isBelow ? 1 : 0))
        case .power:
            if b < 0 { return try floats(.power, Double(a), Double(b)) }
            if abs(a) <= 1 || b == 0 { return .int(b == 0 ? 1 : a == -1 && b % 2 == 0 ? 1 : a) }
            var result = JinjaValue.int(1)
            guard b < 64 else { throw .limit("a number does not fit in 64 bits") }
            for _ in 0..<b { result = try integers(.multiply, result.integer ?? 0, a) }
            return result
        }
    }

    private static func abs(_ value: Int) -> Int { value == .min ? .max : Swift.abs(value) }

    private static func floats(_ operation: Operator, _ a: Double, _ b: Double) throws(JinjaError) -> JinjaValue {
        switch operation {
        case .add: return .float(a + b)
        case .subtract: return .float(a - b)
        case .multiply: return .float(a * b)
        case .divide:
            if b == 0 { throw .evaluation("float division by zero") }
            return .float(a / b)
        case .floorDivide, .modulo:
            if b == 0 { throw .evaluation(operation == .modulo ? "float modulo" : "float floor division by zero") }
            var remainder = a.truncatingRemainder(dividingBy: b)
            if remainder != 0, (remainder < 0) != (b < 0) { remainder += b }
            return .float(operation == .modulo ? remainder : ((a - remainder) / b).rounded())
        case .power:
            if a == 0, b < 0 { throw .evaluation("0.0 cannot be raised to a negative power") }
            return .float(JinjaMath.power(a, b))
        }
    }

    private static func repeated(_ a: JinjaValue, _ b: JinjaValue, in run: JinjaInterpreter) throws(JinjaError) -> JinjaValue {
        func times(_ count: Int, _ value: JinjaValue) throws(JinjaError) -> JinjaValue? {
            switch value {
            case .string(let text):
                let total = max(0, count).multipliedReportingOverflow(by: max(1, text.count))
                try run.charge(characters: total.overflow ? .max : total.partialValue)
                var units: [UInt32] = []
                for _ in 0..<max(0, count) { units += text.units }
                return .string(JinjaText(units: units, isMarkup: text.isMarkup))
            case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
                let total = max(0, count).multipliedReportingOverflow(by: max(1, sequence.size))
                try run.charge(elements: total.overflow ? .max : total.partialValue)
                var items: [JinjaValue] = []
                for _ in 0..<max(0, count) { items += sequence.items }
                return .sequence(JinjaSequence(sequence.kind, items))
            default: return nil
            }
        }
        if let count = b.integer, let result = try times(count, a) { return result }
        if let count = a.integer, let result = try times(count, b) { return result }
        for (value, other) in [(a, b), (b, a)] {
            switch value {
            case .string: throw .evaluation("can't multiply sequence by non-int of type '\(other.typeName)'")
            case .sequence(let sequence) where sequence.kind.hasIndexes && sequence.kind != .range:
                throw .evaluation("can't multiply sequence by non-int of type '\(other.typeName)'")
            default: break
            }
        }
        throw unsupported("*", a, b)
    }

    // MARK: Comparisons

    static func compare(
        _ operation: JinjaExpression.Comparison.Operator, _ a: JinjaValue, _ b: JinjaValue, in run: JinjaInterpreter
    ) throws(JinjaError) -> Bool {
        run.charge(reading: a)
        run.charge(reading: b)
        switch operation {
        case .equal: return a == b
        case .notEqual: return a != b
        case .contained: return try contains(b, a)
        case .notContained: return try !contains(b, a)
        case .less: return try isOrdered(a, b, "<")
        case .lessOrEqual: return try isOrdered(a, b, "<=")
        case .greater: return try isOrdered(a, b, ">")
        case .greaterOrEqual: return try isOrdered(a, b, ">=")
        }
    }

    /// - Parameter symbol: `<`, `<=`, `>` or `>=`.
    static func isOrdered(_ a: JinjaValue, _ b: JinjaValue, _ symbol: String) throws(JinjaError) -> Bool {
        if case .undefined(let undefined) = a { throw undefined.error }
        if case .undefined(let undefined) = b { throw undefined.error }
        func holds<T: Comparable>(_ a: T, _ b: T) -> Bool {
            switch symbol {
            case "<": a < b
            case "<=": a <= b
            case ">": a > b
            default: a >= b
            }
        }
        if let a = a.integer, let b = b.integer { return holds(a, b) }
        if let a = a.number, let b = b.number { return holds(a, b) }
        switch (a, b) {
        case (.string(let a), .string(let b)): return holds(a, b)
        case (.sequence(let a), .sequence(let b)) where a.kind == b.kind && (a.kind == .list || a.kind == .tuple):
            for (x, y) in zip(a.items, b.items) where x != y { return try isOrdered(x, y, symbol) }
            return holds(a.items.count, b.items.count)
        default:
            throw .evaluation("'\(symbol)' not supported between instances of '\(a.typeName)' and '\(b.typeName)'")
        }
    }

    /// Python's `element in container`.
    static func contains(_ container: JinjaValue, _ element: JinjaValue) throws(JinjaError) -> Bool {
        switch container {
        case .string(let text):
            guard case .string(let part) = element else {
                throw .evaluation("'in <string>' requires string as left operand, not \(element.typeName)")
            }
            return text.firstRange(of: part) != nil
        case .sequence(let sequence): return sequence.iterate().contains(element)
        case .dict(let dict):
            guard element.isHashable else { throw .evaluation("unhashable type: '\(element.typeName)'") }
            return dict[element] != nil
        case .undefined: return false
        case .loop(let loop): return loop.items.contains(element)
        default: throw .evaluation("argument of type '\(container.typeName)' is not iterable")
        }
    }
}
