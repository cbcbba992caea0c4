package import Corpus
import Files
import JSON
import Tokenize

/// A question that both models answer. Whether an answer is right is known only for some questions.
package struct GateQuestion: Sendable, Equatable {
    /// The owner's name for it; the line number by default.
    package let id: String
    package let text: String
    /// A right answer contains this text.
    package let expected: String?

    package init(id: String, text: String, expected: String?) {
        self.id = id
        self.text = text
        self.expected = expected
    }

    /// Reads a file of questions: JSON lines `{"text": "…", "expected": "…", "id": "…"}`, or lines of plain text.
    package static func read(_ path: String) throws -> [GateQuestion] {
        var parser = JSONParser()
        return try LineBlocks.nonEmptyLines(of: path).enumerated().map { index, line in
            let number = "\(index + 1)"
            guard line.first == "{" else { return GateQuestion(id: number, text: line, expected: nil) }
            do {
                let object = try parser.parse(line)
                return GateQuestion(
                    id: try object.string("id", default: number), text: try object.string("text"),
                    expected: object["expected"]?.string)
            } catch {
                throw EvaluationError.badQuestion(path: path, number: index + 1, reason: "\(error)")
            }
        }
    }

    /// The first questions of chats, for models whose owner has listed none.
    package static func first(_ limit: Int, of paths: [String], format: ChatFileFormat? = nil) throws -> [GateQuestion] {
        var reader = try ConversationReader(paths, format: format, skipsBad: true)
        var questions: [GateQuestion] = []
        try reader.forEach { conversation, _, _ in
            guard questions.count < limit, let first = conversation.messages.first, first.role == .user else { return }
            let text = String(decoding: first.text, as: UTF8.self)
            if questions.contains(where: { $0.text == text }) { return }
            questions.append(GateQuestion(id: "\(questions.count + 1)", text: text, expected: nil))
        }
        return questions
    }

    /// Whether an answer contains the expected one: the same words in the same order, whatever their case and punctuation. nil if no
    /// answer is expected.
    package func isRight(_ answer: String) -> Bool? {
        guard let expected else { return nil }
        let words = Self.words(expected), found = Self.words(answer)
        // Punctuation alone is compared as it is.
        if words.isEmpty { return answer.contains(expected) }
        return found.indices.contains { found[$0...].starts(with: words) }
    }

    private static func words(_ text: String) -> [String] {
        text.lowercased().split { !($0.isLetter || $0.isNumber) }.map(String.init)
    }
}
