package import JSON

/// A JSON schema that no grammar can be made of.
package struct JSONSchemaError: Error, Equatable {
    /// Inside of the schema, such as `.properties.city.type`.
    package let path: String
    package let reason: String
    /// Whether no value satisfies the schema: one of several in `anyOf` may be so.
    package let isConflict: Bool

    package init(path: String, reason: String, isConflict: Bool = false) {
        self.path = path
        self.reason = reason
        self.isConflict = isConflict
    }
}

extension Grammar {
    /// JSON objects.
    package static var anyObject: Grammar {
        var builder = JSONGrammarBuilder()
        builder.grammar.start = builder.grammar.newRule()
        builder.grammar.define(builder.grammar.start, [[builder.object]])
        return builder.grammar
    }

    /// JSON that is valid with a schema.
    ///
    /// - Parameter isStrict: Throws for keywords that the grammar cannot express, such as `not`, instead of ignoring them.
    package init(jsonSchema schema: JSONElement, isStrict: Bool) throws(JSONSchemaError) {
        var compiler = JSONSchemaCompiler(root: schema, isStrict: isStrict)
        let value = try compiler.element()
        self = compiler.builder.grammar
        start = newRule()
        define(start, [[value]])
        if GrammarCompletion(self).alternatives[start] < 0 {
            throw JSONSchemaError(path: "", reason: "no value satisfies it: each contains another one without an end.", isConflict: true)
        }
    }
}

/// The parts of JSON as rules of a grammar.
struct JSONGrammarBuilder {
    var grammar = Grammar()
    /// Nothing, a space, or a line break with an indentation.
    let space: Grammar.Element
    /// Nothing or a space, behind a colon: no pretty printer begins a line there.
    let optionalSpace: Grammar.Element
    let character: Grammar.Element
    let multibyteCharacter: Grammar.Element
    let string: Grammar.Element
    let integer: Grammar.Element
    let number: Grammar.Element
    let boolean: Grammar.Element
    let object: Grammar.Element
    /// Any value.
    let value: Grammar.Element

    init() {
        var g = Grammar()
        // As in llama.cpp: a model that knows little would fill its answer with white space.
        let indentation = g.rule([[g.repeated(Grammar.text(" "), atMost: 20)], [g.repeated(Grammar.text("\t"), atLeast: 1, atMost: 10)]])
        let optionalSpace = g.optional(Grammar.text(" "))
        let space = g.rule([[], Grammar.text(" "), Grammar.text("\n") + [indentation]])
        let multibyte = Self.multibyteCharacter(&g), character = Self.character(&g, multibyte), characters = g.repeated([character])
        let string = g.rule([Grammar.text("\"") + [characters] + Grammar.text("\"")])

        let digit = Grammar.Element.range("0", "9"), moreDigits = g.repeated([digit], atMost: 15)
        let whole = g.rule([Grammar.text("0"), [.range("1", "9"), moreDigits]]), minus = g.optional(Grammar.text("-"))
        let fraction = g.optional(Grammar.text(".") + [digit, moreDigits])
        let sign = g.optional([.bytes(Grammar.ByteSet("+-".utf8))])
        let exponentDigits = g.repeated([digit], atLeast: 1, atMost: 2)          // three could be more than a number holds
        let exponent = g.optional([.bytes(Grammar.ByteSet("eE".utf8)), sign, exponentDigits])
        integer = g.rule([[minus, whole]])
        number = g.rule([[minus, whole, fraction, exponent]])
        boolean = g.rule([Grammar.text("true"), Grammar.text("false")])

        let object = g.newRule(), array = g.newRule()
        let value = g.rule([[.rule(object)], [.rule(array)], [string], [number], [boolean], Grammar.text("null")])
        let member = g.rule([[string] + Grammar.text(":") + [optionalSpace, value]])
        g.define(object, Self.list("{", "}", of: member, space, &g))
        g.define(array, Self.list("[", "]", of: value, space, &g))
        self.object = .rule(object)
        self.value = value
        self.space = space
        self.optionalSpace = optionalSpace
        self.character = character
        multibyteCharacter = multibyte
        self.string = string
        grammar = g
    }

    /// A string that is none of these, which are JSON with quotation marks.
    ///
    /// As long as it begins like one of them, it has no escapes, which could spell the same characters.
    mutating func string(otherThan names: [[UInt8]]) -> Grammar.Element {
        let rest = beginning(otherThan: names.map { $0[1...] })
        return grammar.rule([Grammar.text("\"") + [rest]])
    }

    /// - Parameter ends: What remains of the strings that begin as this one does.
    private mutating func beginning(otherThan ends: [ArraySlice<UInt8>]) -> Grammar.Element {
        let characters = grammar.repeated([character]), quote = UInt8(ascii: "\"")
        // Characters of several bytes, and escapes, are compared no further: what follows them may be any of these strings.
        let isPlain = { (byte: UInt8) in byte < 0x80 && byte != UInt8(ascii: "\\") }
        let next = Set(ends.compactMap(\.first)), others = (UInt8(0x20)...0x7F).filter { isPlain($0) && $0 != quote && !next.contains($0) }
        var alternatives: [[Grammar.Element]] = [[.bytes(Grammar.ByteSet(others)), characters] + Grammar.text("\"")]
        if !next.contains(quote) { alternatives.append(Grammar.text("\"")) }
        if next.allSatisfy(isPlain) { alternatives.append([multibyteCharacter, characters] + Grammar.text("\"")) }
        for byte in next.sorted() where isPlain(byte) && byte != quote {
            let rest = beginning(otherThan: ends.filter { $0.first == byte }.map { $0.dropFirst() })
            alternatives.append(Grammar.text(CollectionOfOne(byte)) + [rest])
        }
        return grammar.rule(alternatives)
    }

    /// A character of a string: valid UTF-8, or an escape.
    private static func character(_ g: inout Grammar, _ multibyte: Grammar.Element) -> Grammar.Element {
        let hex = Grammar.Element.bytes(Grammar.ByteSet("0123456789abcdefABCDEF".utf8))
        return g.rule([
            [.bytes(Grammar.ByteSet(0x20...0x21, 0x23...0x5B, 0x5D...0x7F))],
            Grammar.text("\\") + [.bytes(Grammar.ByteSet("\"\\/bfnrt".utf8))],
            // Halves of surrogate pairs are left out.
            Grammar.text("\\u") + [.bytes(Grammar.ByteSet("0123456789abcefABCEF".utf8)), hex, hex, hex],
            Grammar.text("\\u") + [.bytes(Grammar.ByteSet("dD".utf8)), .range("0", "7"), hex, hex],
            [multibyte],
        ])
    }

    private static func multibyteCharacter(_ g: inout Grammar) -> Grammar.Element {
        func set(_ range: ClosedRange<UInt8>) -> Grammar.Element { .bytes(Grammar.ByteSet(range)) }
        let next = set(0x80...0xBF)
        return g.rule([
            [set(0xC2...0xDF), next],
            [set(0xE0...0xE0), set(0xA0...0xBF), next], [set(0xE1...0xEC), next, next], [set(0xED...0xED), set(0x80...0x9F), next],
            [set(0xEE...0xEF), next, next],
            [set(0xF0...0xF0), set(0x90...0xBF), next, next], [set(0xF1...0xF3), next, next, next],
            [set(0xF4...0xF4), set(0x80...0x8F), next, next],
        ])
    }

    /// The alternatives of a list in brackets, without items and with any number of them.
    private static func list(
        _ open: String, _ close: String, of item: Grammar.Element, _ space: Grammar.Element, _ g: inout Grammar
    ) -> [[Grammar.Element]] {
        let more = g.repeated(Grammar.text(",") + [space, item])
        return [
            Grammar.text(open) + [space] + Grammar.text(close),
            Grammar.text(open) + [space, item, more, space] + Grammar.text(close),
        ]
    }
}
