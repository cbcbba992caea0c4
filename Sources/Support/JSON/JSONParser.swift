/// Parses JSON texts with simdjson and reuses its memory.
///
///     var parser = JSONParser()
///     let root = try parser.parse(#"{"user": "Hi", "ratings": [1, 2.5]}"#)
///     root["user"]?.string                                     // "Hi"
///     try root.string("assistant")                             // throws: "assistant": expected a string, found nothing
///
/// A document is parsed and validated completely, including UTF-8, numbers and escapes. A whole number outside -2^63 ..< 2^64 becomes a
/// Double. Malformed are: a number too large for a Double, an unpaired surrogate (`"\ud800"`), a byte-order mark, more than 1,024 levels,
/// and 4 GiB or more. Memory stays at some 5 times the longest text so far. One parser per thread.
package struct JSONParser: ~Copyable {
    private var memory = JSONTape.Memory()

    package init() {}

    /// Parses a text and returns its root value. The document stays in memory as long as the root or any value in it is referenced. Parsing
    /// many texts is fastest if the values of one are released before the next.
    package mutating func parse(_ text: Span<UInt8>) throws(JSONError) -> JSONElement {
        if !isKnownUniquelyReferenced(&memory) { memory = JSONTape.Memory() }
        let (tape, reason) = memory.parse(text)
        if let tape { return tape.root }
        let withDoubles = try JSONSyntaxChecker.replacingLargeIntegers(in: text, otherwise: reason)
        guard let tape = memory.parse(withDoubles.span).tape else { throw .malformed(offset: 0, expected: "JSON", found: reason) }
        return tape.root
    }

    package mutating func parse(_ text: [UInt8]) throws(JSONError) -> JSONElement { try parse(text.span) }

    package mutating func parse(_ text: String) throws(JSONError) -> JSONElement { try parse(Array(text.utf8)) }
}

extension JSONElement {
    /// Parses one text. For many texts, ``JSONParser`` reuses its memory.
    package init(parsing text: Span<UInt8>) throws(JSONError) {
        var parser = JSONParser()
        self = try parser.parse(text)
    }

    package init(parsing text: [UInt8]) throws(JSONError) { try self.init(parsing: text.span) }

    package init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }
}
