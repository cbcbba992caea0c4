package import Infer
package import Tokenize

/// A conversation that goes on: what was said, and how answers are drawn.
///
///     var session = ChatSession(config: config)
///     let request = session.ask("Hi")
///     session.take(try backend.wholeAnswer(to: request))
///     session.ask("And then?")                                 // knows the first
package struct ChatSession: Sendable {
    /// Of users and assistants, without the one that waits for its answer.
    package private(set) var messages: [Conversation.Message] = []
    package var system: String?
    package var config: GenerationConfig
    package var policy: HistoryPolicy
    /// The question that waits.
    private var question: Conversation.Message?
    /// How often the last question was asked: with a seed, each time draws with another.
    private var attempts: UInt64 = 0
    package private(set) var totals = Totals()
    package private(set) var last: WholeAnswer?

    package struct Totals: Sendable, Equatable {
        package var answers = 0, promptTokens = 0, answerTokens = 0
        package var timings = AnswerTimings()

        package init() {}
    }

    package init(config: GenerationConfig = GenerationConfig(), system: String? = nil, policy: HistoryPolicy = .oldestTurns) {
        (self.config, self.system, self.policy) = (config, system, policy)
    }

    /// The whole conversation, with what the system says.
    package var conversation: Conversation { Conversation((system.map { [.init(.system, $0)] } ?? []) + messages) }

    package mutating func ask(_ text: String) -> AnswerRequest {
        (question, attempts) = (.init(.user, text), 0)
        return request
    }

    /// The last question once more, without its answer; nil if nothing was asked.
    package mutating func askAgain() -> AnswerRequest? {
        guard let place = messages.lastIndex(where: { $0.role == .user }) else { return nil }
        question = messages[place]
        messages.removeSubrange(place...)
        attempts += 1
        return request
    }

    private var request: AnswerRequest {
        AnswerRequest(.chat(conversation.messages + (question.map { [$0] } ?? [])), config.drawing(again: attempts), policy: policy)
    }

    /// The answer to what was asked. One that broke off stays as far as it came; a question without any answer is forgotten.
    package mutating func take(_ answer: WholeAnswer) {
        defer { question = nil }
        last = answer
        totals.answers += 1
        totals.promptTokens += answer.end.promptTokens
        totals.answerTokens += answer.end.answerTokens
        totals.timings.waited += answer.end.timings.waited
        totals.timings.prompt += answer.end.timings.prompt
        totals.timings.answer += answer.end.timings.answer
        guard let question, !answer.text.isEmpty || answer.end.reason == .stop else { return }
        messages += [question, .init(.assistant, answer.text)]
    }

    /// The question was not answered at all.
    package mutating func forgetQuestion() { question = nil }

    package mutating func reset() { (messages, last) = ([], nil) }

    /// Forgets the last question and what followed it. False if there is none.
    package mutating func undo() -> Bool {
        guard let place = messages.lastIndex(where: { $0.role == .user }) else { return false }
        messages.removeSubrange(place...)
        last = nil
        return true
    }

    /// Goes on with another conversation.
    package mutating func resume(_ conversation: Conversation) {
        reset()
        let system = conversation.messages.filter { $0.role == .system }.map { String(decoding: $0.text, as: UTF8.self) }
        self.system = system.isEmpty ? nil : system.joined(separator: "\n\n")
        messages = conversation.messages.filter { $0.role != .system }
    }
}
