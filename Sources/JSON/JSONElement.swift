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

    private let document: Document
    private let place: Int

    init(_ document: Document, at place: Int) { (self.document, self.place) = (document, place) }

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

    package var string: String? { kind == .string ? document.text(at: payload) : nil }

    /// A string's UTF-8.
    package var bytes: [UInt8]? { kind == .string ? document.array(at: payload) : nil }

    /// Lends a string's UTF-8 where it lies.
    package func withBytes<Result, Failure: Error>(_ body: (Span<UInt8>) throws(Failure) -> Result) throws(Failure) -> Result? {
        guard kind == .string else { return nil }
        return try document.withString(at: payload, body)
    }

    /// A number that was written without a point and an exponent, and that fits.
    package var integer: Int? {
        switch letter {
        case UInt8(ascii: "l"): Int(Int64(bitPattern: document.word(at: place + 1)))
        case UInt8(ascii: "u"): Int(exactly: document.word(at: place + 1))
        default: nil
        }
    }

    package var number: Double? {
        switch letter {
        case UInt8(ascii: "d"): Double(bitPattern: document.word(at: place + 1))
        case UInt8(ascii: "l"): Double(Int64(bitPattern: document.word(at: place + 1)))
        case UInt8(ascii: "u"): Double(document.word(at: place + 1))
        default: nil
        }
    }

    package subscript(key: String) -> JSONElement? {
        guard let members else { return nil }
        var found: JSONElement?
        for (name, value) in members where name.isString(key) { found = value }
        return found
    }

    /// An object's members in the order in which they were written.
    package var members: Members? { kind == .object ? Members(document, from: place + 1, to: end - 1) : nil }

    /// An array's elements.
    package var elements: Elements? { kind == .array ? Elements(document, from: place + 1, to: end - 1) : nil }

    /// Whether this is a string and says just that.
    package func isString(_ text: String) -> Bool {
        withBytes { bytes in
            let wanted = text.utf8Span.span
            guard bytes.count == wanted.count else { return false }
            for i in bytes.indices where bytes[i] != wanted[i] { return false }
            return true
        } ?? false
    }

    private var letter: UInt8 { UInt8(truncatingIfNeeded: document.word(at: place) >> 56) }

    private var payload: Int { Int(document.word(at: place) & 0x00FF_FFFF_FFFF_FFFF) }

    /// The place behind this value: containers know their end, numbers have a second word.
    fileprivate var end: Int {
        switch letter {
        case UInt8(ascii: "{"), UInt8(ascii: "["): payload & 0xFFFF_FFFF
        case UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "d"): place + 2
        default: place + 1
        }
    }
}

extension JSONElement {
    /// The values of an array.
    package struct Elements: Sequence, IteratorProtocol {
        private let document: Document
        private var place: Int
        private let end: Int

        fileprivate init(_ document: Document, from place: Int, to end: Int) { (self.document, self.place, self.end) = (document, place, end) }

        package mutating func next() -> JSONElement? {
            guard place < end else { return nil }
            let value = JSONElement(document, at: place)
            place = value.end
            return value
        }
    }

    /// The keys, which are strings, and values of an object.
    package struct Members: Sequence, IteratorProtocol {
        private var values: Elements

        fileprivate init(_ document: Document, from place: Int, to end: Int) { values = Elements(document, from: place, to: end) }

        package mutating func next() -> (key: JSONElement, value: JSONElement)? {
            guard let key = values.next(), let value = values.next() else { return nil }
            return (key, value)
        }
    }
}
