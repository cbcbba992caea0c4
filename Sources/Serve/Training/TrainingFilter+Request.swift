import HTTPServer
import JSON
import Store

/// Filters of chats in requests: query parameters of lists, and an object with the same names in bodies and in the settings of runs.
extension TrainingFilter {
    init(_ request: Request) throws(APIError) { try self.init { request.query($0) } }

    /// - Parameter json: null and a missing member match all chats.
    init(_ json: JSONElement?) throws(APIError) {
        guard let json, !json.isNull else { self.init(); return }
        guard let members = json.members else { throw .invalid("filter", "expected an object, found \(json.kind.rawValue).") }
        var values: [String: String] = [:]
        for (key, value) in members {
            guard let name = key.string, Self.members.contains(where: { $0.name == name }) else {
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
        self.init()
        for member in Self.members {
            let name = member.name
            guard let text = text(name), !text.isEmpty else { continue }
            guard text.unicodeScalars.count <= 200 else { throw .invalid(name, "expected at most 200 characters.") }
            switch member.kind {
            case .text(let path): self[keyPath: path] = text
            case .choice(let choices, let path):
                guard choices.contains(text) else { throw .invalid(name, "expected one of \(choices.joined(separator: ", ")).") }
                self[keyPath: path] = text
            case .time(let path):
                guard let time = Timestamp(dateOrTime: text) else {
                    throw .invalid(name, "expected a date such as 2026-11-01 or a time such as 2026-11-01T00:00:00.000Z.")
                }
                self[keyPath: path] = time
            case .count(let path):
                guard let number = Int(text), number >= 0, number <= Int(Int32.max) else {
                    throw .invalid(name, "expected an integer from 0 to \(Int32.max).")
                }
                self[keyPath: path] = number
            }
        }
        if let person, person.hasPrefix(Self.personPrefix) { self.person = String(person.dropFirst(Self.personPrefix.count)) }
    }

    static let personPrefix = "Person "
}
