import Threads
package import Tokenize

/// The events of one generation as a sequence whose `next()` blocks.
///
///     for event in try backend.stream(request) { … }
///
/// Releasing it before the last event cancels the generation.
package final class GenerationStream: Sequence, IteratorProtocol {
    private let mailbox = Mailbox<GenerationEvent>()
    private let handle: any GenerationHandle
    private var isFinished = false

    init(_ backend: any ChatBackend, _ request: GenerationRequest) throws(GenerationError) {
        handle = try backend.start(request) { [mailbox] in mailbox.put($0) }
    }

    deinit { if !isFinished { handle.cancel() } }

    /// Waits for the next event; nil after the last one.
    package func next() -> GenerationEvent? {
        if isFinished { return nil }
        return received(mailbox.take())
    }

    /// Waits for the next event, but not longer than `time`. nil on timeout and after the last event.
    package func next(within time: Duration) -> GenerationEvent? {
        if isFinished { return nil }
        return mailbox.take(within: time).map(received)
    }

    /// Ends the generation. Its remaining events still come.
    package func cancel() { handle.cancel() }

    private func received(_ event: GenerationEvent) -> GenerationEvent {
        if case .ended = event { isFinished = true }
        return event
    }
}

/// The events of a generation, collected.
package struct GenerationResult: Sendable, Equatable {
    package var start = GenerationStart()
    package var text = ""
    package var tokens: [GeneratedToken] = []
    package var promptTokens: [GeneratedToken] = []
    package var toolCalls: [ToolCall] = []
    package var reasoning = ""
    package var end = GenerationEnd(.canceled, promptTokens: 0, answerTokens: 0)
    /// The pieces in which the answer came, without those of the prompt: they tell which tokens belong to which text. Empty unless kept.
    package private(set) var pieces: [TextPiece] = []
    private let keepsPieces: Bool

    package init(keepsPieces: Bool = false) { self.keepsPieces = keepsPieces }

    package mutating func add(_ event: GenerationEvent) {
        switch event {
        case .began(let start): self.start = start
        case .piece(let piece):
            text += piece.text
            tokens += piece.tokens
            promptTokens += piece.promptTokens
            toolCalls += piece.toolCalls
            reasoning += piece.reasoning
            if keepsPieces, piece.promptTokens.isEmpty { pieces.append(piece) }
        case .ended(let end):
            self.end = end
            if let cached = end.cachedTokens { start.cachedTokens = cached }
        }
    }

    /// The whole answer as one piece, without the tokens of the prompt.
    package var joinedPiece: TextPiece {
        var piece = TextPiece(text, tokens, toolCalls: toolCalls)
        piece.reasoning = reasoning
        return piece
    }
}

extension ChatBackend {
    /// Starts a generation and returns its events.
    package func stream(_ request: GenerationRequest) throws(GenerationError) -> GenerationStream { try GenerationStream(self, request) }
}
