import HTTPServer
import JSON

/// The fields of a request's body. What is not as it should be is refused by its name.
///
///     let fields = try Fields(of: request, known: ["message", "conversation_id"])
///     let message = try fields.text("message", 1...100_000)
///
/// null says the same as nothing at all.
struct Fields {
    private let root: JSONElement?

    /// - Parameters:
    ///   - known: Any other field is refused; nil takes all, and those that nobody asks for mean nothing.
    ///   - mayBeEmpty: Whether no body is an object without fields.
    init(of request: Request, known: [String]?, mayBeEmpty: Bool = false) throws(Failure) {
        if request.body.isEmpty, mayBeEmpty { root = nil; return }
        let type = request.header("content-type")?.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        guard type == "application/json" else {
            throw Failure(
                status: .unsupportedType, code: "unsupported_media_type",
                message: "The body has to be JSON, and to say so: Content-Type: application/json")
        }
        var parser = JSONParser()
        let root: JSONElement
        do throws(JSONError) { root = try parser.parse(request.body) } catch { throw Failure(error) }
        guard let members = root.members else { throw .badRequest("The body is \(root.kind.rawValue), and has to be an object.") }
        if let known {
            for (key, _) in members {
                let key = key.string ?? ""
                if !known.contains(key) { throw .invalid(String(key.prefix(64)), "there is no such field.") }
            }
        }
        self.root = root
    }

    init(_ root: JSONElement) { self.root = root }

    subscript(name: String) -> JSONElement? {
        guard let value = root?[name], !value.isNull else { return nil }
        return value
    }

    /// - Parameter length: in characters, of which one at least is more than white space where there has to be one.
    func optionalText(_ name: String, _ length: ClosedRange<Int>) throws(Failure) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string else { throw .invalid(name, "expected a text, found \(value.kind.rawValue).") }
        let count = text.unicodeScalars.count
        guard length.contains(count) else {
            throw .invalid(name, "expected \(length.lowerBound) to \(length.upperBound) characters, found \(count).")
        }
        if length.lowerBound > 0, text.allSatisfy(\.isWhitespace) { throw .invalid(name, "expected more than white space.") }
        return text
    }

    func text(_ name: String, _ length: ClosedRange<Int>) throws(Failure) -> String {
        guard let text = try optionalText(name, length) else { throw .invalid(name, "expected a text, found nothing.") }
        return text
    }

    func integer(_ name: String) throws(Failure) -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = value.integer ?? value.number.flatMap({ Int(exactly: $0) }) else {
            throw .invalid(name, "expected a whole number, found \(Self.shown(value)).")
        }
        return number
    }

    func unsigned(_ name: String) throws(Failure) -> UInt64? {
        guard let value = self[name] else { return nil }
        guard let number = value.unsigned ?? value.number.flatMap({ UInt64(exactly: $0) }) else {
            throw .invalid(name, "expected a whole number from 0 to 18446744073709551615, found \(Self.shown(value)).")
        }
        return number
    }

    func number(_ name: String) throws(Failure) -> Double? {
        guard let value = self[name] else { return nil }
        guard let number = value.number else { throw .invalid(name, "expected a number, found \(Self.shown(value)).") }
        return number
    }

    func boolean(_ name: String) throws(Failure) -> Bool? {
        guard let value = self[name] else { return nil }
        guard let boolean = value.boolean else { throw .invalid(name, "expected true or false, found \(Self.shown(value)).") }
        return boolean
    }

    /// A number that is wrong is shown, what people wrote is not.
    private static func shown(_ value: JSONElement) -> String { value.number.map { "\($0)" } ?? value.kind.rawValue }
}

extension Request {
    /// A whole number of the query.
    func integer(_ name: String, _ range: ClosedRange<Int>, else other: Int) throws(Failure) -> Int {
        guard let text = query(name) else { return other }
        guard let number = Int(text), range.contains(number), text.first != "+" else {
            throw .invalid(
                name,
                range.upperBound == .max
                    ? "expected a whole number from \(range.lowerBound) on."
                    : "expected a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }

    /// One of several words of the query.
    func choice<Choice: CaseIterable & RawRepresentable<String>>(_ name: String, else other: Choice) throws(Failure) -> Choice {
        guard let text = query(name) else { return other }
        guard let choice = Choice(rawValue: text) else {
            throw .invalid(name, "expected one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return choice
    }
}
