internal import CSimdjson

/// The one place that sees simdjson's memory: a tape of words and the strings beside it (simdjson's doc/tape.md).
///
/// A word is a letter in its upper 8 bits and a payload in the others. Places on the tape come from the tape itself, so they need no check.
final class Document {
    private let parser: OpaquePointer
    private var tape: UnsafePointer<UInt64>?
    private var strings: UnsafePointer<UInt8>?

    init() {
        guard let parser = slm_json_create() else { fatalError("no memory for a JSON parser") }
        self.parser = parser
    }

    deinit { slm_json_destroy(parser) }

    /// What is wrong in simdjson's words, which know no place; nil if nothing is.
    func parse(_ text: Span<UInt8>) -> String? {
        (tape, strings) = (nil, nil)
        let error = text.withUnsafeBufferPointer { slm_json_parse(parser, $0.baseAddress, $0.count, &tape, &strings) }
        return error == 0 ? nil : String(cString: slm_json_error_text(error))
    }

    /// Word 0 says where the tape ends.
    var root: JSONElement { JSONElement(self, at: 1) }

    @inline(__always)
    func word(at place: Int) -> UInt64 {
        guard let tape else { fatalError("a JSON document without a tape") }
        return tape[place]
    }

    /// The string at an offset: its length in four bytes, then itself.
    @inline(__always)
    func withString<Result, Failure: Error>(at offset: Int, _ body: (Span<UInt8>) throws(Failure) -> Result) throws(Failure) -> Result {
        guard let strings else { fatalError("a JSON document without strings") }
        let length = UnsafeRawPointer(strings + offset).loadUnaligned(as: UInt32.self)
        return try body(UnsafeBufferPointer(start: strings + offset + 4, count: Int(length)).span)
    }

    func array(at offset: Int) -> [UInt8] {
        guard let strings else { fatalError("a JSON document without strings") }
        let length = UnsafeRawPointer(strings + offset).loadUnaligned(as: UInt32.self)
        return Array(UnsafeBufferPointer(start: strings + offset + 4, count: Int(length)))
    }

    func text(at offset: Int) -> String {
        guard let strings else { fatalError("a JSON document without strings") }
        let length = UnsafeRawPointer(strings + offset).loadUnaligned(as: UInt32.self)
        return String(decoding: UnsafeBufferPointer(start: strings + offset + 4, count: Int(length)), as: UTF8.self)
    }
}
