import Corpus
import Files
import Tokenize

/// Questions that a chat page can offer for a new chat: short first messages of the validation data, which the model was trained to answer.
///
///     checkpoint.servingDefaults.starterQuestions = try StarterQuestions.choose(from: data)
package enum StarterQuestions {
    /// The number of questions.
    private static let count = 4
    /// The allowed length of a question in characters.
    private static let lengths = 8...60
    /// The number of conversations to choose from.
    private static let searched = 2_000

    /// Chooses questions that begin with different words, in the order of the data.
    ///
    /// Chats that a server has collected are private, so questions never come from them.
    package static func choose(from data: TrainingData) throws -> [String] {
        guard let template = data.meta.template, !data.meta.sources.contains(where: { $0.format == .collected }) else { return [] }
        let reader = MessageReader(data.validation, template, try Tokenizer(data.vocabulary))
        var result: [String] = []
        var firstWords: Set<String> = []
        var remaining = searched
        try data.validation.forEachFirstExchange { exchange in
            remaining -= 1
            // A token has at most a few characters on average: longer messages need not be decoded. The tokens include what a Jinja
            // template writes around the message.
            if exchange.question.count <= 2 * lengths.upperBound + 32 {
                let text = String(try reader.question(of: exchange.question).trimming(while: \.isWhitespace))
                if isSuitable(text), firstWords.insert(firstWord(of: text)).inserted { result.append(text) }
            }
            return result.count < count && remaining > 0
        }
        return result
    }

    private static func isSuitable(_ text: String) -> Bool {
        lengths.contains(text.count) && text.contains(" ") && text.contains(where: \.isLetter)
            && text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control && $0 != "\u{FFFD}" }
    }

    private static func firstWord(of text: String) -> String {
        String(text.prefix { !$0.isWhitespace }).lowercased()
    }
}
