/// Executes the statements of one rendering. One interpreter per rendering: it holds the output, the counters of `JinjaLimits` and the
/// scopes.
final class JinjaInterpreter {
    private(set) var output = JinjaText(units: [])
    let limits: JinjaLimits
    let clock: JinjaClock
    private var steps = 0
    private var bytes = 0
    private var depth = 0
    /// The line of the last expression or statement.
    private var line = 1
    /// What may hold references in cycles, to be cleared at the end.
    private var scopes: [JinjaScope] = []
    private var namespaces: [JinjaNamespace] = []

    init(limits: JinjaLimits, clock: JinjaClock) {
        self.limits = limits
        self.clock = clock
    }

    /// Renders a template with the variables of `context`.
    func render(_ statements: [JinjaStatement], _ context: [String: JinjaValue]) throws(JinjaError) -> JinjaText {
        defer {
            for scope in scopes { scope.clear() }
            for namespace in namespaces { namespace.clear() }
        }
        let globals = JinjaScope(in: nil)
        for name in ["range", "dict", "namespace", "raise_exception", "strftime_now"] {
            globals.set(name, .function(JinjaFunction(.global(name))))
        }
        let variables = JinjaScope(in: globals)
        do throws(JinjaError) {
            for (name, value) in context { variables.set(name, try value.checked()) }
            _ = try execute(statements, in: JinjaScope(in: variables))
        } catch {
            var located = error
            if located.line == 0 { located.line = line }
            throw located
        }
        return output
    }

    // MARK: Limits

    func charge(steps count: Int) throws(JinjaError) {
        steps += count
        if steps > limits.steps { throw .limit("the template takes more than \(limits.steps) steps") }
    }

    /// Counts the work of reading a value; the next step fails if it is too much.
    func charge(reading value: JinjaValue) { steps += value.size / 16 }

    func charge(bytes count: Int) throws(JinjaError) {
        guard count <= limits.bytes - bytes else { throw .limit("the template needs more than \(limits.bytes >> 20) MB") }
        bytes += count
        steps += count / 256
    }

    func charge(characters count: Int) throws(JinjaError) { try charge(bytes: count > limits.bytes / 4 ? .max : count * 4) }

    func charge(elements count: Int) throws(JinjaError) { try charge(bytes: count > limits.bytes / 16 ? .max : count * 16) }

    /// Counts the memory of a value that was made, and checks its size.
    func admit(_ value: JinjaValue) throws(JinjaError) -> JinjaValue {
        switch value {
        case .string(let text): try charge(characters: text.count)
        case .sequence(let sequence): try charge(elements: sequence.items.count)
        case .dict(let dict): try charge(elements: 4 * dict.entries.count)
        default: return value
        }
        return try value.checked()
    }

    /// Counts a level of nesting, and a step.
    func descend(line: Int) throws(JinjaError) {
        self.line = line
        depth += 1
        if depth > limits.depth { throw .limit("the template nests more than \(limits.depth) calls and expressions") }
        try charge(steps: 1)
    }

    func ascend() { depth -= 1 }

    func retain(_ scope: JinjaScope) { scopes.append(scope) }

    func makeNamespace() throws(JinjaError) -> JinjaNamespace {
        try charge(bytes: 256)
        let namespace = JinjaNamespace()
        namespaces.append(namespace)
        return namespace
    }

    // MARK: Statements

    enum Flow {
        case proceed
        case leaveLoop
        case nextItem
    }

    func execute(_ statements: [JinjaStatement], in scope: JinjaScope) throws(JinjaError) -> Flow {
        for statement in statements {
            let flow = try execute(statement, in: scope)
            if flow != .proceed { return flow }
        }
        return .proceed
    }

    private func execute(_ statement: JinjaStatement, in scope: JinjaScope) throws(JinjaError) -> Flow {
        try descend(line: statement.line)
        defer { ascend() }
        switch statement.kind {
        case .data(let text): try write(text)
        case .output(let expression): try write(try evaluate(expression, in: scope).text)
        case .set(let target, let expression): try assign(try evaluate(expression, in: scope), to: target, in: scope)
        case .setBlock(let target, let filter, let body):
            try assign(try capture(body, filter: filter, in: scope), to: target, in: scope)
        case .conditional(let branches, let otherwise):
            for branch in branches where try evaluate(branch.test, in: scope).isTrue { return try execute(branch.body, in: scope) }
            return try execute(otherwise, in: scope)
        case .loop(let loop): try execute(loop, in: scope)
        case .macro(let definition): define(definition, in: scope)
        case .callBlock(let call, let body): try executeCallBlock(call, body, in: scope)
        case .filterBlock(let filter, let body):
            let result = try capture(body, filter: filter, in: scope)
            guard case .string(let text) = result else {
                throw .evaluation("sequence item \(output.isEmpty ? 0 : 1): expected str instance, \(result.typeName) found")
            }
            try write(text)
        case .with(let values, let body):
            let inner = JinjaScope(in: scope)
            for (target, value) in values { try assign(try evaluate(value, in: scope), to: target, in: inner) }
            return try execute(body, in: inner)
        case .generation(let body):
            let start = output.count
            let flow = try execute(body, in: JinjaScope(in: scope))
            output.markGenerated(from: start)
            return flow
        case .break: return .leaveLoop
        case .continue: return .nextItem
        case .unavailable: throw .evaluation("no loader for this environment specified")
        }
        return .proceed
    }

    func write(_ text: JinjaText) throws(JinjaError) {
        try charge(characters: text.count)
        output.append(text)
    }

    /// The output of a body, through a filter if there is one.
    private func capture(_ body: [JinjaStatement], filter: JinjaExpression?, in scope: JinjaScope) throws(JinjaError) -> JinjaValue {
        let inner = JinjaScope(in: scope)
        let text = try captured { () throws(JinjaError) in _ = try execute(body, in: inner) }
        guard let filter else { return .string(text) }
        return try evaluateFilter(filter, input: .string(text), in: inner)
    }

    /// What `body` writes, instead of writing it.
    func captured(_ body: () throws(JinjaError) -> Void) throws(JinjaError) -> JinjaText {
        let outer = output
        output = JinjaText(units: [])
        defer { output = outer }
        try body()
        return output
    }

    func assign(_ value: JinjaValue, to target: JinjaTarget, in scope: JinjaScope) throws(JinjaError) {
        switch target {
        case .name(let name): scope.set(name, value)
        case .attribute(let name, let attribute):
            guard case .namespace(let namespace)? = scope[name] else {
                throw .evaluation("cannot assign attribute on non-namespace object")
            }
            try namespace.setChecked(attribute, value)
        case .tuple(let targets):
            let items: [JinjaValue]
            do throws(JinjaError) { items = try iterate(value) } catch {
                throw value.isUndefined ? error : .evaluation("cannot unpack non-iterable \(value.typeName) object")
            }
            guard items.count >= targets.count else {
                throw .evaluation("not enough values to unpack (expected \(targets.count), got \(items.count))")
            }
            guard items.count == targets.count else { throw .evaluation("too many values to unpack (expected \(targets.count))") }
            for (target, item) in zip(targets, items) { try assign(item, to: target, in: scope) }
        }
    }

    /// The elements of a value that can be iterated over.
    func iterate(_ value: JinjaValue) throws(JinjaError) -> [JinjaValue] {
        switch value {
        case .string(let text):
            try charge(elements: 4 * text.count)
            return text.units.map { .string(JinjaText(units: [$0], isMarkup: text.isMarkup)) }
        case .sequence(let sequence): return sequence.iterate()
        case .dict(let dict): return dict.entries.map(\.key)
        case .undefined: return []
        default: throw .evaluation("'\(value.typeName)' object is not iterable")
        }
    }

    // MARK: Loops

    private func execute(_ block: JinjaForLoop, in scope: JinjaScope) throws(JinjaError) {
        let items = try iterate(try evaluate(block.iterable, in: scope))
        try charge(elements: items.count)
        var accepts: ((JinjaValue) throws(JinjaError) -> Bool)?
        if let condition = block.condition {
            accepts = { [unowned self] (item) throws(JinjaError) in
                let inner = JinjaScope(in: scope)
                try assign(item, to: block.target, in: inner)
                return try evaluate(condition, in: inner).isTrue
            }
        }
        let loop = JinjaLoop(items, accepts: accepts)
        defer { loop.end() }
        var isEmpty = true
        while let item = try loop.next() {
            isEmpty = false
            let inner = JinjaScope(in: scope)
            inner.set("loop", .loop(loop))
            try assign(item, to: block.target, in: inner)
            try charge(steps: 1)
            if try execute(block.body, in: inner) == .leaveLoop { return }
        }
        if isEmpty { _ = try execute(block.otherwise, in: JinjaScope(in: scope)) }
    }

    // MARK: Macros

    private func define(_ definition: JinjaMacroDefinition, in scope: JinjaScope) {
        retain(scope)
        scope.set(definition.name ?? "", .function(JinjaFunction(.macro(JinjaMacro(definition, scope)))))
    }

    private func executeCallBlock(_ call: JinjaExpression, _ body: JinjaMacroDefinition, in scope: JinjaScope) throws(JinjaError) {
        guard case .call(let callee, let arguments) = call.kind else { return }
        retain(scope)
        let caller = JinjaValue.function(JinjaFunction(.macro(JinjaMacro(body, scope))))
        let function = try evaluate(callee, in: scope)
        var values = try evaluate(arguments, in: scope)
        values.keywords.append(("caller", caller))
        try write(try self.call(function, values).text)
    }

    func callMacro(_ macro: JinjaMacro, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        let definition = macro.definition, parameters = definition.parameters
        var keywords = arguments.keywords
        func take(_ name: String) -> JinjaValue? {
            keywords.firstIndex { $0.name == name }.map { keywords.remove(at: $0).value }
        }
        let scope = JinjaScope(in: macro.scope)
        var values: [JinjaValue?] = arguments.positional.prefix(parameters.count).map { $0 }
        for name in parameters.dropFirst(values.count) { values.append(take(name)) }
        if definition.usesCaller, !parameters.contains("caller") {
            scope.set("caller", take("caller") ?? .undefined(JinjaUndefined("No caller defined")))
        }
        let name = definition.name.map { PythonText.repr($0) } ?? "None"
        if let first = keywords.first {
            if keywords.contains(where: { $0.name == "caller" }) {
                throw .evaluation(
                    "macro \(name) was invoked with two values for the special caller argument. This is most likely a bug.")
            }
            throw .evaluation("macro \(name) takes no keyword argument \(PythonText.repr(first.name))")
        }
        if arguments.positional.count > parameters.count {
            throw .evaluation("macro \(name) takes not more than \(parameters.count) argument(s)")
        }
        let firstDefault = parameters.count - definition.defaults.count
        for (index, parameter) in parameters.enumerated() {
            if let value = values[index] {
                scope.set(parameter, value)
            } else if index >= firstDefault {
                scope.set(parameter, try evaluate(definition.defaults[index - firstDefault], in: scope))
            } else {
                scope.set(parameter, .undefined(JinjaUndefined("parameter \(PythonText.repr(parameter)) was not provided")))
            }
        }
        return .string(try captured { () throws(JinjaError) in _ = try execute(definition.body, in: scope) })
    }
}

extension JinjaNamespace {
    func setChecked(_ name: String, _ value: JinjaValue) throws(JinjaError) {
        guard !name.hasPrefix("_") else {
            throw .evaluation(
                "Chat templates cannot store underscore-prefixed attributes on a namespace, but got \(PythonText.repr(name)). "
                    + "Please rename the attribute.")
        }
        set(name, value)
    }

    func clear() {
        attributes = [:]
        names = []
    }
}
