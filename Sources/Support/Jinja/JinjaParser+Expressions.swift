extension JinjaParser {
    mutating func parseExpression(withConditionals: Bool = true) throws(JinjaError) -> JinjaExpression {
        try enter()
        defer { leave() }
        return withConditionals ? try parseConditional() : try parseOr()
    }

    private func checked(_ expression: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        guard expression.depth <= JinjaExpression.maxDepth else {
            throw JinjaError(.limit, "an expression has more than \(JinjaExpression.maxDepth) levels", line: expression.line)
        }
        return expression
    }

    private func chained(kind: JinjaExpression.Kind, line: Int) throws(JinjaError) -> JinjaExpression {
        try checked(JinjaExpression(kind: kind, line: line))
    }

    private mutating func parseConditional() throws(JinjaError) -> JinjaExpression {
        var line = current.line
        let firstUnknown = unknown.count
        var expression = try parseOr()
        while skip(name: "if") {
            for index in firstUnknown..<unknown.count { unknown[index].isConditional = true }
            conditionDepth += 1
            let test = try parseOr()
            let otherwise = skip(name: "else") ? try parseExpression() : nil
            conditionDepth -= 1
            expression = try chained(kind: .conditional(test: test, then: expression, otherwise: otherwise), line: line)
            line = current.line
        }
        return expression
    }

    private mutating func parseOr() throws(JinjaError) -> JinjaExpression {
        var line = current.line
        var left = try parseAnd()
        while skip(name: "or") {
            left = try chained(kind: .or(left, try parseAnd()), line: line)
            line = current.line
        }
        return left
    }

    private mutating func parseAnd() throws(JinjaError) -> JinjaExpression {
        var line = current.line
        var left = try parseNot()
        while skip(name: "and") {
            left = try chained(kind: .and(left, try parseNot()), line: line)
            line = current.line
        }
        return left
    }

    private mutating func parseNot() throws(JinjaError) -> JinjaExpression {
        guard current.isName("not") else { return try parseComparison() }
        let line = next().line
        try enter()
        defer { leave() }
        return JinjaExpression(kind: .not(try parseNot()), line: line)
    }

    private mutating func parseComparison() throws(JinjaError) -> JinjaExpression {
        let line = current.line
        let first = try parseSum()
        var comparisons: [JinjaExpression.Comparison] = []
        while true {
            if let operation = JinjaExpression.Comparison.Operator(rawValue: current.kind.rawValue) {
                next()
                comparisons.append(.init(operation: operation, operand: try parseSum()))
            } else if skip(name: "in") {
                comparisons.append(.init(operation: .contained, operand: try parseSum()))
            } else if current.isName("not"), following.isName("in") {
                next()
                next()
                comparisons.append(.init(operation: .notContained, operand: try parseSum()))
            } else {
                return comparisons.isEmpty ? first : JinjaExpression(kind: .compare(first, comparisons), line: line)
            }
        }
    }

    private mutating func parseSum() throws(JinjaError) -> JinjaExpression {
        var line = current.line
        var left = try parseConcatenation()
        while current.kind == .add || current.kind == .subtract {
            let operation: JinjaExpression.BinaryOperator = next().kind == .add ? .add : .subtract
            left = try chained(kind: .binary(operation, left, try parseConcatenation()), line: line)
            line = current.line
        }
        return left
    }

    private mutating func parseConcatenation() throws(JinjaError) -> JinjaExpression {
        let line = current.line
        var parts = [try parseProduct()]
        while skip(.tilde) { parts.append(try parseProduct()) }
        return parts.count == 1 ? parts[0] : JinjaExpression(kind: .concatenation(parts), line: line)
    }

    private mutating func parseProduct() throws(JinjaError) -> JinjaExpression {
        var line = current.line
        var left = try parsePower()
        while let operation = [JinjaToken.Kind.multiply: JinjaExpression.BinaryOperator.multiply, .divide: .divide,
            .floorDivide: .floorDivide, .modulo: .modulo][current.kind] {
            next()
            left = try chained(kind: .binary(operation, left, try parsePower()), line: line)
            line = current.line
        }
        return left
    }

    private mutating func parsePower() throws(JinjaError) -> JinjaExpression {
        var line = current.line
        var left = try parseUnary()
        while skip(.power) {
            left = try chained(kind: .binary(.power, left, try parseUnary()), line: line)
            line = current.line
        }
        return left
    }

    private mutating func parseUnary(withFilters: Bool = true) throws(JinjaError) -> JinjaExpression {
        let line = current.line
        var node: JinjaExpression
        switch current.kind {
        case .subtract, .add:
            let isNegative = next().kind == .subtract
            try enter()
            defer { leave() }
            let operand = try parseUnary(withFilters: false)
            node = try chained(kind: isNegative ? .negative(operand) : .positive(operand), line: line)
        default: node = try parsePrimary()
        }
        node = try parsePostfix(node)
        return withFilters ? try parseFilterExpression(node) : node
    }

    private mutating func parsePrimary(withNamespaces: Bool = false, isTarget: Bool = false) throws(JinjaError) -> JinjaExpression {
        let token = current
        func node(_ kind: JinjaExpression.Kind) -> JinjaExpression { JinjaExpression(kind: kind, line: token.line) }
        switch token.kind {
        case .name:
            next()
            let name = token.name ?? ""
            switch name {
            case "true", "True": return node(.bool(true))
            case "false", "False": return node(.bool(false))
            case "none", "None": return node(.none)
            default: break
            }
            if withNamespaces, skip(.dot) { return node(.attribute(node(.name(name)), try expectName())) }
            if !isTarget { noteRead(name) }
            return node(.name(name))
        case .string:
            var text = JinjaText(units: [])
            while current.kind == .string, case .text(let part) = current.value {
                text.append(part)
                next()
            }
            return node(.string(text))
        case .integer, .float:
            next()
            switch token.value {
            case .integer(let value): return node(.int(value))
            case .float(let value): return node(.float(value))
            default: return node(.none)
            }
        case .leftParenthesis:
            next()
            let tuple = try parseTuple(isParenthesized: true)
            try expect(.rightParenthesis)
            return tuple
        case .leftBracket: return try parseList()
        case .leftBrace: return try parseDict()
        default: throw failure("unexpected \(PythonText.repr(token.described))")
        }
    }

    /// Parses an expression, or several with commas as a tuple.
    mutating func parseTuple(
        isTarget: Bool = false, withConditionals: Bool = true, isParenthesized: Bool = false, withNamespaces: Bool = false
    ) throws(JinjaError) -> JinjaExpression {
        var line = current.line
        var items: [JinjaExpression] = []
        var isTuple = false
        try enter()
        defer { leave() }
        while true {
            if !items.isEmpty { try expect(.comma) }
            if [.variableEnd, .blockEnd, .rightParenthesis].contains(current.kind) { break }
            items.append(
                isTarget
                    ? try parsePrimary(withNamespaces: withNamespaces, isTarget: true)
                    : try parseExpression(withConditionals: withConditionals))
            guard current.kind == .comma else { break }
            isTuple = true
            line = current.line
        }
        if !isTuple {
            if let first = items.first { return first }
            if !isParenthesized { throw failure("Expected an expression, got \(PythonText.repr(current.described))") }
        }
        return JinjaExpression(kind: .tuple(items), line: line)
    }

    private mutating func parseList() throws(JinjaError) -> JinjaExpression {
        let line = try expect(.leftBracket).line
        var items: [JinjaExpression] = []
        while current.kind != .rightBracket {
            if !items.isEmpty { try expect(.comma) }
            if current.kind == .rightBracket { break }
            items.append(try parseExpression())
        }
        try expect(.rightBracket)
        return JinjaExpression(kind: .list(items), line: line)
    }

    private mutating func parseDict() throws(JinjaError) -> JinjaExpression {
        let line = try expect(.leftBrace).line
        var entries: [(key: JinjaExpression, value: JinjaExpression)] = []
        while current.kind != .rightBrace {
            if !entries.isEmpty { try expect(.comma) }
            if current.kind == .rightBrace { break }
            let key = try parseExpression()
            try expect(.colon)
            entries.append((key, try parseExpression()))
        }
        try expect(.rightBrace)
        return JinjaExpression(kind: .dict(entries), line: line)
    }

    private mutating func parsePostfix(_ start: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        var node = start
        while true {
            switch current.kind {
            case .dot, .leftBracket: node = try checked(try parseSubscript(node))
            case .leftParenthesis: node = try checked(try parseCall(node))
            default: return node
            }
        }
    }

    private mutating func parseFilterExpression(_ start: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        var node = start
        while true {
            if current.kind == .pipe {
                node = try parseFilters(of: node, startsInline: false) ?? node
            } else if current.isName("is") {
                node = try checked(try parseTest(node))
            } else if current.kind == .leftParenthesis {
                node = try checked(try parseCall(node))
            } else {
                return node
            }
        }
    }

    private mutating func parseSubscript(_ node: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        let token = next()
        if token.kind == .dot {
            let attribute = next()
            switch attribute.value {
            case .name(let name): return JinjaExpression(kind: .attribute(node, name), line: token.line)
            case .integer(let index):
                return JinjaExpression(kind: .item(node, JinjaExpression(kind: .int(index), line: token.line)), line: token.line)
            default: throw failure("expected name or number", line: attribute.line)
            }
        }
        var items: [JinjaExpression] = []
        while current.kind != .rightBracket {
            if !items.isEmpty { try expect(.comma) }
            items.append(try parseSubscribed())
        }
        try expect(.rightBracket)
        let item = items.count == 1 ? items[0] : JinjaExpression(kind: .tuple(items), line: token.line)
        return JinjaExpression(kind: .item(node, item), line: token.line)
    }

    private mutating func parseSubscribed() throws(JinjaError) -> JinjaExpression {
        let line = current.line
        var start: JinjaExpression?
        if !skip(.colon) {
            start = try parseExpression()
            guard skip(.colon) else { return start ?? JinjaExpression(kind: .none, line: line) }
        }
        func endsPart(_ kind: JinjaToken.Kind) -> Bool { kind == .rightBracket || kind == .comma }
        let stop = current.kind == .colon || endsPart(current.kind) ? nil : try parseExpression()
        let step = skip(.colon) && !endsPart(current.kind) ? try parseExpression() : nil
        return JinjaExpression(kind: .slice(start, stop, step), line: line)
    }

    private mutating func parseArguments() throws(JinjaError) -> JinjaCallArguments {
        let line = try expect(.leftParenthesis).line
        var arguments = JinjaCallArguments()
        var needsComma = false
        func ensure(_ condition: Bool) throws(JinjaError) {
            if !condition { throw JinjaError(.syntax, "invalid syntax for function call expression", line: line) }
        }
        while current.kind != .rightParenthesis {
            if needsComma {
                try expect(.comma)
                if current.kind == .rightParenthesis { break }
            }
            if skip(.multiply) {
                try ensure(arguments.unpacked == nil && arguments.unpackedKeywords == nil)
                arguments.unpacked = try parseExpression()
            } else if skip(.power) {
                try ensure(arguments.unpackedKeywords == nil)
                arguments.unpackedKeywords = try parseExpression()
            } else if let name = current.name, following.kind == .assign {
                try ensure(arguments.unpackedKeywords == nil)
                next()
                next()
                arguments.keywords.append((name, try parseExpression()))
            } else {
                try ensure(arguments.unpacked == nil && arguments.unpackedKeywords == nil && arguments.keywords.isEmpty)
                arguments.positional.append(try parseExpression())
            }
            needsComma = true
        }
        try expect(.rightParenthesis)
        return arguments
    }

    private mutating func parseCall(_ node: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        let line = current.line
        return JinjaExpression(kind: .call(node, try parseArguments()), line: line)
    }

    /// Parses `| name(arguments)`, any number of times. `startsInline`: the first has no "|", as after `{% filter`.
    mutating func parseFilters(of start: JinjaExpression?, startsInline: Bool) throws(JinjaError) -> JinjaExpression? {
        var node = start, isInline = startsInline
        while current.kind == .pipe || isInline {
            if !isInline { next() }
            isInline = false
            let line = current.line
            let name = try parseDottedName()
            let arguments = current.kind == .leftParenthesis ? try parseArguments() : JinjaCallArguments()
            if !JinjaFilter.exists(name) { noteUnknown("No filter named \(PythonText.repr(name)).", line: line) }
            node = try chained(kind: .filter(node, name, arguments), line: line)
        }
        return node
    }

    private mutating func parseDottedName() throws(JinjaError) -> String {
        var name = try expectName()
        while skip(.dot) { name += "." + (try expectName()) }
        return name
    }

    private mutating func noteUnknown(_ message: String, line: Int) { unknown.append((message, line, conditionDepth > 0)) }

    private mutating func parseTest(_ node: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        let line = next().line
        let isNegated = skip(name: "not")
        let name = try parseDottedName()
        var arguments = JinjaCallArguments()
        let starts: [JinjaToken.Kind] = [.name, .string, .integer, .float, .leftBracket, .leftBrace]
        if current.kind == .leftParenthesis {
            arguments = try parseArguments()
        } else if starts.contains(current.kind), !["else", "or", "and"].contains(where: { current.isName($0) }) {
            if current.isName("is") { throw failure("You cannot chain multiple tests with is") }
            arguments.positional = [try parsePostfix(try parsePrimary())]
        }
        if !JinjaTest.exists(name) { noteUnknown("No test named \(PythonText.repr(name)).", line: line) }
        let test = JinjaExpression(kind: .test(node, name, arguments), line: line)
        return isNegated ? JinjaExpression(kind: .not(test), line: line) : test
    }
}
