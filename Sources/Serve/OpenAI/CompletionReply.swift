import HTTPServer
import Infer
import Synchronization

/// The answers to one request of a program, which begin together and of which none is given up without the others: whole, or as a stream.
///
///     let reply = CompletionReply(request, form, to: call, places)
///     place.ask(request[0], of: model) { reply.take($0, of: 0) }
final class CompletionReply: Sendable {
    private struct State {
        var answers: [GenerationResult]
        /// Characters that each has said.
        var said: [Int]
        var left: Int
        var hasResponded = false, hasSpoken = false, isOver = false
    }

    private let request: CompletionRequest
    private let form: CompletionForm
    private let call: Call
    private let stream: ResponseStream
    private let cancel: @Sendable () -> Void
    private let state: Mutex<State>

    /// - Parameter cancel: Ends what is under way; called when the client is gone, or one of the answers broke off.
    init(_ request: CompletionRequest, _ form: CompletionForm, to call: Call, cancel: @escaping @Sendable () -> Void) {
        self.request = request
        self.form = form
        self.call = call
        self.cancel = cancel
        stream = ResponseStream(heartbeat: ": beat\n\n", onGone: cancel)
        let count = request.answerCount
        state = Mutex(
            State(
                answers: Array(repeating: GenerationResult(), count: count),
                said: (0..<count).map { request.echo(of: $0).unicodeScalars.count }, left: count))
        call.exchange.whenGone(cancel)
    }

    /// An event of one of the answers.
    func take(_ event: GenerationEvent, of answer: Int) {
        let before = state.withLock { state -> (characters: Int, isSilent: Bool)? in
            if state.isOver { return nil }
            defer {
                if case .piece(let piece) = event {
                    state.said[answer] += piece.tokens.reduce(0) { $0 + $1.characters }
                    state.hasSpoken = true
                }
            }
            if request.streams, case .piece = event {} else { state.answers[answer].add(event) }
            return (state.said[answer], !state.hasSpoken)
        }
        guard let before else { return }
        switch event {
        case .began(let beginning): if request.streams { begin(beginning, of: answer) }
        case .piece(let piece):
            if request.streams { stream.write(form.event(.said(piece, from: before.characters), of: answer), atOnce: before.isSilent) }
        case .ended(let end):
            switch end.reason {
            case .error(let error): fail(Failure(error))
            case .cancelled: fail(.stopping)                 // by the server: a client that is gone reads nothing
            case .stop, .length: finish(answer, end.reason)
            }
        }
    }

    /// The head of a stream waits for the first answer that begins: what can be told to be wrong before has a status of its own.
    private func begin(_ beginning: GenerationStart, of answer: Int) {
        let isFirst = state.withLock { state -> Bool? in
            if state.isOver { return nil }
            defer { state.hasResponded = true }
            return !state.hasResponded
        }
        guard let isFirst else { return }
        if isFirst {
            call.respond(.events(stream))
        }
        stream.write(form.event(.began(beginning), of: answer))
    }

    private func finish(_ answer: Int, _ reason: FinishReason) {
        // Whoever takes itself off the list last has nothing of the others' behind it.
        if request.streams { stream.write(form.event(.over(reason), of: answer)) }
        let answers = state.withLock { state -> [GenerationResult]? in
            state.left -= 1
            if state.left > 0 || state.isOver { return nil }
            state.isOver = true
            return state.answers
        }
        guard let answers else { return }
        if request.streams {
            if request.tellsUsage { stream.write(form.usageEvent(answers)) }
            stream.write(CompletionForm.endEvent)
            stream.finish()
        } else { call.respond(Response(.ok, [("Content-Type", "application/json")], form.whole(answers))) }
    }

    private func fail(_ failure: Failure) {
        let hadResponded = state.withLock { state -> Bool? in
            if state.isOver { return nil }
            state.isOver = true
            return state.hasResponded
        }
        guard let hadResponded else { return }
        if hadResponded {
            stream.write(CompletionForm.event(of: failure))
            stream.finish()
        } else { call.respond(failure.response(inFormOf: call.request.path)) }
        cancel()
    }
}
