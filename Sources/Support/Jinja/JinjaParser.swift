/// Parses tokens into statements. Messages are those of Jinja's own parser.
struct JinjaParser {
    private let tokens: [JinjaToken]
    private var index = 0
    /// The tags that may end the open blocks, and the names of the open blocks.
    private var endTags: [[String]] = []
    private var openBlocks: [String] = []
    private var depth = 0
    private var loopDepth = 0
    /// `break` and `continue` that are not in a loop.
    private var outsideOfLoops: [JinjaError] = []
    /// The names that are read in each open macro.
    private var namesRead: [Set<String>] = []
    private var allNamesRead: Set<String> = []
    /// Filters and tests that do not exist. Inside of a condition they fail when they are used, else before rendering starts.
    var unknown: [(message: String, line: Int, isConditional: Bool)] = []
    var conditionDepth = 0

    /// Nested statements and expressions.
    static let maxDepth = 120

    /// Parses a template. `namesRead` are those of variables, functions and macros in its expressions.
    static func parsed(_ template: String) throws(JinjaError) -> (statements: [JinjaStatement], namesRead: Set<String>) {
        let (tokens, lexicalError) = try JinjaLexer.tokens(of: template)
        var parser = JinjaParser(tokens: tokens)
        do throws(JinjaError) {
            let body = try parser.parseBody(until: nil)
            if let lexicalError { throw lexicalError }
            if let unknown = parser.unknown.first(where: { !$0.isConditional }) {
                throw JinjaError(.syntax, unknown.message, line: unknown.line)
            }
            if let outside = parser.outsideOfLoops.first { throw outside }
            return (body, parser.allNamesRead)
        } catch {
            // What the parser says before it reaches the place of the lexical error comes first.
            if let lexicalError, parser.current.kind == .end { throw lexicalError }
            throw error
        }
    }

    private init(tokens: [JinjaToken]) { self.tokens = tokens }

    // MARK: Tokens

    var current: JinjaToken { tokens[index] }
    var following: JinjaToken { tokens[min(index + 1, tokens.count - 1)] }

    @discardableResult
    mutating func next() -> JinjaToken {
        let token = tokens[index]
        if index + 1 < tokens.count { index += 1 }
        return token
    }

    mutating func skip(_ kind: JinjaToken.Kind) -> Bool {
        guard current.kind == kind else { return false }
        next()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard current.isName(name) else { return false }
        next()
        return true
    }

    @discardableResult
    mutating func expect(_ kind: JinjaToken.Kind) throws(JinjaError) -> JinjaToken {
        guard current.kind == kind else { throw unexpected(kind.rawValue) }
        return next()
    }

    mutating func expectName() throws(JinjaError) -> String {
        try expect(.name).name ?? ""
    }

    mutating func expect(name: String) throws(JinjaError) {
        guard skip(name: name) else { throw unexpected(name) }
    }

    private func unexpected(_ expected: String) -> JinjaError {
        if current.kind == .end { return failure("unexpected end of template, expected \(PythonText.repr(expected)).") }
        return failure("expected token \(PythonText.repr(expected)), got \(PythonText.repr(current.described))")
    }

    func failure(_ message: String, line: Int? = nil) -> JinjaError { JinjaError(.syntax, message, line: line ?? current.line) }

    mutating func enter() throws(JinjaError) {
        depth += 1
        guard depth <= Self.maxDepth else {
            throw JinjaError(.limit, "more than \(Self.maxDepth) nested blocks and expressions", line: current.line)
        }
    }

    mutating func leave() { depth -= 1 }

    mutating func noteRead(_ name: String) {
        allNamesRead.insert(name)
        if let last = namesRead.indices.last { namesRead[last].insert(name) }
    }

    // MARK: Statements

    private mutating func parseBody(until tags: [String]?) throws(JinjaError) -> [JinjaStatement] {
        var body: [JinjaStatement] = []
        if let tags { endTags.append(tags) }
        try enter()
        defer { leave() }
        while current.kind != .end {
            let line = current.line
            switch current.kind {
            case .data:
                if case .text(let text) = next().value { body.append(JinjaStatement(kind: .data(text), line: line)) }
            case .variableBegin:
                next()
                body.append(JinjaStatement(kind: .output(try parseTuple()), line: line))
                try expect(.variableEnd)
            default:
                try expect(.blockBegin)
                if let tags, let name = current.name, tags.contains(name) {
                    endTags.removeLast()
                    return body
                }
                body += try parseStatement()
                try expect(.blockEnd)
            }
        }
        if let tags {
            endTags.removeLast()
            throw unknownTag(nil, endTags + [tags])
        }
        return body
    }

    private func unknownTag(_ name: String?, _ stack: [[String]]) -> JinjaError {
        var message = name.map { "Encountered unknown tag \(PythonText.repr($0))." } ?? "Unexpected end of template."
        if let tags = stack.last {
            let expected = tags.map { PythonText.repr($0) }.joined(separator: " or ")
            message += name.map { name in stack.contains { $0.contains(name) } } ?? false
                ? " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for \(expected)."
                : " Jinja was looking for the following tags: \(expected)."
        }
        if let block = openBlocks.last { message += " The innermost block that needs to be closed is \(PythonText.repr(block))." }
        return failure(message)
    }

    /// Parses the body of a block, from the end of its opening tag to one of `tags`, which is the current token afterwards.
    private mutating func parseBlock(until tags: [String]) throws(JinjaError) -> [JinjaStatement] {
        _ = skip(.colon)
        try expect(.blockEnd)
        return try parseBody(until: tags)
    }

    private mutating func parseStatement() throws(JinjaError) -> [JinjaStatement] {
        guard let name = current.name else { throw failure("tag name expected") }
        let line = current.line
        func statement(_ kind: JinjaStatement.Kind) -> [JinjaStatement] { [JinjaStatement(kind: kind, line: line)] }
        openBlocks.append(name)
        defer { if !openBlocks.isEmpty { openBlocks.removeLast() } }
        switch name {
        case "for":
            next()
            return statement(.loop(try parseFor()))
        case "if":
            next()
            return statement(try parseIf())
        case "set":
            next()
            return statement(try parseSet())
        case "macro":
            next()
            let name = try expectName()
            return statement(.macro(try parseMacro(named: name, until: "endmacro")))
        case "call":
            next()
            return statement(try parseCallBlock())
        case "filter":
            next()
            let filter = try parseFilters(of: nil, startsInline: true)
            let body = try parseBlock(until: ["endfilter"])
            next()
            return statement(.filterBlock(filter ?? JinjaExpression(kind: .none, line: line), body: body))
        case "with":
            next()
            return statement(try parseWith())
        case "generation":
            next()
            // The extension reads the end of the tag and the body as any block.
            let body = try parseBlock(until: ["endgeneration"])
            next()
            return statement(.generation(body))
        case "break", "continue":
            next()
            if loopDepth == 0 {
                outsideOfLoops.append(failure(name == "break" ? "'break' outside loop" : "'continue' not properly in loop", line: line))
            }
            return statement(name == "break" ? .break : .continue)
        case "include", "import", "extends", "from":
            while current.kind != .blockEnd, current.kind != .end { next() }
            return statement(.unavailable(name))
        default:
            openBlocks.removeLast()
            let error = unknownTag(name, endTags)
            openBlocks.append(name)
            throw error
        }
    }

    private mutating func parseFor() throws(JinjaError) -> JinjaForLoop {
        let target = try parseTarget()
        try expect(name: "in")
        let iterable = try parseTuple(withConditionals: false)
        let condition = skip(name: "if") ? try parseExpression() : nil
        loopDepth += 1
        let body = try parseBlock(until: ["endfor", "else"])
        loopDepth -= 1
        var otherwise: [JinjaStatement] = []
        if next().isName("else") {
            otherwise = try parseBlock(until: ["endfor"])
            next()
        }
        return JinjaForLoop(target, in: iterable, if: condition, body: body, otherwise: otherwise)
    }

    private mutating func parseIf() throws(JinjaError) -> JinjaStatement.Kind {
        var branches: [(test: JinjaExpression, body: [JinjaStatement])] = []
        conditionDepth += 1
        defer { conditionDepth -= 1 }
        while true {
            let test = try parseTuple(withConditionals: false)
            branches.append((test, try parseBlock(until: ["elif", "else", "endif"])))
            let tag = next()
            if tag.isName("elif") { continue }
            guard tag.isName("else") else { return .conditional(branches, otherwise: []) }
            let otherwise = try parseBlock(until: ["endif"])
            next()
            return .conditional(branches, otherwise: otherwise)
        }
    }

    private mutating func parseSet() throws(JinjaError) -> JinjaStatement.Kind {
        let target = try parseTarget(withNamespaces: true)
        if skip(.assign) { return .set(target, try parseTuple()) }
        let filter = try parseFilters(of: nil, startsInline: false)
        let body = try parseBlock(until: ["endset"])
        next()
        return .setBlock(target, filter: filter, body: body)
    }

    private mutating func parseMacro(named name: String?, until tag: String) throws(JinjaError) -> JinjaMacroDefinition {
        let (parameters, defaults) = try parseSignature()
        return try parseMacroBody(name, parameters, defaults, until: tag)
    }

    private mutating func parseMacroBody(
        _ name: String?, _ parameters: [String], _ defaults: [JinjaExpression], until tag: String
    ) throws(JinjaError) -> JinjaMacroDefinition {
        namesRead.append([])
        let loops = loopDepth
        let conditions = conditionDepth
        loopDepth = 0
        conditionDepth = 0
        let body = try parseBlock(until: [tag])
        loopDepth = loops
        conditionDepth = conditions
        next()
        let names = namesRead.popLast() ?? []
        if let last = namesRead.indices.last { namesRead[last].formUnion(names) }
        return JinjaMacroDefinition(name: name, parameters: parameters, defaults: defaults, body: body, names: names)
    }

    private mutating func parseSignature() throws(JinjaError) -> (parameters: [String], defaults: [JinjaExpression]) {
        var parameters: [String] = [], defaults: [JinjaExpression] = []
        try expect(.leftParenthesis)
        while current.kind != .rightParenthesis {
            if !parameters.isEmpty { try expect(.comma) }
            let name = try expectName()
            if skip(.assign) {
                defaults.append(try parseExpression())
            } else if !defaults.isEmpty {
                throw failure("non-default argument follows default argument")
            }
            parameters.append(name)
        }
        try expect(.rightParenthesis)
        return (parameters, defaults)
    }

    private mutating func parseCallBlock() throws(JinjaError) -> JinjaStatement.Kind {
        let line = current.line
        let (parameters, defaults) = current.kind == .leftParenthesis ? try parseSignature() : ([], [])
        let call = try parseExpression()
        guard case .call = call.kind else { throw failure("expected call", line: line) }
        return .callBlock(call, try parseMacroBody(nil, parameters, defaults, until: "endcall"))
    }

    private mutating func parseWith() throws(JinjaError) -> JinjaStatement.Kind {
        var values: [(target: JinjaTarget, value: JinjaExpression)] = []
        while current.kind != .blockEnd {
            if !values.isEmpty { try expect(.comma) }
            let target = try parseTarget()
            try expect(.assign)
            values.append((target, try parseExpression()))
        }
        let body = try parseBlock(until: ["endwith"])
        next()
        return .with(values, body: body)
    }

    private mutating func parseTarget(withNamespaces: Bool = false) throws(JinjaError) -> JinjaTarget {
        let line = current.line
        let expression = try parseTuple(isTarget: true, withNamespaces: withNamespaces)
        guard let target = Self.target(expression) else {
            throw failure("can't assign to \(PythonText.repr(expression.kind.nodeName))", line: line)
        }
        return target
    }

    private static func target(_ expression: JinjaExpression) -> JinjaTarget? {
        switch expression.kind {
        case .name(let name): return ["true", "false", "none", "True", "False", "None"].contains(name) ? nil : .name(name)
        case .attribute(let value, let attribute):
            guard case .name(let name) = value.kind else { return nil }
            return .attribute(of: name, attribute)
        case .tuple(let items):
            var targets: [JinjaTarget] = []
            for item in items {
                guard let target = target(item) else { return nil }
                targets.append(target)
            }
            return .tuple(targets)
        default: return nil
        }
    }
}

extension JinjaExpression.Kind {
    /// The name of the node in Jinja's messages.
    fileprivate var nodeName: String {
        switch self {
        case .none, .bool, .int, .float, .string: "const"
        case .name: "name"
        case .attribute: "nsref"
        case .list: "list"
        case .dict: "dict"
        case .tuple: "tuple"
        case .filter: "filter"
        case .call: "call"
        default: "expr"
        }
    }
}
