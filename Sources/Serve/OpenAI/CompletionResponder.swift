import HTTPServer
import Infer
import Synchronization

/// Collects the events of all answers to one completion request and sends the response: one object, or a stream. If one answer fails, all
/// are canceled.
///
///     let responder = CompletionResponder(request, encoder, context) { for ticket in tickets { ticket.cancel() } }
///     responder.receive(event, of: 0)
final class CompletionResponder: Sendable {
    private struct State {
        var answers: [GenerationResult]
        /// The number of characters of each answer that were sent.
        var offsets: [Int]
        /// The readers of streamed answers to chats.
        var readers: [AnswerReader]
        var unfinished: Int
        var hasResponded = false
        var hasText = false
        var isFinished = false
    }

    private let request: CompletionRequest
    private let encoder: any AnswerEncoder
    private let context: RequestContext
    private let stream: ResponseStream
    private let cancel: @Sendable () -> Void
    private let state: Mutex<State>

    /// - Parameter cancel: Cancels all answers. Called when the client disconnects or an answer fails.
    init(_ request: CompletionRequest, _ encoder: any AnswerEncoder, _ context: RequestContext, cancel: @escaping @Sendable () -> Void) {
        self.request = request
        self.encoder = encoder
        self.context = context
        self.cancel = cancel
        stream = ResponseStream(heartbeat: encoder.heartbeat, onDisconnect: cancel)
        let count = request.answerCount
        state = Mutex(State(
            answers: Array(repeating: GenerationResult(keepsPieces: request.includesLogProbabilities), count: count),
            offsets: (0..<count).map { request.echo(of: $0).unicodeScalars.count },
            readers: Array(repeating: AnswerReader(request, GenerationStart()), count: count),
            unfinished: count))
        context.exchange.onDisconnect(cancel)
    }

    /// Handles an event of one answer.
    func receive(_ event: GenerationEvent, of answer: Int) {
        let before = state.withLock { state -> (offset: Int, isFirstText: Bool)? in
            if state.isFinished { return nil }
            defer {
                if case .piece(let piece) = event {
                    state.offsets[answer] += piece.tokens.reduce(0) { $0 + $1.characterCount }
                    state.hasText = true
                }
            }
            if request.streams, case .piece = event {} else { state.answers[answer].add(event) }
            if case .began(let start) = event { state.readers[answer] = AnswerReader(request, start) }
            return (state.offsets[answer], !state.hasText)
        }
        guard let before else { return }
        switch event {
        case .began(let beginning): if request.streams { start(beginning, of: answer) }
        case .piece(let piece):
            if request.streams { write(piece, offset: before.offset, isFirst: before.isFirstText, of: answer) }
        case .ended(let end):
            switch end.reason {
            case .error(let error): fail(APIError(error))
            case .canceled: fail(.stopping)                 // by the server; if the client has disconnected, nothing is sent
            case .stop, .length: finish(answer, end)
            }
        }
    }

    /// Sends the head of the stream with the first answer that starts. An error before that has an HTTP status of its own.
    private func start(_ beginning: GenerationStart, of answer: Int) {
        let isFirst = state.withLock { state -> Bool? in
            if state.isFinished { return nil }
            defer { state.hasResponded = true }
            return !state.hasResponded
        }
        guard let isFirst else { return }
        if isFirst { context.respond(.events(stream, type: encoder.contentType)) }
        stream.write(encoder.event(.start(beginning), of: answer))
    }

    /// Streams a piece: what the model thought, its text, and tool calls that it completes.
    private func write(_ piece: TextPiece, offset: Int, isFirst: Bool, of answer: Int) {
        if !piece.promptTokens.isEmpty {
            if request.echoesLogProbabilities { stream.write(encoder.event(.prompt(piece.promptTokens), of: answer)) }
            return
        }
        guard request.kind == .chat else { return writeText(piece, offset, isFirst, answer) }
        let output = state.withLock { $0.readers[answer].add(piece) }
        write(output, piece.tokens, offset, isFirst, answer)
    }

    /// - Parameter tokens: They go with the text, if there is some.
    private func write(_ output: AnswerReader.Output, _ tokens: [GeneratedToken], _ offset: Int, _ isFirst: Bool, _ answer: Int) {
        if !output.reasoning.isEmpty {
            stream.write(encoder.event(.reasoning(output.reasoning, output.isThought ? tokens : []), of: answer), flush: isFirst)
        }
        if !output.isThought { writeText(TextPiece(output.content, tokens), offset, isFirst, answer) }
        if !output.calls.isEmpty { stream.write(encoder.event(.toolCalls(output.calls), of: answer), flush: true) }
    }

    private func writeText(_ piece: TextPiece, _ offset: Int, _ isFirst: Bool, _ answer: Int) {
        // A piece may have tokens but no text.
        if piece.text.isEmpty, !request.includesLogProbabilities || piece.tokens.isEmpty { return }
        stream.write(encoder.event(.text(piece, offset: offset), of: answer), flush: isFirst)
    }

    /// Streams the end of an answer. Returns whether it called tools.
    private func writeEnd(of answer: Int, _ end: GenerationEnd) -> Bool {
        guard request.kind == .chat else { return false }
        let (output, count) = state.withLock { state in
            let output = state.readers[answer].finish(isCut: end.reason == .length)
            return (output, state.readers[answer].callCount)
        }
        write(output, [], 0, false, answer)
        return count > 0
    }

    private func finish(_ answer: Int, _ end: GenerationEnd) {
        // Written before `unfinished` is decremented, so that the end follows the last chunks of all answers.
        if request.streams { stream.write(encoder.event(.finish(end, callsTools: writeEnd(of: answer, end)), of: answer)) }
        let answers = state.withLock { state -> [GenerationResult]? in
            state.unfinished -= 1
            if state.unfinished > 0 || state.isFinished { return nil }
            state.isFinished = true
            return state.answers
        }
        guard let answers else { return }
        if request.streams {
            stream.finish(with: encoder.end(of: answers))
        } else {
            do throws(APIError) {
                context.respond(.json(try encoder.response(answers)))
            } catch { context.respond(error.response(to: context.request)) }
        }
    }

    /// Ends all answers with an error.
    func fail(_ error: APIError) {
        let hadResponded = state.withLock { state -> Bool? in
            if state.isFinished { return nil }
            state.isFinished = true
            return state.hasResponded
        }
        guard let hadResponded else { return }
        if hadResponded {
            stream.finish(with: encoder.event(of: error.identified(by: context.request)))
        } else {
            context.respond(error.response(to: context.request))
        }
        cancel()
    }
}
