/// A value in a parsed document. Its accessors return nil if it has another type.
///
///     root["merges"]?.elements?.compactMap(\.string)
///     if let vocab = root["vocab"]?.members { for (key, value) in vocab { … } }        // in the order of the file
///
/// A key lookup walks over the object's members, skipping their contents: iterate over `members` of a large object instead. Of duplicate
/// keys the last one counts, as in Python and JavaScript; `members` contains all.
package struct JSONElement {
    package enum Kind: String, Sendable {
        case object = "an object"
        case array = "an array"
        case string = "a string"
        case number = "a number"
        case boolean = "a boolean"
        case null = "null"
    }

    private let tape: JSONTape
    /// The index of the value's first word on the tape.
    private let index: Int

    init(_ tape: JSONTape, at index: Int) {
        self.tape = tape
        self.index = index
    }

    package var kind: Kind {
        switch letter {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .boolean
        case UInt8(ascii: "n"): .null
        default: .number
        }
    }

    package var isNull: Bool { kind == .null }

    package var boolean: Bool? { kind == .boolean ? letter == UInt8(ascii: "t") : nil }

    package var string: String? { kind == .string ? tape.text(at: payload) : nil }

    /// The UTF-8 of a string.
    package var bytes: [UInt8]? { kind == .string ? tape.array(at: payload) : nil }

    /// Lends the UTF-8 of a string without a copy.
    package func withBytes<Result, Failure: Error>(_ body: (Span<UInt8>) throws(Failure) -> Result) throws(Failure) -> Result? {
        guard kind == .string else { return nil }
        return try tape.withString(at: payload, body)
    }

    /// A number written without a decimal point and an exponent, if it fits.
    package var integer: Int? {
        switch letter {
        case UInt8(ascii: "l"): Int(Int64(bitPattern: tape[index + 1]))
        case UInt8(ascii: "u"): Int(exactly: tape[index + 1])
        default: nil
        }
    }

    /// The same, for 0 to 2^64 − 1.
    package var unsigned: UInt64? {
        switch letter {
        case UInt8(ascii: "u"): tape[index + 1]
        case UInt8(ascii: "l"): UInt64(exactly: Int64(bitPattern: tape[index + 1]))
        default: nil
        }
    }

    package var number: Double? {
        switch letter {
        case UInt8(ascii: "d"): Double(bitPattern: tape[index + 1])
        case UInt8(ascii: "l"): Double(Int64(bitPattern: tape[index + 1]))
        case UInt8(ascii: "u"): Double(tape[index + 1])
        default: nil
        }
    }

    package subscript(key: String) -> JSONElement? {
        guard kind == .object else { return nil }
        var i = index + 1
        var found: Int?
        while i < end - 1 {
            if tape.isString(key, at: i) { found = i + 1 }
            i = tape.end(of: i + 1)
        }
        return found.map { JSONElement(tape, at: $0) }
    }

    /// The members of an object, in the order of the document.
    package var members: Members? { kind == .object ? Members(tape, from: index + 1, to: end - 1) : nil }

    /// The elements of an array.
    package var elements: Elements? { kind == .array ? Elements(tape, from: index + 1, to: end - 1) : nil }

    /// Whether this is a string equal to `text`.
    package func isString(_ text: String) -> Bool { tape.isString(text, at: index) }

    private var letter: UInt8 { tape.letter(at: index) }

    private var payload: Int { tape.payload(at: index) }

    fileprivate var end: Int { tape.end(of: index) }
}

extension JSONElement {
    /// The values of an array.
    package struct Elements: Sequence, IteratorProtocol {
        private let tape: JSONTape
        private var index: Int
        private let end: Int

        fileprivate init(_ tape: JSONTape, from index: Int, to end: Int) {
            self.tape = tape
            self.index = index
            self.end = end
        }

        package mutating func next() -> JSONElement? {
            guard index < end else { return nil }
            let value = JSONElement(tape, at: index)
            index = value.end
            return value
        }
    }

    /// The keys, which are strings, and values of an object.
    package struct Members: Sequence, IteratorProtocol {
        private var values: Elements

        fileprivate init(_ tape: JSONTape, from index: Int, to end: Int) { values = Elements(tape, from: index, to: end) }

        package mutating func next() -> (key: JSONElement, value: JSONElement)? {
            guard let key = values.next(), let value = values.next() else { return nil }
            return (key, value)
        }
    }
}
