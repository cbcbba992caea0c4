/// An expression of a template, with its line.
struct JinjaExpression: Sendable {
    indirect enum Kind: Sendable {
        case none
        case bool(Bool)
        case int(Int)
        case float(Double)
        case string(JinjaText)
        case name(String)
        case attribute(JinjaExpression, String)
        case item(JinjaExpression, JinjaExpression)
        case slice(JinjaExpression?, JinjaExpression?, JinjaExpression?)
        case call(JinjaExpression, JinjaCallArguments)
        /// No value: the filter of a `filter` or `set` block.
        case filter(JinjaExpression?, String, JinjaCallArguments)
        case test(JinjaExpression, String, JinjaCallArguments)
        case binary(BinaryOperator, JinjaExpression, JinjaExpression)
        case negative(JinjaExpression)
        case positive(JinjaExpression)
        case not(JinjaExpression)
        case and(JinjaExpression, JinjaExpression)
        case or(JinjaExpression, JinjaExpression)
        case compare(JinjaExpression, [Comparison])
        case concatenation([JinjaExpression])
        case conditional(test: JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
        case list([JinjaExpression])
        case tuple([JinjaExpression])
        case dict([(key: JinjaExpression, value: JinjaExpression)])
    }

    enum BinaryOperator: String, Sendable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case floorDivide = "//"
        case modulo = "%"
        case power = "** or pow()"
    }

    struct Comparison: Sendable {
        enum Operator: String, Sendable {
            case equal = "=="
            case notEqual = "!="
            case less = "<"
            case lessOrEqual = "<="
            case greater = ">"
            case greaterOrEqual = ">="
            case contained = "in"
            case notContained = "not in"
        }

        let operation: Operator
        let operand: JinjaExpression
    }

    let kind: Kind
    let line: Int
    /// Nested expressions. A chain of operators is as deep as it is long.
    let depth: Int

    static let maxDepth = 400

    init(kind: Kind, line: Int) {
        self.kind = kind
        self.line = line
        depth = 1 + kind.childDepth
    }
}

extension JinjaExpression.Kind {
    fileprivate var childDepth: Int {
        func deepest(_ expressions: [JinjaExpression]) -> Int { expressions.lazy.map(\.depth).max() ?? 0 }
        switch self {
        case .none, .bool, .int, .float, .string, .name: return 0
        case .attribute(let value, _), .negative(let value), .positive(let value), .not(let value): return value.depth
        case .item(let a, let b), .binary(_, let a, let b), .and(let a, let b), .or(let a, let b): return max(a.depth, b.depth)
        case .slice(let a, let b, let c): return deepest([a, b, c].compactMap { $0 })
        case .call(let value, let arguments): return max(value.depth, arguments.depth)
        case .filter(let value, _, let arguments): return max(value?.depth ?? 0, arguments.depth)
        case .test(let value, _, let arguments): return max(value.depth, arguments.depth)
        case .compare(let first, let others): return max(first.depth, deepest(others.map(\.operand)))
        case .conditional(let test, let then, let otherwise): return deepest([test, then, otherwise].compactMap { $0 })
        case .concatenation(let items), .list(let items), .tuple(let items): return deepest(items)
        case .dict(let entries): return deepest(entries.flatMap { [$0.key, $0.value] })
        }
    }
}

struct JinjaCallArguments: Sendable {
    var positional: [JinjaExpression] = []
    var keywords: [(name: String, value: JinjaExpression)] = []
    /// `*arguments` and `**keywords`.
    var unpacked: JinjaExpression?
    var unpackedKeywords: JinjaExpression?

    var depth: Int {
        (positional + keywords.map(\.value) + [unpacked, unpackedKeywords].compactMap { $0 }).lazy.map(\.depth).max() ?? 0
    }
}

/// Where a value is stored.
indirect enum JinjaTarget: Sendable {
    case name(String)
    case attribute(of: String, String)
    case tuple([JinjaTarget])
}

/// A statement of a template, with its line.
struct JinjaStatement: Sendable {
    enum Kind: Sendable {
        case data(JinjaText)
        case output(JinjaExpression)
        case set(JinjaTarget, JinjaExpression)
        /// `{% set x | filter %}…{% endset %}`
        case setBlock(JinjaTarget, filter: JinjaExpression?, body: [JinjaStatement])
        case conditional([(test: JinjaExpression, body: [JinjaStatement])], otherwise: [JinjaStatement])
        case loop(JinjaForLoop)
        case macro(JinjaMacroDefinition)
        case callBlock(JinjaExpression, JinjaMacroDefinition)
        case filterBlock(JinjaExpression, body: [JinjaStatement])
        case with([(target: JinjaTarget, value: JinjaExpression)], body: [JinjaStatement])
        case generation([JinjaStatement])
        case `break`
        case `continue`
        /// A statement that needs other templates.
        case unavailable(String)
    }

    let kind: Kind
    let line: Int
}

final class JinjaForLoop: Sendable {
    let target: JinjaTarget
    let iterable: JinjaExpression
    let condition: JinjaExpression?
    let body: [JinjaStatement]
    let otherwise: [JinjaStatement]

    init(
        _ target: JinjaTarget, in iterable: JinjaExpression, if condition: JinjaExpression?, body: [JinjaStatement],
        otherwise: [JinjaStatement]
    ) {
        self.target = target
        self.iterable = iterable
        self.condition = condition
        self.body = body
        self.otherwise = otherwise
    }
}

final class JinjaMacroDefinition: Sendable {
    /// Nil for the body of a `call` block.
    let name: String?
    let parameters: [String]
    /// The defaults of the last parameters.
    let defaults: [JinjaExpression]
    let body: [JinjaStatement]
    /// Whether the body uses the variable `caller`.
    let usesCaller: Bool

    init(name: String?, parameters: [String], defaults: [JinjaExpression], body: [JinjaStatement], names: Set<String>) {
        self.name = name
        self.parameters = parameters
        self.defaults = defaults
        self.body = body
        usesCaller = names.contains("caller")
    }
}
