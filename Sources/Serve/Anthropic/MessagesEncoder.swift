import Infer
import JSON
import Synchronization
import Tokenize

/// Encodes an answer in the form of Anthropic's Messages API: one object, or the events of a stream.
///
///     encoder.response(answers)                                // {"id":"msg_…","type":"message","content":[…],…}
///     encoder.event(.text(piece, offset: 0), of: 0)            // event: content_block_delta …
final class MessagesEncoder: AnswerEncoder {
    private enum Block { case text, thinking }

    /// The state of a streamed answer.
    private struct State {
        /// The number of content blocks so far.
        var count = 0
        /// The last block, if it has no end yet.
        var open: Block?
        var callsTools = false
    }

    private let request: CompletionRequest
    private let model: String
    /// Whether blocks of thoughts have their text.
    private let showsThoughts: Bool
    private let id = String.randomID("msg_")
    private let state = Mutex(State())

    init(_ request: CompletionRequest, model: String, showsThoughts: Bool) {
        self.request = request
        self.model = model
        self.showsThoughts = showsThoughts
    }

    let heartbeat = "event: ping\ndata: {\"type\":\"ping\"}\n\n"

    func response(_ answers: [GenerationResult]) -> [UInt8] {
        let answer = answers.first ?? GenerationResult(), read = AnswerReader.read(answer, request)
        return JSONWriter.bytes { message in
            writeHead(to: &message)
            message.array("content") { list in
                if !read.reasoning.isEmpty {
                    list.object {
                        $0["type"] = "thinking"
                        $0["thinking"] = showsThoughts ? read.reasoning : ""
                        $0["signature"] = ""
                    }
                }
                if !read.content.isEmpty { list.object { $0["type"] = "text"; $0["text"] = read.content } }
                for call in read.calls {
                    list.object { writeToolUse(call, input: String(decoding: call.call.arguments, as: UTF8.self), to: &$0) }
                }
            }
            Self.write(answer.end, callsTools: !read.calls.isEmpty, to: &message)
            message.object("usage") {
                Self.writeInput(answer.end.promptTokens, answer.start, to: &$0)
                $0["output_tokens"] = answer.end.answerTokens
            }
        }
    }

    func event(_ chunk: AnswerChunk, of answer: Int) -> [UInt8] {
        state.withLock { state in
            switch chunk {
            case .start(let start): return self.start(start)
            case .prompt: return []
            case .text(let piece, _):
                return enter(.text, &state) + Self.delta(state.count - 1, "text_delta", "text", piece.text)
            case .reasoning(let text, _):
                let start = enter(.thinking, &state)
                return showsThoughts ? start + Self.delta(state.count - 1, "thinking_delta", "thinking", text) : start
            case .toolCalls(let calls):
                state.callsTools = true
                return calls.reduce(into: []) { $0 += event(of: $1, &state) }
            case .finish: return leave(&state)
            }
        }
    }

    func end(of answers: [GenerationResult]) -> [UInt8] {
        let answer = answers.first ?? GenerationResult(), callsTools = state.withLock(\.callsTools)
        return Self.event("message_delta") { event in
            event.object("delta") {
                Self.write(answer.end, callsTools: callsTools, to: &$0)
            }
            // The counts of the whole message: another server reports those of its prompt at the end only.
            event.object("usage") {
                Self.writeInput(answer.end.promptTokens, answer.start, to: &$0)
                $0["output_tokens"] = answer.end.answerTokens
            }
        } + Self.event("message_stop") { _ in }
    }

    func event(of error: APIError) -> [UInt8] {
        var writer = JSONWriter()
        error.writeAnthropic(to: &writer)
        return Array("event: error\ndata: ".utf8) + writer.bytes + [10, 10]
    }
}

/// The parts of messages and events.
extension MessagesEncoder {
    private static func event(_ type: String, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        return Array("event: \(type)\ndata: ".utf8) + JSONWriter.bytes { event in
            event["type"] = type
            body(&event)
        } + [10, 10]
    }

    /// Calls that the client has to answer are the reason, whatever came after them.
    private static func write(_ end: GenerationEnd, callsTools: Bool, to message: inout JSONWriter) {
        let isStopText = end.reason == .stop && !callsTools && end.stopText != nil
        message["stop_reason"] = end.reason == .length ? "max_tokens" : callsTools ? "tool_use" : isStopText ? "stop_sequence" : "end_turn"
        message["stop_sequence"] = isStopText ? end.stopText : nil
    }

    private func writeHead(to message: inout JSONWriter) {
        message["id"] = id
        message["type"] = "message"
        message["role"] = "assistant"
        message["model"] = model
    }

    /// As in Anthropic's API, `input_tokens` are those that were not read from the cache.
    private static func writeInput(_ promptTokens: Int, _ start: GenerationStart, to usage: inout JSONWriter) {
        usage["input_tokens"] = max(0, promptTokens - start.cachedTokens)
        usage["cache_creation_input_tokens"] = 0
        usage["cache_read_input_tokens"] = start.cachedTokens
    }

    private func start(_ start: GenerationStart) -> [UInt8] {
        Self.event("message_start") { event in
            event.object("message") { message in
                writeHead(to: &message)
                message.array("content") { _ in }
                message.null("stop_reason")
                message.null("stop_sequence")
                message.object("usage") {
                    Self.writeInput(start.promptTokens ?? 0, start, to: &$0)
                    $0["output_tokens"] = 0
                }
            }
        } + Array(heartbeat.utf8)
    }

    /// Begins a block, unless the last one has this kind and no end.
    private func enter(_ block: Block, _ state: inout State) -> [UInt8] {
        if state.open == block { return [] }
        let end = leave(&state), index = state.count
        state.open = block
        state.count += 1
        return end + Self.event("content_block_start") { event in
            event["index"] = index
            event.object("content_block") {
                $0["type"] = block == .text ? "text" : "thinking"
                $0[block == .text ? "text" : "thinking"] = ""
                if block == .thinking { $0["signature"] = "" }
            }
        }
    }

    private func leave(_ state: inout State) -> [UInt8] {
        guard state.open != nil else { return [] }
        state.open = nil
        return Self.blockEnd(state.count - 1)
    }

    private static func blockEnd(_ index: Int) -> [UInt8] {
        event("content_block_stop") { $0["index"] = index }
    }

    private static func delta(_ index: Int, _ type: String, _ name: String, _ text: String) -> [UInt8] {
        event("content_block_delta") { event in
            event["index"] = index
            event.object("delta") { $0["type"] = type; $0[name] = text }
        }
    }

    private func event(of call: ToolCallReader.Call, _ state: inout State) -> [UInt8] {
        let end = leave(&state), index = state.count
        state.count += 1
        return end + Self.event("content_block_start") { event in
            event["index"] = index
            event.object("content_block") { writeToolUse(call, input: "{}", to: &$0) }
        } + Self.delta(index, "input_json_delta", "partial_json", String(decoding: call.call.arguments, as: UTF8.self))
            + Self.blockEnd(index)
    }

    /// - Parameter input: A JSON object.
    private func writeToolUse(_ call: ToolCallReader.Call, input: String, to block: inout JSONWriter) {
        block["type"] = "tool_use"
        block["id"] = call.id
        block["name"] = call.call.name
        block.json("input", input)
    }
}
