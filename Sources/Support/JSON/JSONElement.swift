/// A value inside a document that was parsed. What it is not, it gives nil for.
///
///     root["merges"]?.elements?.compactMap(\.string)
///     if let vocab = root["vocab"]?.members { for (key, value) in vocab { … } }        // in the order of the file
///
/// Looking up a key walks along the object's members, jumping over what they hold: take a large object's members in one pass instead.
/// If a key is there twice, the later one counts, as in Python and in JavaScript; `members` has both.
package struct JSONElement {
    package enum Kind: String, Sendable {
        case object = "an object", array = "an array", string = "a string", number = "a number", boolean = "a boolean", null = "null"
    }

    private let tape: JSONTape
    private let place: Int

    init(_ tape: JSONTape, at place: Int) {
        self.tape = tape
        self.place = place
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

    /// A string's UTF-8.
    package var bytes: [UInt8]? { kind == .string ? tape.array(at: payload) : nil }

    /// Lends a string's UTF-8 where it lies.
    package func withBytes<Result, Failure: Error>(_ body: (Span<UInt8>) throws(Failure) -> Result) throws(Failure) -> Result? {
        guard kind == .string else { return nil }
        return try tape.withString(at: payload, body)
    }

    /// A number that was written without a point and an exponent, and that fits.
    package var integer: Int? {
        switch letter {
        case UInt8(ascii: "l"): Int(Int64(bitPattern: tape[place + 1]))
        case UInt8(ascii: "u"): Int(exactly: tape[place + 1])
        default: nil
        }
    }

    /// The same for numbers up to 2^64.
    package var unsigned: UInt64? {
        switch letter {
        case UInt8(ascii: "l"), UInt8(ascii: "u"):
            letter == UInt8(ascii: "u") ? tape[place + 1] : UInt64(exactly: Int64(bitPattern: tape[place + 1]))
        default: nil
        }
    }

    package var number: Double? {
        switch letter {
        case UInt8(ascii: "d"): Double(bitPattern: tape[place + 1])
        case UInt8(ascii: "l"): Double(Int64(bitPattern: tape[place + 1]))
        case UInt8(ascii: "u"): Double(tape[place + 1])
        default: nil
        }
    }

    package subscript(key: String) -> JSONElement? {
        guard kind == .object else { return nil }
        var i = place + 1, found: Int?
        while i < end - 1 {
            if tape.isString(key, at: i) { found = i + 1 }
            i = tape.end(of: i + 1)
        }
        return found.map { JSONElement(tape, at: $0) }
    }

    /// An object's members in the order in which they were written.
    package var members: Members? { kind == .object ? Members(tape, from: place + 1, to: end - 1) : nil }

    /// An array's elements.
    package var elements: Elements? { kind == .array ? Elements(tape, from: place + 1, to: end - 1) : nil }

    /// Whether this is a string and says just that.
    package func isString(_ text: String) -> Bool { tape.isString(text, at: place) }

    private var letter: UInt8 { tape.letter(at: place) }

    private var payload: Int { tape.payload(at: place) }

    fileprivate var end: Int { tape.end(of: place) }
}

extension JSONElement {
    /// The values of an array.
    package struct Elements: Sequence, IteratorProtocol {
        private let tape: JSONTape
        private var place: Int
        private let end: Int

        fileprivate init(_ tape: JSONTape, from place: Int, to end: Int) {
            self.tape = tape
            self.place = place
            self.end = end
        }

        package mutating func next() -> JSONElement? {
            guard place < end else { return nil }
            let value = JSONElement(tape, at: place)
            place = value.end
            return value
        }
    }

    /// The keys, which are strings, and values of an object.
    package struct Members: Sequence, IteratorProtocol {
        private var values: Elements

        fileprivate init(_ tape: JSONTape, from place: Int, to end: Int) { values = Elements(tape, from: place, to: end) }

        package mutating func next() -> (key: JSONElement, value: JSONElement)? {
            guard let key = values.next(), let value = values.next() else { return nil }
            return (key, value)
        }
    }
}
