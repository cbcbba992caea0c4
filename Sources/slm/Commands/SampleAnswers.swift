import Autograd
import Corpus
import Infer
import Kernels
import Model
import Report
import Tokenize
import Train

/// What the model of the moment says to the same questions at each evaluation. It draws nothing at random and changes nothing, so that a
/// training goes on
/// as it would have without it.
struct SampleAnswers {
    private struct Question {
        let text: String
        let prompt: [TokenID]
        let expected: String?
    }

    /// So many tokens at most: each is a whole forward pass.
    private static let longest = 40
    private let questions: [Question]
    private let stops: [TokenID]
    private let tokenizer: Tokenizer
    private let answers: UncachedGenerator

    /// - Parameters:
    ///   - asked: questions to take instead of the first of `tokens`.
    ///   - tokens: text that is not learned from, if there is any.
    ///   - conversations: those of the text that are not, if some are.
    init(
        _ asked: [String], else tokens: TokenFile, in conversations: [Range<Int>]? = nil, _ form: ChatTemplate?, _ vocabulary: Vocabulary,
        _ trainer: Trainer,
        _ processor: Processor, _ type: DataType
    ) throws {
        let tokenizer = try Tokenizer(vocabulary)
        self.tokenizer = tokenizer
        answers = UncachedGenerator(of: trainer.model, trainer.parameters, on: processor, precision: type)
        let renderer = try form.map { try ChatRenderer($0, for: tokenizer) }, room = max(1, trainer.model.configuration.context / 2)
        stops = renderer?.stops ?? []
        if asked.isEmpty {
            questions = [Self.question(in: tokens, conversations, form, tokenizer, room: room)].compactMap { $0 }
        } else {
            var encoder = try Encoder(tokenizer), all: [Question] = []
            for text in asked {
                var prompt = ChatTokens()
                if let renderer {
                    try renderer.append(promptOf: [.init(.user, text)], with: &encoder, to: &prompt)
                } else {
                    prompt.ids = try tokenizer.ids(of: text)
                }
                if !prompt.ids.isEmpty { all.append(Question(text: text, prompt: prompt.ids, expected: nil)) }
            }
            questions = all
        }
    }

    /// A question of the text itself; of one in which nobody speaks, its beginning.
    private static func question(
        in tokens: TokenFile, _ conversations: [Range<Int>]?, _ form: ChatTemplate?, _ tokenizer: Tokenizer, room: Int
    ) -> Question? {
        var ids: [TokenID] = []
        func text(_ range: Range<Int>) -> String {
            tokens.read(range, into: &ids)
            let special = Set(tokenizer.vocabulary.specialTokens.map(\.id))
            return tokenizer.text(of: ids.filter { !special.contains($0) })
        }
        guard let form else {
            let beginning = 0..<min(tokens.count, room, 24), shown = text(beginning)
            return beginning.isEmpty ? nil : Question(text: shown, prompt: ids, expected: nil)
        }
        guard let found = tokens.firstExchange(of: 1...room, in: conversations) ?? tokens.firstExchange(of: 1...(.max), in: conversations)
        else { return nil }
        // Where a turn ends with a line, what follows is the next one's label.
        let line = { (text: String) in form == .humanAssistant ? String(text.drop { $0 == " " }.prefix { $0 != "\n" }) : text }
        let question = line(text(found.question))
        let expected = line(text(found.answer))
        tokens.read(found.prompt, into: &ids)
        return Question(text: question, prompt: ids, expected: expected)
    }

    func entries(at step: Int) -> [LogEntry.Answer] {
        questions.map { question in
            let ids = answers.completion(of: question.prompt, stoppingAt: stops, most: Self.longest)
            return LogEntry.Answer(step: step, question: question.text, answer: tokenizer.text(of: ids), expected: question.expected)
        }
    }
}
