/// Reads JSON texts, one after the other, in memory that it keeps.
///
///     var parser = JSONParser()
///     let root = try parser.parse(#"{"user": "Hi", "scores": [1, 2.5]}"#)
///     root["user"]?.string                                     // "Hi"
///     try root.string("assistant")                             // throws: "assistant": expected a string, found nothing
///
/// A document is read whole and checked whole: UTF-8, numbers and escapes included. A whole number outside -2^63 ..< 2^64 is a Double.
/// These are
/// malformed: a number too large for a Double, half of a surrogate pair (`"\ud800"`), a byte-order mark, more than
/// 1,024 levels, 4 GiB and more. Memory stays at some 5 times the longest text so far; one parser for each thread.
package struct JSONParser: ~Copyable {
    private var memory = JSONTape.Memory()

    package init() {}

    /// The value that the text is. It stays valid, and keeps its memory, for as long as somebody holds it or a value inside it; parsing
    /// many
    /// texts is fastest when the values of one are gone before the next.
    package mutating func parse(_ text: Span<UInt8>) throws(JSONError) -> JSONElement {
        if !isKnownUniquelyReferenced(&memory) { memory = JSONTape.Memory() }
        let (tape, reason) = memory.parse(text)
        if let tape { return tape.root }
        let shorter = try JSONSyntaxChecker.textWithoutLongNumbers(text, otherwise: reason)
        guard let tape = memory.parse(shorter.span).tape else { throw .malformed(offset: 0, expected: "JSON", found: reason) }
        return tape.root
    }

    package mutating func parse(_ text: [UInt8]) throws(JSONError) -> JSONElement { try parse(text.span) }

    package mutating func parse(_ text: String) throws(JSONError) -> JSONElement { try parse(Array(text.utf8)) }
}
