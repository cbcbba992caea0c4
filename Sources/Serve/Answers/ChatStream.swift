import HTTPServer
import Infer
import JSON
import Synchronization
import Threads
import Tokenize

/// The server-sent events of a chat answer: `ChatStream` in Documentation/Reference/openapi.yaml.
///
///     let stream = ChatStream(for: context.request, ticket)
///     context.respond(stream.response)
///     stream.send(event)                                       // `start`, `sources`, `warning`, `reasoning`, `token`
///     stream.finish(end)                                       // `done` or `error`
final class ChatStream: Sendable {
    private struct State {
        var text = ""
        var tokens = 0
        var hasStarted = false
        /// From the request to the first text; nil before it.
        var firstTokenSeconds: Double?
        /// From the request to the end of the generation.
        var seconds = 0.0
        var cachedTokens = 0
    }

    private let request: Request
    private let stream: ResponseStream
    private let state = Mutex(State())
    private let ticket: AdmissionTicket
    /// Members of the `start` event besides the token counts.
    private let ids: [(name: String, value: String)]
    /// Sent after `start`; nil without documents.
    private let sources: AnswerSources?

    /// - Parameter ticket: It is canceled if the client disconnects before the end.
    init(for request: Request, _ ticket: AdmissionTicket, ids: [(name: String, value: String)] = [], sources: AnswerSources? = nil) {
        self.request = request
        self.ticket = ticket
        self.ids = ids
        self.sources = sources
        stream = ResponseStream(heartbeat: ": beat\n\n") { ticket.cancel() }
    }

    var response: Response { .events(stream) }

    /// The text sent so far.
    var text: String { state.withLock(\.text) }
    /// The tokens of that text.
    var tokens: Int { state.withLock(\.tokens) }

    var firstTokenSeconds: Double? { state.withLock(\.firstTokenSeconds) }
    var seconds: Double { state.withLock(\.seconds) }

    /// Sends an event of the generation. Sends nothing for `.ended`: see `finish`.
    func send(_ event: GenerationEvent) {
        switch event {
        case .began(let beginning): send(beginning)
        case .piece(let piece): send(piece)
        case .ended: state.withLock { $0.seconds = ticket.seconds }
        }
    }

    private func send(_ beginning: GenerationStart) {
        state.withLock { state in
            state.hasStarted = true
            state.cachedTokens = beginning.cachedTokens
        }
        write("start") { event in
            for (name, value) in ids { event[name] = value }
            if let count = beginning.promptTokens { event["prompt_tokens"] = count }
            if let context = beginning.context { event["context"] = context }
        }
        if let sources { write("sources", sources.write) }
        guard beginning.droppedMessages > 0 || beginning.wasTruncated else { return }
        write("warning") { event in
            event["dropped_turns"] = beginning.droppedMessages
            event["cut"] = beginning.wasTruncated
        }
    }

    private func send(_ piece: TextPiece) {
        if !piece.reasoning.isEmpty { write("reasoning") { $0["text"] = piece.reasoning } }
        if piece.text.isEmpty { return }             // tokens without text
        let isFirst = state.withLock { state in
            state.text += piece.text
            state.tokens += piece.tokens.count
            if state.firstTokenSeconds != nil { return false }
            state.firstTokenSeconds = ticket.seconds
            return true
        }
        write("token", flush: isFirst) { $0["text"] = piece.text }
    }

    /// Sends the last event and ends the stream.
    func finish(_ end: GenerationEnd) {
        if case .error(let error) = end.reason { return fail(APIError(error)) }
        sendStartIfMissing()
        let (cached, seconds) = state.withLock { ($0.cachedTokens, $0.seconds) }
        write("done") { event in
            event["reason"] = end.reason.name
            event["prompt_tokens"] = end.promptTokens
            event["answer_tokens"] = end.answerTokens
            event["cached_tokens"] = end.cachedTokens ?? cached
            event["seconds"] = seconds.rounded(toPlaces: 4)
            event["tokens_per_s"] = (Double(end.answerTokens) / max(seconds, 1e-6)).rounded(toPlaces: 1)
            if let first = firstTokenSeconds { event["first_token_seconds"] = first.rounded(toPlaces: 4) }
        }
        stream.finish()
    }

    /// Sends an error and ends the stream.
    func fail(_ error: APIError) {
        sendStartIfMissing()
        write("error") { error.identified(by: request).writeMember(to: &$0) }
        stream.finish()
    }

    /// A client always gets `start` first, also if the generation was canceled in the queue.
    private func sendStartIfMissing() {
        if !state.withLock(\.hasStarted) { send(GenerationStart()) }
    }

    private func write(_ event: StaticString, flush: Bool = false, _ body: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        writer.object(body)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(writer.bytes.count + 32)
        bytes += "event: ".utf8
        event.withUTF8Buffer { bytes += $0 }
        bytes += "\ndata: ".utf8
        bytes += writer.bytes
        bytes += "\n\n".utf8
        stream.write(bytes, flush: flush)
    }
}
