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
    /// The sizes of the pieces that were added, in order.
    private var pieceSizes: [PieceSize] = []

    /// The part of an answer that a piece has: bytes of texts, and counts.
    private struct PieceSize: Sendable, Equatable {
        let text, reasoning, tokens, toolCalls: Int
    }

    package init() {}

    package mutating func add(_ event: GenerationEvent) {
        switch event {
        case .began(let start): self.start = start
        case .piece(let piece):
            text += piece.text
            tokens += piece.tokens
            promptTokens += piece.promptTokens
            toolCalls += piece.toolCalls
            reasoning += piece.reasoning
            if piece.promptTokens.isEmpty {
                pieceSizes.append(PieceSize(
                    text: piece.text.utf8.count, reasoning: piece.reasoning.utf8.count, tokens: piece.tokens.count,
                    toolCalls: piece.toolCalls.count))
            }
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

    /// The pieces in which the answer came, without those of the prompt: they tell which tokens belong to which text.
    package var pieces: [TextPiece] {
        var text = self.text.utf8[...], reasoning = self.reasoning.utf8[...]
        var tokens = self.tokens[...], toolCalls = self.toolCalls[...]
        return pieceSizes.map { size in
            defer {
                text = text.dropFirst(size.text)
                reasoning = reasoning.dropFirst(size.reasoning)
                tokens = tokens.dropFirst(size.tokens)
                toolCalls = toolCalls.dropFirst(size.toolCalls)
            }
            var piece = TextPiece(
                String(decoding: text.prefix(size.text), as: UTF8.self), Array(tokens.prefix(size.tokens)),
                toolCalls: Array(toolCalls.prefix(size.toolCalls)))
            piece.reasoning = String(decoding: reasoning.prefix(size.reasoning), as: UTF8.self)
            return piece
        }
    }
}

extension ChatBackend {
    /// Starts a generation and returns its events.
    package func stream(_ request: GenerationRequest) throws(GenerationError) -> GenerationStream { try GenerationStream(self, request) }
}
