/// The arguments of a call.
struct JinjaArguments {
    var positional: [JinjaValue] = []
    /// In the order of the call.
    var keywords: [(name: String, value: JinjaValue)] = []

    init(_ positional: [JinjaValue] = [], keywords: [(name: String, value: JinjaValue)] = []) {
        self.positional = positional
        self.keywords = keywords
    }

    /// The values of a function's parameters, in their order; nil for one that is not given.
    func bound(to parameters: [String], required: Int = 0, of function: String) throws(JinjaError) -> [JinjaValue?] {
        guard positional.count <= parameters.count else {
            let expected = required == parameters.count ? "\(parameters.count)" : "from \(required) to \(parameters.count)"
            throw .evaluation(
                "\(function)() takes \(expected) positional argument\(parameters.count == 1 ? "" : "s") but \(positional.count) "
                    + (positional.count == 1 ? "was given" : "were given"))
        }
        var values: [JinjaValue?] = positional + [JinjaValue?](repeating: nil, count: parameters.count - positional.count)
        for (name, value) in keywords {
            guard let index = parameters.firstIndex(of: name) else {
                throw .evaluation("\(function)() got an unexpected keyword argument \(PythonText.repr(name))")
            }
            guard values[index] == nil else { throw .evaluation("\(function)() got multiple values for argument \(PythonText.repr(name))") }
            values[index] = value
        }
        let missing = parameters.indices.filter { $0 < required && values[$0] == nil }.map { PythonText.repr(parameters[$0]) }
        guard missing.isEmpty else {
            throw .evaluation(
                "\(function)() missing \(missing.count) required positional argument\(missing.count == 1 ? "" : "s"): "
                    + missing.joined(separator: missing.count == 2 ? " and " : ", "))
        }
        return values
    }
}

/// Something that a template can call.
package final class JinjaFunction {
    enum Kind {
        /// `range`, `raise_exception` and so on.
        case global(String)
        /// A method of a value, as in `text.strip`.
        case method(String, of: JinjaValue)
        case macro(JinjaMacro)
    }

    let kind: Kind

    init(_ kind: Kind) { self.kind = kind }

    var typeName: String {
        switch kind {
        case .global("namespace"): "type"
        case .global("dict"): "TemplateDict"
        case .global: "function"
        case .method: "builtin_function_or_method"
        case .macro: "Macro"
        }
    }

    var depth: Int {
        switch kind {
        case .method(_, let value): 1 + value.depth
        case .global, .macro: 0
        }
    }

    var size: Int {
        switch kind {
        case .method(_, let value): value.size
        case .global, .macro: 1
        }
    }
}

/// A macro, or the body of a `call` block, with the scope in which it was defined.
final class JinjaMacro {
    let definition: JinjaMacroDefinition
    let scope: JinjaScope

    init(_ definition: JinjaMacroDefinition, _ scope: JinjaScope) {
        self.definition = definition
        self.scope = scope
    }
}

/// The variables of a block, inside of those around it.
final class JinjaScope {
    private(set) var variables: [String: JinjaValue] = [:]
    private(set) var parent: JinjaScope?

    init(in parent: JinjaScope?) { self.parent = parent }

    func set(_ name: String, _ value: JinjaValue) { variables[name] = value }

    subscript(name: String) -> JinjaValue? {
        var scope: JinjaScope? = self
        while let current = scope {
            if let value = current.variables[name] { return value }
            scope = current.parent
        }
        return nil
    }

    /// Ends cycles of references.
    func clear() {
        variables = [:]
        parent = nil
    }
}

/// The `loop` variable of a `for` block.
package final class JinjaLoop {
    /// The items up to the current one, and those that were looked at ahead of it.
    private(set) var items: [JinjaValue]
    /// The items after them, of which a loop with a condition takes those that it accepts when they are their turn.
    private var pending: ArraySlice<JinjaValue>
    private let accepts: ((JinjaValue) throws(JinjaError) -> Bool)?
    var index = -1

    init(_ items: [JinjaValue], accepts: ((JinjaValue) throws(JinjaError) -> Bool)?) {
        self.items = accepts == nil ? items : []
        pending = accepts == nil ? [] : items[...]
        self.accepts = accepts
    }

    /// The next item, which becomes the current one.
    func next() throws(JinjaError) -> JinjaValue? {
        guard try hasNext() else { return nil }
        index += 1
        return items[index]
    }

    private func hasNext() throws(JinjaError) -> Bool {
        while index + 1 >= items.count {
            guard let item = pending.popFirst() else { return false }
            if try accepts?(item) ?? true { items.append(item) }
        }
        return true
    }

    private func count() throws(JinjaError) -> Int {
        while let item = pending.popFirst() { if try accepts?(item) ?? true { items.append(item) } }
        return items.count
    }

    func attribute(_ name: String) throws(JinjaError) -> JinjaValue? {
        switch name {
        case "index": return .int(index + 1)
        case "index0": return .int(index)
        case "revindex": return .int(try count() - index)
        case "revindex0": return .int(try count() - index - 1)
        case "first": return .bool(index == 0)
        case "last": return .bool(try !hasNext())
        case "length": return .int(try count())
        case "previtem":
            return index > 0 && index <= items.count ? items[index - 1] : .undefined(JinjaUndefined("there is no previous item"))
        case "nextitem": return try hasNext() ? items[index + 1] : .undefined(JinjaUndefined("there is no next item"))
        case "cycle": return .function(JinjaFunction(.method(name, of: .loop(self))))
        default: return nil
        }
    }

    /// Releases the items when the loop has ended.
    func end() {
        items = []
        pending = []
        index = -1
    }
}
