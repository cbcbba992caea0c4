/// Writes JSON, on one line or with one value per line.
///
///     let text = JSONWriter.text {
///         $0["user"] = "Hi"
///         $0.array("ratings") { $0.integer(1); $0.number(2.5) }
///     }                                                        // {"user":"Hi","ratings":[1,2.5]}
///
/// A number is written with the fewest digits that parse to the same value; infinity and NaN, which JSON lacks, become null. Invalid UTF-8
/// becomes U+FFFD. Only `"`, `\` and control characters are escaped.
package struct JSONWriter: Sendable {
    package enum Layout: Sendable {
        case oneLine, pretty
    }

    /// The output so far.
    package private(set) var bytes: [UInt8] = []
    private let layout: Layout
    private var depth = 0
    private var needsComma = false
    private var isAfterKey = false

    package init(_ layout: Layout = .oneLine) { self.layout = layout }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// An object, whose members `body` writes: `$0[key] = value`, `$0.object(key) { … }`, or a key, then a value.
    package static func bytes<Failure: Error>(
        _ layout: Layout = .oneLine, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) -> [UInt8] {
        var writer = JSONWriter(layout)
        try writer.object(body)
        return writer.bytes
    }

    package static func text<Failure: Error>(
        _ layout: Layout = .oneLine, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) -> String {
        String(decoding: try bytes(layout, body), as: UTF8.self)
    }

    /// The contents of a file: an object with one value per line, and a line end.
    package static func file<Failure: Error>(_ body: (inout JSONWriter) throws(Failure) -> Void) throws(Failure) -> [UInt8] {
        try bytes(.pretty, body) + [UInt8(ascii: "\n")]
    }

    /// Writes an object, as ``bytes(_:_:)`` does.
    package mutating func object<Failure: Error>(_ body: (inout JSONWriter) throws(Failure) -> Void) throws(Failure) {
        try nest("{", "}", body)
    }

    package mutating func array<Failure: Error>(_ body: (inout JSONWriter) throws(Failure) -> Void) throws(Failure) {
        try nest("[", "]", body)
    }

    /// Writes a member of an object that is an object itself.
    package mutating func object<Failure: Error>(
        _ key: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.key(key)
        try object(body)
    }

    package mutating func array<Failure: Error>(
        _ key: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.key(key)
        try array(body)
    }

    /// Writes a member that is an array with an object for each element.
    package mutating func objects<Elements: Sequence, Failure: Error>(
        _ key: String, _ elements: Elements, _ body: (Elements.Element, inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.key(key)
        try objects(elements, body)
    }

    /// Writes an array with an object for each element.
    package mutating func objects<Elements: Sequence, Failure: Error>(
        _ elements: Elements, _ body: (Elements.Element, inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        try array { list throws(Failure) in
            for element in elements { try list.object { object throws(Failure) in try body(element, &object) } }
        }
    }

    package mutating func key(_ key: String) { self.key(key.utf8) }

    package mutating func key(_ key: some Collection<UInt8>) {
        begin()
        quote(key)
        bytes.append(contentsOf: layout == .pretty ? [UInt8(ascii: ":"), UInt8(ascii: " ")] : [UInt8(ascii: ":")])
        isAfterKey = true
    }

    /// Writes a member of an object; null for nil.
    package subscript(key: String) -> String? {
        @available(*, unavailable, message: "a writer has no members to read") get { nil }
        set { member(key, newValue) { $0.string($1) } }
    }

    package subscript<Text: Collection<UInt8>>(key: String) -> Text? {
        @available(*, unavailable, message: "a writer has no members to read") get { nil }
        set { member(key, newValue) { $0.string($1) } }
    }

    package subscript<Number: BinaryInteger>(key: String) -> Number? {
        @available(*, unavailable, message: "a writer has no members to read") get { nil }
        set { member(key, newValue) { $0.integer($1) } }
    }

    package subscript(key: String) -> Double? {
        @available(*, unavailable, message: "a writer has no members to read") get { nil }
        set { member(key, newValue) { $0.number($1) } }
    }

    package subscript(key: String) -> Bool? {
        @available(*, unavailable, message: "a writer has no members to read") get { nil }
        set { member(key, newValue) { $0.boolean($1) } }
    }

    package subscript(key: String) -> [String]? {
        @available(*, unavailable, message: "a writer has no members to read") get { nil }
        set { member(key, newValue) { writer, list in writer.array { for text in list { $0.string(text) } } } }
    }

    private mutating func member<Value>(_ key: String, _ value: Value?, _ write: (inout JSONWriter, Value) -> Void) {
        self.key(key)
        if let value { write(&self, value) } else { null() }
    }

    package mutating func string(_ text: String) { string(text.utf8) }

    package mutating func string(_ text: some Collection<UInt8>) {
        begin()
        quote(text)
    }

    package mutating func integer(_ number: some BinaryInteger) { raw(number.description) }

    package mutating func number(_ number: Double) { raw(number.isFinite ? number.description : "null") }

    package mutating func boolean(_ value: Bool) { raw(value ? "true" : "false") }

    package mutating func null() { raw("null") }

    package mutating func null(_ key: String) {
        self.key(key)
        null()
    }

    /// Writes a value that is JSON already.
    package mutating func json(_ text: String) { raw(text) }

    /// Writes a member whose value is JSON already; null for nil.
    package mutating func json(_ key: String, _ text: String?) { member(key, text) { $0.json($1) } }

    /// Ends the line, so that another document can follow.
    package mutating func newline() {
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    private mutating func raw(_ text: String) {
        begin()
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func nest<Failure: Error>(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        begin()
        bytes.append(UInt8(ascii: open))
        depth = depth + 1
        needsComma = false
        try body(&self)
        depth -= 1
        if needsComma { breakLine() }
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }

    /// Starts a key or a value: writes a comma, unless it is the first in its container or follows its key.
    private mutating func begin() {
        if isAfterKey {
            isAfterKey = false
            return
        }
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        if depth > 0 { breakLine() }
        needsComma = true
    }

    private mutating func breakLine() {
        guard layout == .pretty else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
    }

    private mutating func quote(_ text: some Collection<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        escape(Array(text))
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends a text with escapes; characters between escapes are appended in runs.
    private mutating func escape(_ text: [UInt8]) {
        var start = 0
        var isASCII = true
        for (i, byte) in text.enumerated() {
            if byte >= 0x80 { isASCII = false }
            guard byte < 32 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            append(text[start..<i], isASCII: isASCII)
            start = i + 1
            isASCII = true
            bytes.append(UInt8(ascii: "\\"))
            switch byte {
            case 8: bytes.append(UInt8(ascii: "b"))
            case 9: bytes.append(UInt8(ascii: "t"))
            case 10: bytes.append(UInt8(ascii: "n"))
            case 12: bytes.append(UInt8(ascii: "f"))
            case 13: bytes.append(UInt8(ascii: "r"))
            case 0..<32: bytes.append(contentsOf: ("u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16)).utf8)
            default: bytes.append(byte)
            }
        }
        append(text[start...], isASCII: isASCII)
    }

    private mutating func append(_ run: ArraySlice<UInt8>, isASCII: Bool) {
        if isASCII {
            bytes.append(contentsOf: run)
        } else {
            bytes.append(contentsOf: String(decoding: run, as: UTF8.self).utf8)     // replaces invalid UTF-8
        }
    }
}
