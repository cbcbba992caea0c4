import HTTPServer
import JSON
import Store

/// Filters of chats in requests: query parameters of lists, and an object with the same names in bodies and in the settings of runs.
extension TrainingFilter {
    private static let names = TrainingFilter().members.map(\.name)

    init(_ request: Request) throws(APIError) { try self.init { request.query($0) } }

    /// - Parameter json: null and a missing member match all chats.
    init(_ json: JSONElement?) throws(APIError) {
        guard let json, !json.isNull else { self.init(); return }
        guard let members = json.members else { throw .invalid("filter", "expected an object, found \(json.kind.rawValue).") }
        var values: [String: String] = [:]
        for (key, value) in members {
            guard let name = key.string, Self.names.contains(name) else {
                throw .invalid("filter.\((key.string ?? "").prefix(64))", "unknown field.")
            }
            if value.isNull { continue }
            guard let text = value.string ?? value.integer.map({ "\($0)" }) else {
                throw .invalid("filter.\(name)", "expected a text or a number, found \(value.kind.rawValue).")
            }
            values[name] = text
        }
        try self.init { values[$0] }
    }

    /// - Parameter text: The value of a parameter; an empty one is not set.
    private init(_ text: (String) -> String?) throws(APIError) {
        func value(_ name: String) throws(APIError) -> String? {
            guard let value = text(name), !value.isEmpty else { return nil }
            guard value.unicodeScalars.count <= 200 else { throw .invalid(name, "expected at most 200 characters.") }
            return value
        }
        func choice<Choice: CaseIterable & RawRepresentable<String>>(_ name: String) throws(APIError) -> Choice? {
            guard let text = try value(name) else { return nil }
            return try Choice(text, of: name)
        }
        func time(_ name: String) throws(APIError) -> Timestamp? {
            guard let text = try value(name) else { return nil }
            if let time = Timestamp(dateOrTime: text) { return time }
            throw .invalid(name, "expected a date such as 2026-11-01 or a time such as 2026-11-01T00:00:00.000Z.")
        }
        func number(_ name: String) throws(APIError) -> Int? {
            guard let text = try value(name) else { return nil }
            guard let number = Int(text), number >= 0, number <= Int(Int32.max) else {
                throw .invalid(name, "expected an integer from 0 to \(Int32.max).")
            }
            return number
        }
        self.init()
        self.text = try value("q")
        state = try choice("state")
        rating = try choice("rating")
        tag = try value("tag")
        model = try value("model")
        source = try choice("source")
        person = try value("person").map { $0.hasPrefix(Self.personPrefix) ? String($0.dropFirst(Self.personPrefix.count)) : $0 }
        flag = try choice("flag")
        from = try time("from")
        to = try time("to")
        minTurns = try number("min_turns")
        maxTurns = try number("max_turns")
        minCharacters = try number("min_characters")
        maxCharacters = try number("max_characters")
    }

    static let personPrefix = "Person "
}
