internal import CSimdjson

/// A document as simdjson stores it: a tape of 64-bit words, and a buffer of strings (simdjson's doc/tape.md). All pointers are in this
/// file.
///
/// A word is a letter in its upper 8 bits and a payload in the others. Indices come from the tape itself, so they are not checked.
struct JSONTape {
    private let words: UnsafePointer<UInt64>
    private let strings: UnsafePointer<UInt8>
    /// Owns both buffers, and parses nothing else while this tape exists.
    private let memory: Memory

    /// Word 0 contains the length of the tape.
    var root: JSONElement { JSONElement(self, at: 1) }

    @inline(__always)
    subscript(index: Int) -> UInt64 { words[index] }

    func letter(at index: Int) -> UInt8 { UInt8(truncatingIfNeeded: words[index] >> 56) }

    func payload(at index: Int) -> Int { Int(words[index] & 0x00FF_FFFF_FFFF_FFFF) }

    /// The index after a value: containers store it, numbers have a second word.
    func end(of index: Int) -> Int {
        switch letter(at: index) {
        case UInt8(ascii: "{"), UInt8(ascii: "["): payload(at: index) & 0xFFFF_FFFF
        case UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "d"): index + 2
        default: index + 1
        }
    }

    func isString(_ text: String, at index: Int) -> Bool {
        guard letter(at: index) == UInt8(ascii: "\"") else { return false }
        let string = string(at: payload(at: index))
        return string.count == text.utf8.count && string.elementsEqual(text.utf8)
    }

    /// Lends the string at an offset of the string buffer.
    @inline(__always)
    func withString<Result, Failure: Error>(at offset: Int, _ body: (Span<UInt8>) throws(Failure) -> Result) throws(Failure) -> Result {
        try body(string(at: offset).span)
    }

    func array(at offset: Int) -> [UInt8] { Array(string(at: offset)) }

    func text(at offset: Int) -> String { String(decoding: string(at: offset), as: UTF8.self) }

    /// A string is its length in four bytes, followed by its bytes.
    private func string(at offset: Int) -> UnsafeBufferPointer<UInt8> {
        let length = UnsafeRawPointer(strings + offset).loadUnaligned(as: UInt32.self)
        return UnsafeBufferPointer(start: strings + offset + 4, count: Int(length))
    }
}

extension JSONTape {
    /// A simdjson parser, which owns the memory of its last document.
    final class Memory {
        private let parser: OpaquePointer

        init() {
            guard let parser = slm_json_create() else { fatalError("out of memory for a JSON parser") }
            self.parser = parser
        }

        deinit { slm_json_destroy(parser) }

        /// Parses a document, or returns simdjson's error message, which has no offset. No other tape of this memory may exist.
        func parse(_ text: Span<UInt8>) -> (tape: JSONTape?, reason: String) {
            var words: UnsafePointer<UInt64>?
            var strings: UnsafePointer<UInt8>?
            let error = text.withUnsafeBufferPointer { slm_json_parse(parser, $0.baseAddress, $0.count, &words, &strings) }
            guard error == 0, let words, let strings else { return (nil, String(cString: slm_json_error_text(error))) }
            return (JSONTape(words: words, strings: strings, memory: self), "")
        }
    }
}
