import Jinja
import JSON

/// Messages and tools as a template sees them, in the form of transformers.
extension JinjaChatRenderer {
    static func value(of message: Conversation.Message, source: Int) throws(TokenizeError) -> JinjaValue {
        let dict = JinjaDict()
        dict.set(.string("role"), .string(message.role.rawValue))
        dict.set(.string("content"), .string(String(decoding: message.text, as: UTF8.self), source: source))
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

    static func value(ofJSON text: [UInt8], source: Int) throws(TokenizeError) -> JinjaValue {
        var parser = JSONParser()
        let element: JSONElement
        do throws(JSONError) { element = try parser.parse(text) } catch { throw .chatTemplate("tools: \(error)") }
        do throws(JinjaError) { return try JinjaValue(element, source: source) } catch { throw .chatTemplate(error.description) }
    }
}

/// How the template writes calls, found by rendering one.
extension JinjaChatRenderer {
    /// The format in which a rendered call can be read again. A template without tools does not write the function's name.
    func renderedToolCallFormat() -> ToolCallFormat? {
        let name = "slm_probe", user = Conversation.Message(.user, "U")
        let call = ToolCall(name: name, arguments: Array(#"{"a":1}"#.utf8))
        let answer = Conversation.Message("", calling: [.init(id: "abcdefghi", call)])
        let parameters = #"{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}"#
        let function = #"{"name": "\#(name)", "description": "D", "parameters": \#(parameters)}"#
        let tools = ChatTools(json: Array(#"[{"type": "function", "function": \#(function)}]"#.utf8), names: [name])
        guard let prompt = try? rendered([user], prompts: true, tools: tools), prompt.bytes.contains(Array(name.utf8)) else { return nil }
        guard let text = try? rendered([user, answer], prompts: false, tools: tools) else { return nil }
        // What follows the common beginning is the call, with the token that ends the turn.
        let common = zip(prompt.bytes, text.bytes).prefix { $0 == $1 }.count
        let start = text.specialTokens.last { $0.range.contains(common) }?.range.lowerBound ?? common
        let ends = text.specialTokens.filter { $0.range.lowerBound > start && stopTokens.contains($0.id) }
        let end = ends.first?.range.lowerBound ?? text.bytes.count
        guard start < end else { return nil }
        return ToolCallFormat.allCases.first { $0.calls(in: text.bytes[start..<end], names: [name]) == [call] }
    }
}

extension [UInt8] {
    fileprivate func contains(_ part: [UInt8]) -> Bool {
        count >= part.count && (0...count - part.count).contains { self[$0] == part[0] && self[$0...].starts(with: part) }
    }
}
