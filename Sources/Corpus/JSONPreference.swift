import JSON
import Tokenize

/// The preference formats of TRL, with one JSON object per line. Additional keys are ignored.
///
/// Prompts and answers are strings, a message of the user and one of the assistant, or arrays of messages. Pairs without a prompt begin
/// with the same messages, or the same text, which is then the prompt.
enum JSONPreference {
    /// Whether a line has the keys of a preference.
    static func isPreference(_ root: JSONElement) -> Bool {
        let (chosen, rejected) = (root["chosen"] != nil, root["rejected"] != nil)
        if chosen && rejected { return true }
        if root["messages"] != nil || root["user"] != nil || root["assistant"] != nil { return false }
        return chosen || rejected || (root["completion"] != nil && root["label"] != nil)
    }

    /// nil if an answer is empty, or both are the same.
    static func preference(_ root: JSONElement) throws(LineError) -> Preference? {
        guard var preference = try answers(root) else { return nil }
        preference.tools = try JSONChat.tools(root)
        return preference
    }

    private static func answers(_ root: JSONElement) throws(LineError) -> Preference? {
        if root["chosen"] != nil || root["rejected"] != nil { return try pair(root) }
        guard root["completion"] != nil || root["label"] != nil else {
            throw LineError(#"expected "chosen" and "rejected", or "completion" and "label", found neither"#)
        }
        guard let isGood = root["label"]?.boolean else {
            throw LineError(#""label": expected true or false, found \#(root["label"]?.kind.rawValue ?? "nothing")"#)
        }
        guard let prompt = root["prompt"] else { throw LineError(#"expected "prompt", found nothing"#) }
        let answer = try Answer(root["completion"], "completion").messages
        return try checked(Preference(prompt: try Self.prompt(prompt), .rated(answer, isGood: isGood)))
    }

    private static func pair(_ root: JSONElement) throws(LineError) -> Preference? {
        let chosen = try Answer(root["chosen"], "chosen"), rejected = try Answer(root["rejected"], "rejected")
        if let prompt = root["prompt"] {
            // UltraFeedback has the prompt as a string beside whole conversations.
            let holdsPrompt = prompt.kind == .string && chosen.isConversation && rejected.isConversation
            if !holdsPrompt {
                let prompt = try Self.prompt(prompt)
                return try checked(Preference(prompt: prompt, .pair(chosen: chosen.messages, rejected: rejected.messages)))
            }
        }
        switch (chosen, rejected) {
        case (.text(let a), .text(let b)):
            if let first = dialogue(a), let second = dialogue(b) { return try pairWithSharedMessages(first, second) }
            return try pairWithSharedText(a, b)
        case (.messages(let a), .messages(let b)): return try pairWithSharedMessages(a, b)
        default: throw LineError(#""chosen" and "rejected": expected two strings or two arrays, found one of each"#)
        }
    }

    private enum Answer {
        case text([UInt8]), messages([Conversation.Message])

        init(_ element: JSONElement?, _ key: String) throws(LineError) {
            if let element, element.kind == .array {
                self = .messages(try JSONChat.messages(element, key))
            } else {
                self = .text(try JSONChat.text(element, key))
            }
        }

        var messages: [Conversation.Message] {
            switch self {
            case .text(let text): [.init(.assistant, text.trimmed)]
            case .messages(let messages): messages
            }
        }

        /// Whether these are messages from the beginning of a conversation on.
        var isConversation: Bool { if case .messages(let messages) = self { messages.first?.role != .assistant } else { false } }
    }

    private static func prompt(_ element: JSONElement) throws(LineError) -> [Conversation.Message] {
        guard element.kind == .array else { return [.init(.user, try JSONChat.text(element, "prompt").trimmed)] }
        return try JSONChat.messages(element, "prompt")
    }

    private static func pairWithSharedMessages(
        _ chosen: [Conversation.Message], _ rejected: [Conversation.Message]
    ) throws(LineError) -> Preference? {
        if chosen == rejected { return nil }
        let shared = zip(chosen, rejected).prefix { $0 == $1 }.count
        guard shared > 0 else { throw LineError(#"expected "prompt", or "chosen" and "rejected" with the same first messages"#) }
        let pair = Preference.Answers.pair(chosen: Array(chosen[shared...]), rejected: Array(rejected[shared...]))
        return try checked(Preference(prompt: Array(chosen[..<shared]), pair))
    }

    /// The shared text ends before the word in which the answers differ.
    private static func pairWithSharedText(_ chosen: [UInt8], _ rejected: [UInt8]) throws(LineError) -> Preference? {
        if chosen == rejected { return nil }
        var shared = zip(chosen, rejected).prefix { $0 == $1 }.count
        while shared > 0, ![32, 10, 9].contains(chosen[shared - 1]) { shared -= 1 }
        let prompt = Array(chosen[..<shared]).trimmed
        guard !prompt.isEmpty else { throw LineError(#"expected "prompt", or "chosen" and "rejected" with the same beginning"#) }
        let answers = [chosen, rejected].map { Array($0[shared...]).trimmed }
        let pair = Preference.Answers.pair(chosen: [.init(.assistant, answers[0])], rejected: [.init(.assistant, answers[1])])
        return try checked(Preference(prompt: [.init(.user, prompt)], pair))
    }

    /// The messages of Anthropic's HH-RLHF: `\n\nHuman: Hi\n\nAssistant: Hello!`
    private static func dialogue(_ text: [UInt8]) -> [Conversation.Message]? {
        let marks: [(role: Conversation.Role, mark: [UInt8])] = [
            (.user, Array("\n\nHuman:".utf8)), (.assistant, Array("\n\nAssistant:".utf8)),
        ]
        guard text.starts(with: marks[0].mark) else { return nil }
        var messages: [Conversation.Message] = []
        var role = Conversation.Role.user, start = marks[0].mark.count, i = start
        while i < text.count {
            let rest = text[i...]
            if text[i] == 10, let next = marks.first(where: { rest.starts(with: $0.mark) }) {
                messages.append(.init(role, Array(text[start..<i]).trimmed))
                role = next.role
                i += next.mark.count
                start = i
            } else {
                i += 1
            }
        }
        return messages + [.init(role, Array(text[start...]).trimmed)]
    }

    private static func checked(_ preference: Preference) throws(LineError) -> Preference? {
        guard preference.prompt.contains(where: { $0.role == .user }) else {
            throw LineError("expected a prompt with a message of the user, found none")
        }
        if let empty = preference.prompt.first(where: \.isEmpty) { throw LineError("an empty \(empty.role.rawValue) message") }
        let answers: [[Conversation.Message]]
        switch preference.answers {
        case .pair(let chosen, let rejected):
            if chosen == rejected { return nil }
            answers = [chosen, rejected]
        case .rated(let answer, _): answers = [answer]
        }
        for answer in answers {
            guard let first = answer.first else { throw LineError("expected an answer of the assistant, found none") }
            guard first.role == .assistant else {
                throw LineError("expected an answer that begins with the assistant, found a message of the role \(first.role.rawValue)")
            }
            if answer.contains(where: \.isEmpty) { return nil }
        }
        return preference
    }
}
