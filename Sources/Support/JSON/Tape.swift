internal import CSimdjson

/// A document as simdjson leaves it: a tape of words and the strings beside it (simdjson's doc/tape.md). The one place with pointers.
///
/// A word is a letter in its upper 8 bits and a payload in the others. Places on the tape come from the tape itself, so they need no check.
struct JSONTape {
    private let words: UnsafePointer<UInt64>
    private let strings: UnsafePointer<UInt8>
    /// Whose memory it is, and who does not parse anything else while this tape is there.
    private let memory: Memory

    /// Word 0 says where the tape ends.
    var root: JSONElement { JSONElement(self, at: 1) }

    @inline(__always)
    subscript(place: Int) -> UInt64 { words[place] }

    func letter(at place: Int) -> UInt8 { UInt8(truncatingIfNeeded: words[place] >> 56) }

    func payload(at place: Int) -> Int { Int(words[place] & 0x00FF_FFFF_FFFF_FFFF) }

    /// The place behind the value at this one: containers know their end, numbers have a second word.
    func end(of place: Int) -> Int {
        switch letter(at: place) {
        case UInt8(ascii: "{"), UInt8(ascii: "["): payload(at: place) & 0xFFFF_FFFF
        case UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "d"): place + 2
        default: place + 1
        }
    }

    func isString(_ text: String, at place: Int) -> Bool {
        guard letter(at: place) == UInt8(ascii: "\"") else { return false }
        let string = string(at: payload(at: place))
        return string.count == text.utf8.count && string.elementsEqual(text.utf8)
    }

    /// The string at an offset: its length in four bytes, then itself.
    @inline(__always)
    func withString<Result, Failure: Error>(at offset: Int, _ body: (Span<UInt8>) throws(Failure) -> Result) throws(Failure) -> Result {
        try body(string(at: offset).span)
    }

    func array(at offset: Int) -> [UInt8] { Array(string(at: offset)) }

    func text(at offset: Int) -> String { String(decoding: string(at: offset), as: UTF8.self) }

    private func string(at offset: Int) -> UnsafeBufferPointer<UInt8> {
        let length = UnsafeRawPointer(strings + offset).loadUnaligned(as: UInt32.self)
        return UnsafeBufferPointer(start: strings + offset + 4, count: Int(length))
    }
}

extension JSONTape {
    /// A parser of simdjson's, and with it the memory of its last document.
    final class Memory {
        private let parser: OpaquePointer

        init() {
            guard let parser = slm_json_create() else { fatalError("no memory for a JSON parser") }
            self.parser = parser
        }

        deinit { slm_json_destroy(parser) }

        /// The document, or what is wrong in simdjson's words, which know no place. No other tape may be left.
        func parse(_ text: Span<UInt8>) -> (tape: JSONTape?, reason: String) {
            var words: UnsafePointer<UInt64>?, strings: UnsafePointer<UInt8>?
            let error = text.withUnsafeBufferPointer { slm_json_parse(parser, $0.baseAddress, $0.count, &words, &strings) }
            guard error == 0, let words, let strings else { return (nil, String(cString: slm_json_error_text(error))) }
            return (JSONTape(words: words, strings: strings, memory: self), "")
        }
    }
}
