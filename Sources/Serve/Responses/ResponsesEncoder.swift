import Infer
import JSON
import Synchronization
import Tokenize

/// Encodes an answer in the form of OpenAI's Responses API: one object, or the events of a stream.
///
///     encoder.response(answers)                                // {"id":"resp_…","object":"response","output":[…],…}
///     encoder.event(.text(piece, offset: 0), of: 0)            // event: response.output_text.delta …
final class ResponsesEncoder: AnswerEncoder {
    /// Stores a response, which is a JSON object.
    typealias Save = @Sendable (_ response: String) throws -> Void

    /// The state of a streamed answer.
    private struct State {
        var answer = ResponseObject.Answer()
        /// Whether the last item has no end yet.
        var isOpen = false
        var sequence = 0
    }

    private let request: CompletionRequest
    private let object: ResponseObject
    private let save: Save?
    private let state = Mutex(State())

    /// - Parameter save: Called before the client receives the end; nil for a response that is not stored.
    init(_ request: CompletionRequest, _ object: ResponseObject, save: Save?) {
        self.request = request
        self.object = object
        self.save = save
    }

    var storesAnswers: Bool { save != nil }

    func response(_ answers: [GenerationResult]) throws(APIError) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { object.write(whole(answers.first ?? GenerationResult()), to: &$0) }
        try store(writer.text)
        return writer.bytes
    }

    func event(_ chunk: AnswerChunk, of answer: Int) -> [UInt8] {
        state.withLock { state in
            switch chunk {
            case .start(let start):
                state.answer.start = start
                return snapshot("response.created", &state) + snapshot("response.in_progress", &state) + search(&state)
            case .prompt: return []
            case .text(let piece, _): return add(piece.text, piece.tokens, to: .message, &state)
            case .reasoning(let text, _): return add(text, [], to: .reasoning, &state)
            case .toolCalls(let calls): return calls.reduce(into: []) { $0 += add($1, &state) }
            case .finish(let end, _):
                // A client finds the text, if it is empty, in the same place.
                let message = state.answer.items.allSatisfy(\.isSearch) ? open(.message, &state) : []
                return message + close(end.reason == .length ? .incomplete : .completed, &state)
            }
        }
    }

    func end(of answers: [GenerationResult]) -> [UInt8] {
        let answer = state.withLock { state in
            // Another server reports at the end how much of the prompt it had in its cache.
            state.answer.start = answers.first?.start ?? state.answer.start
            state.answer.end = answers.first?.end
            return state.answer
        }
        var writer = JSONWriter()
        writer.object { object.write(answer, to: &$0) }
        do throws(APIError) { try store(writer.text) } catch { return event(of: error) }
        return state.withLock { event("response.\(answer.status)", &$0) { $0.json("response", writer.text) } }
    }

    func event(of error: APIError) -> [UInt8] {
        state.withLock { state in
            state.answer.error = error
            if state.isOpen { state.answer.items[state.answer.items.count - 1].status = .incomplete }
            return snapshot("response.failed", &state)
        }
    }

    private func store(_ response: String) throws(APIError) {
        do { try save?(response) } catch { throw APIError(any: error) }
    }
}

/// A whole answer.
extension ResponsesEncoder {
    private func whole(_ result: GenerationResult) -> ResponseObject.Answer {
        let read = AnswerReader.read(result, request), isCut = result.end.reason == .length
        var answer = ResponseObject.Answer()
        answer.start = result.start
        answer.end = result.end
        if let search { answer.items.append(ResponseItem(search, 0, of: object.id, .completed)) }
        if !read.reasoning.isEmpty {
            answer.items.append(ResponseItem(.reasoning, answer.items.count, of: object.id, text: read.reasoning, .completed))
        }
        if !read.content.isEmpty || (read.reasoning.isEmpty && read.calls.isEmpty) {
            let tokens = request.includesLogProbabilities ? AnswerReader.contentTokens(of: result, request) : nil
            let item = ResponseItem(
                .message, answer.items.count, of: object.id, text: read.content, tokens: tokens, sources: request.sources, .completed)
            answer.items.append(item)
        }
        for call in read.calls { answer.items.append(ResponseItem(.call(call), answer.items.count, of: object.id, .completed)) }
        if isCut { answer.items[answer.items.count - 1].status = .incomplete }
        return answer
    }
}

/// The events of a stream.
extension ResponsesEncoder {
    private func event(_ type: String, _ state: inout State, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { event in
            event["type"] = type
            event["sequence_number"] = state.sequence
            body(&event)
        }
        state.sequence += 1
        return Array("event: \(type)\ndata: ".utf8) + writer.bytes + [10, 10]
    }

    /// An event with the whole response so far.
    private func snapshot(_ type: String, _ state: inout State) -> [UInt8] {
        let answer = state.answer
        return event(type, &state) { $0.object("response") { object.write(answer, to: &$0) } }
    }

    /// An event about the last item.
    private func itemEvent(_ type: String, _ state: inout State, _ body: (inout JSONWriter, ResponseItem) -> Void) -> [UInt8] {
        guard let item = state.answer.items.last else { return [] }
        let index = state.answer.items.count - 1
        return event(type, &state) { event in
            event["output_index"] = index
            body(&event, item)
        }
    }

    /// An event about the content of the last item.
    private func contentEvent(_ type: String, _ state: inout State, _ body: (inout JSONWriter, ResponseItem) -> Void) -> [UInt8] {
        itemEvent(type, &state) { event, item in
            event["item_id"] = item.id
            event["content_index"] = 0
            body(&event, item)
        }
    }

    private func wholeItemEvent(_ type: String, _ state: inout State) -> [UInt8] {
        itemEvent(type, &state) { event, item in event.object("item") { item.write(to: &$0) } }
    }

    private func wholePartEvent(_ type: String, _ state: inout State) -> [UInt8] {
        contentEvent(type, &state) { event, item in event.object("part") { item.writePart(to: &$0) } }
    }

    /// The name of the events about text of an item.
    private func textEvent(_ item: ResponseItem?) -> String {
        item?.has(kindOf: .reasoning) == true ? "response.reasoning_text" : "response.output_text"
    }

    /// The search that the answer is from; nil without documents.
    private var search: ResponseItem.Kind? {
        request.sources.map { .fileSearch($0, includesResults: object.includesSearchResults) }
    }

    private func search(_ state: inout State) -> [UInt8] {
        guard let search else { return [] }
        state.answer.items.append(ResponseItem(search, 0, of: object.id))
        var events = wholeItemEvent("response.output_item.added", &state)
        for name in ["in_progress", "searching", "completed"] {
            events += itemEvent("response.file_search_call.\(name)", &state) { event, item in event["item_id"] = item.id }
        }
        state.answer.items[0].status = .completed
        return events + wholeItemEvent("response.output_item.done", &state)
    }

    /// Begins an item, unless the last one has this kind and no end.
    private func open(_ kind: ResponseItem.Kind, _ state: inout State) -> [UInt8] {
        if state.isOpen, state.answer.items.last?.has(kindOf: kind) == true { return [] }
        let end = close(.completed, &state)
        let tokens: [GeneratedToken]? = request.includesLogProbabilities ? [] : nil
        let item = ResponseItem(kind, state.answer.items.count, of: object.id, tokens: tokens, sources: request.sources)
        state.answer.items.append(item)
        state.isOpen = true
        return end + wholeItemEvent("response.output_item.added", &state) + wholePartEvent("response.content_part.added", &state)
    }

    private func add(_ text: String, _ tokens: [GeneratedToken], to kind: ResponseItem.Kind, _ state: inout State) -> [UInt8] {
        // Tokens without text, such as marks of thoughts, do not begin a message.
        if text.isEmpty, !(state.isOpen && state.answer.items.last?.has(kindOf: kind) == true) { return [] }
        let start = open(kind, &state), last = state.answer.items.count - 1
        state.answer.items[last].text += text
        state.answer.items[last].tokens? += tokens
        return start + contentEvent(textEvent(state.answer.items.last) + ".delta", &state) { event, item in
            event["delta"] = text
            if item.has(kindOf: .message) {
                event.key("logprobs"); (item.tokens == nil ? [] : tokens).writeLogProbabilityList(to: &event)
            }
        }
    }

    private func close(_ status: ResponseItem.Status, _ state: inout State) -> [UInt8] {
        guard state.isOpen else { return [] }
        state.isOpen = false
        state.answer.items[state.answer.items.count - 1].status = status
        return contentEvent(textEvent(state.answer.items.last) + ".done", &state) { event, item in
            if item.has(kindOf: .message) { event.key("logprobs"); (item.tokens ?? []).writeLogProbabilityList(to: &event) }
            event["text"] = item.text
        } + wholePartEvent("response.content_part.done", &state) + wholeItemEvent("response.output_item.done", &state)
    }

    /// A call is complete when it is read.
    private func add(_ call: ToolCallReader.Call, _ state: inout State) -> [UInt8] {
        var events = close(.completed, &state)
        state.answer.items.append(ResponseItem(.call(call), state.answer.items.count, of: object.id))
        events += wholeItemEvent("response.output_item.added", &state)
        for (name, member) in [("delta", "delta"), ("done", "arguments")] {
            events += itemEvent("response.function_call_arguments.\(name)", &state) { event, item in
                event["item_id"] = item.id
                event[member] = call.call.arguments
            }
        }
        state.answer.items[state.answer.items.count - 1].status = .completed
        return events + wholeItemEvent("response.output_item.done", &state)
    }
}
