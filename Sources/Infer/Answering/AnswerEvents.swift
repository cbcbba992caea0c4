import Threads

/// The events of an answer, for whoever has time to wait for each.
///
///     for event in try backend.events(of: request) { … }
///
/// Dropped before its end, it cancels the answer.
package final class AnswerEvents: Sequence, IteratorProtocol {
    private let mailbox = Mailbox<AnswerEvent>()
    private let progress: any AnswerInProgress
    private var isOver = false

    init(_ backend: any ChatBackend, _ request: AnswerRequest) throws(GenerationError) {
        progress = try backend.answer(request) { [mailbox] in mailbox.put($0) }
    }

    deinit { if !isOver { progress.cancel() } }

    /// Waits; nil behind the last one.
    package func next() -> AnswerEvent? {
        if isOver { return nil }
        return noted(mailbox.take())
    }

    /// Waits for a while only. nil if nothing came, and behind the last one.
    package func next(within time: Duration) -> AnswerEvent? {
        if isOver { return nil }
        return mailbox.take(within: time).map(noted)
    }

    /// Ends the answer; what is left of its events still comes.
    package func cancel() { progress.cancel() }

    private func noted(_ event: AnswerEvent) -> AnswerEvent {
        if case .ended = event { isOver = true }
        return event
    }
}

/// An answer that is over.
package struct WholeAnswer: Sendable, Equatable {
    package var beginning = AnswerBeginning()
    package var text = ""
    package var tokens: [GeneratedToken] = []
    package var end = AnswerEnd(.cancelled, promptTokens: 0, answerTokens: 0)

    package init() {}

    package mutating func add(_ event: AnswerEvent) {
        switch event {
        case .began(let beginning): self.beginning = beginning
        case .piece(let piece):
            text += piece.text
            tokens += piece.tokens
        case .ended(let end): self.end = end
        }
    }
}

extension ChatBackend {
    /// An answer to be waited for, event by event.
    package func events(of request: AnswerRequest) throws(GenerationError) -> AnswerEvents { try AnswerEvents(self, request) }

    /// Waits for the whole answer. One that broke off throws.
    package func wholeAnswer(to request: AnswerRequest) throws(GenerationError) -> WholeAnswer {
        var answer = WholeAnswer()
        for event in try events(of: request) { answer.add(event) }
        if case .error(let error) = answer.end.reason { throw error }
        return answer
    }
}
