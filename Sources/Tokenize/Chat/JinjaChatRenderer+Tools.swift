import Files
import Jinja
import JSON

/// Messages and tools as a template sees them, in the form of transformers.
extension JinjaChatRenderer {
    static func value(of message: Conversation.Message, dividesThoughts: Bool, source: Int) throws(TokenizeError) -> JinjaValue {
        let dict = JinjaDict()
        dict.set(.string("role"), .string(message.role.rawValue))
        var text = message.text, reasoning = message.reasoning
        if dividesThoughts, message.role == .assistant {
            // A template with channels refuses a thought in the text, and writes it in a channel of its own.
            if reasoning == nil { (text, reasoning) = message.dividedText }
            // Beside a call, it refuses a thought together with a text, and writes either of them as a thought.
            if !message.toolCalls.isEmpty, let thought = reasoning, !thought.isEmpty, !text.isEmpty {
                reasoning = thought + [10, 10] + text
                text = []
            }
        }
        dict.set(.string("content"), .string(String(decoding: text, as: UTF8.self), source: source))
        if let reasoning {
            // Templates read it by either name, as in transformers.
            for name in ["thinking", "reasoning_content"] {
                dict.set(.string(name), .string(String(decoding: reasoning, as: UTF8.self), source: source))
            }
        }
        if let id = message.toolCallID { dict.set(.string("tool_call_id"), .string(id, source: source)) }
        if message.toolCalls.isEmpty { return .dict(dict) }
        var calls: [JinjaValue] = []
        for identified in message.toolCalls {
            let function = JinjaDict(), call = JinjaDict()
            function.set(.string("name"), .string(identified.call.name, source: source))
            // An object, which templates write as JSON: OpenAI's API has it as a string.
            function.set(.string("arguments"), try value(ofJSON: identified.call.arguments, source: source))
            call.set(.string("id"), .string(identified.id, source: source))
            call.set(.string("type"), .string("function"))
            call.set(.string("function"), .dict(function))
            calls.append(.dict(call))
        }
        dict.set(.string("tool_calls"), .list(calls))
        return .dict(dict)
    }

    /// - Parameter describesAll: Whether each function gets a description: the template of gpt-oss fails without one.
    static func value(of tools: ChatTools, describesAll: Bool) throws(TokenizeError) -> JinjaValue {
        let value = try value(ofJSON: tools.json, source: toolsSource)
        guard describesAll, case .sequence(let list) = value else { return value }
        for case .dict(let tool) in list.items {
            guard case .dict(let function)? = tool["function"] else { continue }
            let isDescribed = if case .string? = function["description"] { true } else { false }
            if !isDescribed { function.set(.string("description"), .string("", source: toolsSource)) }
        }
        return value
    }

    /// The messages with one call in each, and its result behind it: gpt-oss calls one function at a time, and its template writes only the
    /// first call of a message.
    static func withOneCallEach(_ messages: [Conversation.Message]) -> [Conversation.Message] {
        var result: [Conversation.Message] = [], rest = messages[...]
        while var message = rest.popFirst() {
            var results = message.toolCalls.count > 1 ? Array(rest.prefix { $0.role == .tool }) : []
            rest = rest.dropFirst(results.count)
            if message.toolCalls.isEmpty { result.append(message) }
            for call in message.toolCalls {
                result.append(message.calling(call))
                message = message.with(text: [])
                message.reasoning = nil
                if let own = results.firstIndex(where: { $0.toolCallID == call.id }) { result.append(results.remove(at: own)) }
            }
            result += results
        }
        return result
    }

    static func value(ofJSON text: [UInt8], source: Int) throws(TokenizeError) -> JinjaValue {
        let element: JSONElement
        do throws(JSONError) { element = try JSONElement(parsing: text) } catch { throw .chatTemplate("tools: \(error)") }
        do throws(JinjaError) { return try JinjaValue(element, source: source) } catch { throw .chatTemplate(error.description) }
    }
}

/// A call that shows how a template writes calls and their results.
enum ToolProbe {
    static let name = "slm_probe"
    static let call = ToolCall(name: name, arguments: Array(#"{"a":1}"#.utf8))

    /// Mistral's templates require ids of nine characters.
    static var callAndResult: [Conversation.Message] {
        [.init("", calling: [.init(id: "abcdefghi", call)]), .init(resultOf: "abcdefghi", "R")]
    }

    static var tools: ChatTools {
        let parameters = #"{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}"#
        let function = #"{"name": "\#(name)", "description": "D", "parameters": \#(parameters)}"#
        return ChatTools(json: Array(#"[{"type": "function", "function": \#(function)}]"#.utf8), names: [name])
    }
}

extension JinjaChatRenderer {
    /// Throws if a template has not written the tools, the calls or the results of a conversation to train on.
    func requireTools(of conversation: Conversation, in text: Rendered, _ messages: [Conversation.Message]) throws(TokenizeError) {
        if conversation.tools != nil, text.range(of: Self.toolsSource) == nil { throw .chatTemplate("it has no tools") }
        for index in messages.indices where messages[index].concernsTools && text.range(of: Self.source(of: index)) == nil {
            if messages[index].role == .tool, messages[index].text.isEmpty { continue }
            throw .chatTemplate("it does not write \(messages[index].role == .tool ? "results" : "calls") of tools")
        }
    }

    /// Where an answer with calls starts whose prompt is not known: behind what it has in common with the generation prompt. The name of
    /// the function, which is the first text of the message, is inside of the call.
    func startOfCalls(in text: Rendered, _ range: Range<Int>) -> Int? {
        for beginning in turns.generationPromptBeginnings where beginning.count <= range.count {
            let starts = range.lowerBound...range.upperBound - beginning.count
            if let found = starts.last(where: { text.bytes[$0...].starts(with: beginning) }) { return found + beginning.count }
        }
        return nil
    }

    /// Where the turn of an answer with calls ends. The last argument is inside of the call, and results may repeat the function's name.
    func endOfCalls(
        of index: Int, from start: Int, in text: Rendered, _ messages: [Conversation.Message], _ tools: ChatTools?, _ bound: Int
    ) -> Int {
        let first = max(text.range(of: Self.source(of: index))?.lowerBound ?? start, start)
        let following = text.specialTokens.filter { $0.range.lowerBound >= first && $0.range.lowerBound < max(bound, first + 1) }
        // A thought before a call has an end of its own.
        if let call = following.first(where: { $0.id == channels?.call }) { return call.range.upperBound }
        if let end = following.first(where: { $0.id == turns.end || stopTokens.contains($0.id) }) { return end.range.upperBound }
        if let turn = try? rendered(Array(messages[...index]), prompts: false, tools: tools), turn.bytes.count > start,
            text.bytes.starts(with: turn.bytes) {
            return turn.bytes.count
        }
        return text.range(of: Self.source(of: index))?.upperBound ?? start
    }

    /// The format in which a rendered call can be read again. A template without tools does not write the function's name.
    func renderedToolCallFormat() -> (format: ToolCallFormat, shape: ToolCallShape?)? {
        let name = ToolProbe.name, call = ToolProbe.call, tools = ToolProbe.tools, user = Conversation.Message(.user, "U")
        guard let prompt = try? rendered([user], prompts: true, tools: tools), prompt.bytes.range(of: name.utf8) != nil else { return nil }
        let messages = [user, ToolProbe.callAndResult[0]]
        guard let text = try? rendered(messages, prompts: false, tools: tools), let question = text.range(of: Self.source(of: 0)),
            let answer = text.range(of: Self.source(of: 1)),
            let start = try? start(of: 1, in: text, messages, tools, answer, question.upperBound, text.bytes.count)
        else { return nil }
        let stop = text.specialTokens.first { $0.range.lowerBound > start && stopTokens.contains($0.id) }
        let end = stop?.range.lowerBound ?? text.bytes.count
        let written = text.bytes[start..<end]
        if let channels {
            return calls(in: text, start..<end, channels) == [call] ? (.harmony, ToolCallShape(of: call, in: written)) : nil
        }
        let format = ToolCallFormat.allCases.first { format in
            let (content, calls) = format.read(written, names: [name])
            // Some templates write an empty thought before the call.
            return calls == [call] && (content.trimmed.isEmpty || content.trimmed.starts(with: Array("<think>".utf8)))
        }
        return format.map { ($0, ToolCallShape(of: call, in: written)) }
    }

    /// The calls of an answer in channels that the template wrote.
    private func calls(in text: Rendered, _ answer: Range<Int>, _ channels: AnswerChannels) -> [ToolCall] {
        var reader = ChannelReader(channels, callsFunctions: true), calls: [ToolCall] = [], at = answer.lowerBound
        let noToken: TokenID = -1
        func string(_ range: Range<Int>) -> String { String(decoding: text.bytes[range], as: UTF8.self) }
        for token in text.specialTokens where answer.contains(token.range.lowerBound) {
            calls += reader.add(noToken, string(at..<token.range.lowerBound)).calls + reader.add(token.id, "").calls
            at = token.range.upperBound
        }
        return calls + reader.add(noToken, string(at..<answer.upperBound)).calls + reader.finish().calls
    }
}

extension Conversation.Message {
    /// The text without the thought that it begins with, and that thought.
    var dividedText: (text: [UInt8], thought: [UInt8]?) {
        var parser = ThoughtParser(.think, isOpen: false)
        let parts = [parser.add(text), parser.finish()], thought = parts.flatMap(\.thought)
        return thought.isEmpty ? (text, nil) : (parts.flatMap(\.content), thought)
    }
}
