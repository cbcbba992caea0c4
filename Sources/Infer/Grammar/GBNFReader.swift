/// A grammar, a regular expression or a list of choices that a request gives as a text, and that cannot be used.
package struct GrammarTextError: Error, Equatable {
    package let reason: String

    package init(reason: String) { self.reason = reason }
}

extension Grammar {
    /// A grammar in llama.cpp's notation, GBNF.
    ///
    ///     root ::= item ("," item)*
    ///     item ::= [0-9]{1,3}                                  # a comment
    package init(gbnf source: String) throws(GrammarTextError) {
        var reader = GBNFReader(source)
        self = try reader.read()
    }
}

/// Reads GBNF: literals, classes of characters, `.`, groups, alternatives and quantifiers.
struct GBNFReader {
    private static let maxBytes = 200_000
    private static let maxCode = 400_000
    private static let maxRules = 50_000
    private static let maxDepth = 100
    private static let maxRepetitions = 2_000

    private let source: [Unicode.Scalar]
    private let isTooLong: Bool
    private var at = 0
    private var grammar = Grammar()
    private var rules: [String: Int] = [:]
    private var defined: Set<String> = []
    private var classes: [CodePointSet: Grammar.Element] = [:]

    init(_ text: String) {
        isTooLong = text.utf8.count > Self.maxBytes
        source = isTooLong ? [] : Array(text.unicodeScalars)
    }

    mutating func read() throws(GrammarTextError) -> Grammar {
        if isTooLong { throw GrammarTextError(reason: "expected at most \(Self.maxBytes) bytes.") }
        skipSpace(withLines: true)
        while next != nil {
            let name = try self.name(), rule = rule(name)
            skipSpace(withLines: true)
            guard take("::=") else { throw unexpected("::= after '\(name.prefix(40))'") }
            guard defined.insert(name).inserted else { throw GrammarTextError(reason: "'\(name.prefix(40))' is defined twice.") }
            skipSpace(withLines: true)
            let alternatives = try self.alternatives(depth: 0)
            grammar.define(rule, alternatives)
            guard next == nil || next?.isLineBreak == true else { throw unexpected("the end of the line") }
            skipSpace(withLines: true)
        }
        guard let root = rules["root"], defined.contains("root") else { throw GrammarTextError(reason: "expected a rule named root.") }
        if let name = rules.keys.filter({ !defined.contains($0) }).min() {
            throw GrammarTextError(reason: "the rule '\(name.prefix(40))' is used, but not defined.")
        }
        grammar.start = root
        if let rule = grammar.leftRecursiveRule {
            let name = rules.first { $0.value == rule }.map { " '\($0.key.prefix(40))'" } ?? ""
            throw GrammarTextError(reason: "the rule\(name) is left-recursive: it begins with itself. Use a repetition, such as item+.")
        }
        let completion = GrammarCompletion(grammar)
        for name in defined.sorted() where completion.alternatives[rules[name] ?? root] < 0 {
            throw GrammarTextError(reason: "the rule '\(name.prefix(40))' never ends: each of its alternatives uses it again.")
        }
        return grammar
    }

    // MARK: Rules

    private mutating func rule(_ name: String) -> Int {
        if let rule = rules[name] { return rule }
        let rule = grammar.newRule()
        rules[name] = rule
        return rule
    }

    private mutating func alternatives(depth: Int) throws(GrammarTextError) -> [[Grammar.Element]] {
        guard depth <= Self.maxDepth else { throw GrammarTextError(reason: "expected at most \(Self.maxDepth) groups in each other.") }
        var list = [try sequence(depth)]
        while take("|") {
            skipSpace(withLines: true)
            list.append(try sequence(depth))
        }
        return list
    }

    private mutating func sequence(_ depth: Int) throws(GrammarTextError) -> [Grammar.Element] {
        var sequence: [Grammar.Element] = []
        while let scalar = next, scalar != "|", scalar != ")", !scalar.isLineBreak {
            var part = try item(depth)
            skipSpace(withLines: depth > 0)
            while let scalar = next, "*+?{".unicodeScalars.contains(scalar) {
                part = [try quantified(part)]
                skipSpace(withLines: depth > 0)
            }
            sequence += part
            guard grammar.code.count + sequence.count <= Self.maxCode, grammar.rules.count <= Self.maxRules else {
                throw GrammarTextError(reason: "too large: expected at most \(Self.maxRules) rules with \(Self.maxCode) elements.")
            }
        }
        return sequence
    }

    private mutating func item(_ depth: Int) throws(GrammarTextError) -> [Grammar.Element] {
        switch next {
        case "\"": return try literal()
        case "[": return [try characterClass()]
        case ".":
            at += 1
            return [element(of: .all)]
        case "(":
            at += 1
            skipSpace(withLines: true)
            let group = try alternatives(depth: depth + 1)
            guard take(")") else { throw unexpected(")") }
            return [grammar.rule(group)]
        case "<", "!": throw GrammarTextError(reason: "tokens in angle brackets are not supported, at \(place).")
        default:
            let name = try self.name()
            return [.rule(rule(name))]
        }
    }

    private mutating func quantified(_ part: [Grammar.Element]) throws(GrammarTextError) -> Grammar.Element {
        if take("*") { return grammar.repeated(part) }
        if take("+") { return grammar.repeated(part, atLeast: 1) }
        if take("?") { return grammar.optional(part) }
        at += 1
        skipSpace(withLines: false)
        let least = number()
        skipSpace(withLines: false)
        var most = least
        let hasComma = take(",")
        if hasComma {
            skipSpace(withLines: false)
            most = number()
            skipSpace(withLines: false)
        }
        guard take("}"), least != nil || most != nil else { throw unexpected("{n}, {n,} or {n,m}") }
        let range = (least ?? 0, most)
        guard range.0 <= range.1 ?? .max, max(range.0, range.1 ?? 0) <= Self.maxRepetitions else {
            throw GrammarTextError(reason: "expected at most \(Self.maxRepetitions) repetitions, before \(place).")
        }
        return grammar.repeated(part, atLeast: range.0, atMost: range.1)
    }

    /// A larger number than is allowed is the same as any other.
    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = next, "0"..."9" ~= scalar {
            value = min((value ?? 0) * 10 + Int(scalar.value) - 48, Self.maxRepetitions + 1)
            at += 1
        }
        return value
    }

    // MARK: Characters

    private mutating func literal() throws(GrammarTextError) -> [Grammar.Element] {
        at += 1
        var text = String.UnicodeScalarView()
        while next != "\"" { text.append(try character()) }
        at += 1
        return Grammar.text(String(text))
    }

    private mutating func characterClass() throws(GrammarTextError) -> Grammar.Element {
        at += 1
        let isInverted = take("^")
        var ranges: [ClosedRange<UInt32>] = []
        while !take("]") {
            let first = try character()
            guard next == "-", at + 1 < source.count, source[at + 1] != "]" else {
                ranges.append(first.value...first.value)
                continue
            }
            at += 1
            let last = try character()
            guard first <= last else { throw GrammarTextError(reason: "expected a range of characters in order, before \(place).") }
            ranges.append(first.value...last.value)
        }
        let set = CodePointSet(ranges)
        return element(of: isInverted ? set.inverted : set)
    }

    private mutating func element(of set: CodePointSet) -> Grammar.Element {
        if let element = classes[set] { return element }
        let end = Automaton.State(accepts: true), start = Automaton.State(edges: set.ranges.map { Automaton.Edge(range: $0, target: 1) })
        let element = grammar.add(Automaton([start, end]), .plain)
        classes[set] = element
        return element
    }

    private mutating func character() throws(GrammarTextError) -> Unicode.Scalar {
        guard let scalar = next else { throw unexpected("a closing quotation mark or bracket") }
        at += 1
        guard scalar == "\\" else { return scalar }
        guard let letter = next else { throw unexpected("a character after \\") }
        at += 1
        switch letter {
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "x": return try hexadecimal(2)
        case "u": return try hexadecimal(4)
        case "U": return try hexadecimal(8)
        case "\\", "\"", "[", "]", "-", "^": return letter
        default: throw GrammarTextError(reason: "expected a known escape, found \\\(letter) before \(place).")
        }
    }

    private mutating func hexadecimal(_ digits: Int) throws(GrammarTextError) -> Unicode.Scalar {
        let end = min(at + digits, source.count), text = String(String.UnicodeScalarView(source[at..<end]))
        guard text.utf8.count == digits, let value = UInt32(text, radix: 16), let scalar = Unicode.Scalar(value) else {
            throw unexpected("\(digits) hexadecimal digits of a character")
        }
        at = end
        return scalar
    }

    // MARK: Reading

    private var next: Unicode.Scalar? { at < source.count ? source[at] : nil }

    private var place: String {
        let line = source[..<min(at, source.count)].count { $0 == "\n" } + 1
        return "line \(line)"
    }

    private func unexpected(_ expected: String) -> GrammarTextError {
        let found = next.map { $0.isLineBreak ? "the end of the line" : "'\($0)'" } ?? "the end"
        return GrammarTextError(reason: "expected \(expected), found \(found) in \(place).")
    }

    private mutating func take(_ text: String) -> Bool {
        guard source[min(at, source.count)...].starts(with: text.unicodeScalars) else { return false }
        at += text.unicodeScalars.count
        return true
    }

    private mutating func skipSpace(withLines: Bool) {
        while let scalar = next {
            if scalar == "#" {
                while next?.isLineBreak == false { at += 1 }
            } else if scalar == " " || scalar == "\t" || (withLines && scalar.isLineBreak) {
                at += 1
            } else {
                return
            }
        }
    }

    private mutating func name() throws(GrammarTextError) -> String {
        var name = String.UnicodeScalarView()
        while let scalar = next, scalar.isASCII, scalar.properties.isAlphabetic || scalar == "-" || scalar == "_" || "0"..."9" ~= scalar {
            name.append(scalar)
            at += 1
        }
        guard !name.isEmpty else { throw unexpected("a name, a text or a class of characters") }
        return String(name)
    }
}

extension Unicode.Scalar {
    fileprivate var isLineBreak: Bool { self == "\n" || self == "\r" }
}
