extension Checkpoint {
    private static var field: String { "starter_questions" }

    /// Questions that a chat page can offer for a new chat. Stored as one string, one question per line.
    package var starterQuestions: [String] {
        get {
            guard case .text(let text)? = training[Self.field] else { return [] }
            return text.split(separator: "\n").map(String.init)
        }
        set { training[Self.field] = newValue.isEmpty ? nil : .text(newValue.joined(separator: "\n")) }
    }
}
