import HTTPServer
import JSON
import Store

/// The fields of a JSON request body. An invalid field throws an error that names it.
///
///     let fields = try RequestFields(of: request, known: ["message", "conversation_id"])
///     let message = try fields.text("message", 1...100_000)
///
/// A null field is the same as a missing one.
struct RequestFields {
    private let root: JSONElement?

    /// - Parameters:
    ///   - known: The allowed fields; nil allows and ignores any other field.
    ///   - mayBeEmpty: Whether an empty body is an object without fields.
    ///   - hasAnyType: Whether the body may have any media type, as that of `curl -d`.
    init(of request: Request, known: [String]?, mayBeEmpty: Bool = false, hasAnyType: Bool = false) throws(APIError) {
        if request.body.isEmpty, mayBeEmpty { root = nil; return }
        let type = request.header("content-type")?.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        guard hasAnyType || type == "application/json" else {
            throw .unsupportedMediaType("a JSON body with the header Content-Type: application/json")
        }
        let root: JSONElement
        do throws(JSONError) { root = try JSONElement(parsing: request.body) } catch { throw APIError(error) }
        request.releaseBody()
        guard let members = root.members else { throw .badRequest("Invalid body: expected a JSON object, found \(root.kind.rawValue).") }
        if let known { try Self.check(members, known) }
        self.root = root
    }

    private static func check(_ members: JSONElement.Members, _ known: [String]) throws(APIError) {
        for (key, _) in members {
            let key = key.string ?? ""
            if !known.contains(key) { throw .invalid(String(key.prefix(64)), "unknown field.") }
        }
    }

    init(_ root: JSONElement) { self.root = root }

    subscript(name: String) -> JSONElement? {
        guard let value = root?[name], !value.isNull else { return nil }
        return value
    }

    /// - Parameter length: In Unicode code points. If it excludes 0, the text must not be blank.
    func optionalText(_ name: String, _ length: ClosedRange<Int>) throws(APIError) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string else { throw .invalid(name, "expected a string, found \(value.kind.rawValue).") }
        let count = text.unicodeScalars.count
        guard length.contains(count) else {
            throw .invalid(name, "expected \(length.lowerBound) to \(length.upperBound) characters, found \(count).")
        }
        if length.lowerBound > 0, text.allSatisfy(\.isWhitespace) { throw .invalid(name, "expected text, found only whitespace.") }
        return text
    }

    func text(_ name: String, _ length: ClosedRange<Int>) throws(APIError) -> String {
        guard let text = try optionalText(name, length) else { throw .invalid(name, "expected a string, found nothing.") }
        return text
    }

    func integer(_ name: String) throws(APIError) -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = value.integer ?? value.number.flatMap({ Int(exactly: $0) }) else {
            throw .invalid(name, "expected an integer, found \(Self.description(of: value)).")
        }
        return number
    }

    /// A seed: an integer of 64 bits, signed or not. nil for -1, which asks for a random one, as in llama.cpp.
    func seed(_ name: String) throws(APIError) -> UInt64? {
        guard let value = self[name] else { return nil }
        if let number = value.unsigned ?? value.number.flatMap({ UInt64(exactly: $0) }) { return number }
        guard let number = value.number.flatMap({ Int64(exactly: $0) }) else {
            throw .invalid(name, "expected an integer of 64 bits, found \(Self.description(of: value)).")
        }
        return number == -1 ? nil : UInt64(bitPattern: number)
    }

    func number(_ name: String) throws(APIError) -> Double? {
        guard let value = self[name] else { return nil }
        guard let number = value.number else { throw .invalid(name, "expected a number, found \(Self.description(of: value)).") }
        return number
    }

    func boolean(_ name: String) throws(APIError) -> Bool? {
        guard let value = self[name] else { return nil }
        guard let boolean = value.boolean else { throw .invalid(name, "expected true or false, found \(Self.description(of: value)).") }
        return boolean
    }

    func list(_ name: String) throws(APIError) -> JSONElement.Elements? {
        guard let value = self[name] else { return nil }
        guard let elements = value.elements else { throw .invalid(name, "expected a list, found \(value.kind.rawValue).") }
        return elements
    }

    /// - Parameter known: The allowed fields of the object; nil allows any other field.
    func object(_ name: String, known: [String]? = nil) throws(APIError) -> RequestFields? {
        guard let value = self[name] else { return nil }
        guard let members = value.members else { throw .invalid(name, "expected an object, found \(value.kind.rawValue).") }
        if let known { try Self.check(members, known) }
        return RequestFields(value)
    }

    /// Shows numbers, but no text: it may be a password.
    private static func description(of value: JSONElement) -> String { value.number.map { "\($0)" } ?? value.kind.rawValue }
}

extension RequestFields {
    func integer(_ name: String, _ range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let number = try integer(name) else { return nil }
        guard range.contains(number) else {
            throw .invalid(name, "expected an integer from \(range.lowerBound) to \(range.upperBound), found \(number).")
        }
        return number
    }

    func number(_ name: String, _ range: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let number = try number(name) else { return nil }
        guard range.contains(number) else {
            throw .invalid(name, "expected a number from \(range.lowerBound) to \(range.upperBound), found \(number).")
        }
        return number
    }

    func choice<Choice: CaseIterable & RawRepresentable<String>>(_ name: String) throws(APIError) -> Choice? {
        guard let text = try optionalText(name, 0...64) else { return nil }
        return try Choice(text, of: name)
    }
}

extension Request {
    /// Parses an integer query parameter.
    func integer(_ name: String, _ range: ClosedRange<Int>, default defaultValue: Int) throws(APIError) -> Int {
        guard let text = query(name) else { return defaultValue }
        guard let number = Int(text), range.contains(number), text.first != "+" else {
            throw .invalid(name, "expected an integer from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }

    /// Parses a query parameter that is an identifier; nil if it is missing.
    func id<Kind>(_ name: String, of thing: String) throws(APIError) -> Identifier<Kind>? {
        guard let text = query(name) else { return nil }
        guard let id = Identifier<Kind>(text) else { throw .invalid(name, "expected the id of \(thing).") }
        return id
    }

    /// Parses a query parameter that is `true` or `false`.
    func flag(_ name: String) throws(APIError) -> Bool {
        switch query(name) {
        case nil, "false": false
        case "true": true
        default: throw .invalid(name, "expected true or false.")
        }
    }

    /// Parses a query parameter with a fixed set of values.
    func choice<Choice: CaseIterable & RawRepresentable<String>>(_ name: String, default defaultValue: Choice) throws(APIError) -> Choice {
        guard let text = query(name) else { return defaultValue }
        return try Choice(text, of: name)
    }
}

extension RawRepresentable<String> where Self: CaseIterable {
    /// Throws unless the text of a parameter or a field is one of the values.
    init(_ text: String, of name: String) throws(APIError) {
        guard let value = Self(rawValue: text) else {
            throw .invalid(name, "expected one of \(Self.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        self = value
    }
}

/// The order of a list that a request asks for.
enum ListOrder: String, CaseIterable { case asc, desc }

/// The part of a list that a request asks for.
struct PageParameters {
    let limit: Int
    let offset: Int

    init(_ request: Request) throws(APIError) {
        limit = try request.integer("limit", 1...200, default: 50)
        offset = try request.integer("offset", 0...Int(Int32.max), default: 0)
    }
}
