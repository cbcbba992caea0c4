import JSON
import Tokenize

/// What somebody said. (Tokenize's `Conversation.Message`; the store has types of the same names.)
typealias Turn = Conversation.Message

extension Fields {
    static let longestText = 100_000, mostTurns = 1_000

    /// A list of what was said, an object with `role` and `content` each.
    ///
    /// - Parameter isOpenAI: Then a content may also be a list of parts, `developer` is the system, and names of people are passed over.
    func turns(_ name: String, isOpenAI: Bool = false) throws(Failure) -> [Turn]? {
        guard let value = self[name] else { return nil }
        guard let elements = value.elements else { throw .invalid(name, "expected a list, found \(value.kind.rawValue).") }
        var turns: [Turn] = []
        for element in elements {
            let place = "\(name)[\(turns.count)]"
            guard turns.count < Self.mostTurns else { throw .invalid(name, "expected at most \(Self.mostTurns) messages.") }
            guard let members = element.members else { throw .invalid(place, "expected an object, found \(element.kind.rawValue).") }
            if !isOpenAI, let other = members.lazy.compactMap(\.key.string).first(where: { $0 != "role" && $0 != "content" }) {
                throw .invalid("\(place).\(other.prefix(64))", "there is no such field.")
            }
            turns.append(Turn(try Self.role(element, place, isOpenAI), try Self.content(element, place, isOpenAI)))
        }
        return turns
    }

    private static func role(_ element: JSONElement, _ place: String, _ isOpenAI: Bool) throws(Failure) -> Conversation.Role {
        let text = element["role"]?.string
        if isOpenAI, text == "developer" { return .system }
        guard let role = text.flatMap(Conversation.Role.init) else {
            throw .invalid("\(place).role", "expected system, user or assistant.")
        }
        return role
    }

    private static func content(_ element: JSONElement, _ place: String, _ isOpenAI: Bool) throws(Failure) -> String {
        let place = "\(place).content", content = element["content"]
        var text = content?.string
        if isOpenAI, text == nil, let parts = content?.elements {
            text = ""
            for part in parts {
                guard part["type"]?.isString("text") ?? false, let said = part["text"]?.string else {
                    throw .invalid(place, "this model reads texts only.")
                }
                text = (text ?? "") + said
            }
        }
        guard let text else { throw .invalid(place, "expected a text, found \(content?.kind.rawValue ?? "nothing").") }
        guard text.unicodeScalars.count <= longestText else { throw .invalid(place, "expected at most \(longestText) characters.") }
        return text
    }
}

extension Turn {
    /// The same of a message that was stored.
    init(stored role: String, _ content: String) { self.init(Conversation.Role(rawValue: role) ?? .user, content) }
}
