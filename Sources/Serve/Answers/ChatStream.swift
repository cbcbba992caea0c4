import HTTPServer
import Infer
import JSON
import Synchronization
import Tokenize

/// An answer on its way to a page: server-sent events, as `ChatStream` of Documentation/Reference/openapi.yaml says.
///
///     let stream = ChatStream()
///     exchange.respond(stream.response)
///     place.ask(request, of: model) { stream.tell($0, start: …, finish: …) }
final class ChatStream: Sendable {
    private struct State {
        var text = ""
        var hasBegun = false, hasSpoken = false
        var cachedTokens = 0
    }

    private let stream: ResponseStream
    private let state = Mutex(State())
    /// What `start` says besides what the model knows.
    private let start: [(name: String, value: String)]

    /// - Parameter onGone: Called once if the client goes before the end.
    init(start: [(name: String, value: String)] = [], onGone: @escaping @Sendable () -> Void) {
        self.start = start
        stream = ResponseStream(heartbeat: ": beat\n\n", onGone: onGone)
    }

    var response: Response { .events(stream) }

    /// What was said so far.
    var text: String { state.withLock(\.text) }

    func tell(_ beginning: GenerationStart) {
        state.withLock { state in
            state.hasBegun = true
            state.cachedTokens = beginning.cachedTokens
        }
        send("start") { event in
            for (name, value) in start { event.key(name); event.string(value) }
            if let count = beginning.promptTokens { event.key("prompt_tokens"); event.integer(count) }
            if let context = beginning.context { event.key("context"); event.integer(context) }
        }
        guard beginning.droppedMessages > 0 || beginning.wasTruncated else { return }
        send("warning") { event in
            event.key("dropped_turns"); event.integer(beginning.droppedMessages)
            event.key("cut"); event.boolean(beginning.wasTruncated)
        }
    }

    func tell(_ piece: TextPiece) {
        let isFirst = state.withLock { state in
            state.text += piece.text
            defer { state.hasSpoken = true }
            return !state.hasSpoken
        }
        send("token", atOnce: isFirst) { $0.key("text"); $0.string(piece.text) }
    }

    /// The last event, and the end.
    func finish(_ end: GenerationEnd, seconds: Double) {
        if !state.withLock(\.hasBegun) { tell(GenerationStart()) }
        if case .error(let error) = end.reason {
            send("error") { Failure(error).writeMembers(to: &$0) }
        } else {
            let cached = state.withLock(\.cachedTokens)
            send("done") { event in
                event.key("reason"); event.string(end.reason.name)
                event.key("prompt_tokens"); event.integer(end.promptTokens)
                event.key("answer_tokens"); event.integer(end.answerTokens)
                event.key("cached_tokens"); event.integer(cached)
                event.key("seconds"); event.number(seconds.rounded(toPlaces: 4))
                event.key("tokens_per_second"); event.number((Double(end.answerTokens) / max(seconds, 1e-6)).rounded(toPlaces: 1))
            }
        }
        stream.finish()
    }

    /// Ends with an error that is not the model's.
    func fail(_ failure: Failure) {
        if !state.withLock(\.hasBegun) { tell(GenerationStart()) }
        send("error") { failure.writeMembers(to: &$0) }
        stream.finish()
    }

    private func send(_ event: StaticString, atOnce: Bool = false, _ body: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        writer.object(body)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(writer.bytes.count + 32)
        bytes += "event: ".utf8
        event.withUTF8Buffer { bytes += $0 }
        bytes += "\ndata: ".utf8
        bytes += writer.bytes
        bytes += "\n\n".utf8
        stream.write(bytes, atOnce: atOnce)
    }
}

extension Double {
    func rounded(toPlaces count: Int) -> Double {
        let factor = (0..<count).reduce(1.0) { power, _ in power * 10 }
        return (self * factor).rounded() / factor
    }
}
