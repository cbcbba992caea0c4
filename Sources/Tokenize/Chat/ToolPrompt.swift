import JSON

/// Writes tools, calls and results into the messages of a chat, in the form of Hermes, for a chat template that has no tools. A call is on
/// one line, so that templates whose answers end with a line can have it, too. All of it is text: no special token is written.
enum ToolPrompt {
    static let format = ToolCallFormat.hermes
    static let shape = ToolCallShape(beforeName: beforeName + [quote], beforeArguments: [quote] + beforeArguments, end: end)

    private static let quote = UInt8(ascii: "\"")
    private static let beforeName = Array(#"<tool_call>{"name": "#.utf8)
    private static let beforeArguments = Array(#", "arguments": "#.utf8)
    private static let end = Array("}</tool_call>".utf8)

    /// Messages that any template can render. The tools follow the first system message, or are one.
    static func messages(_ messages: [Conversation.Message], _ tools: ChatTools?, abbreviated: Bool = false) -> [Conversation.Message] {
        var result: [Conversation.Message] = [], wasResult = false
        for message in messages {
            let isResult = message.role == .tool
            let text = isResult ? Array("<tool_response>\n".utf8) + message.text + Array("\n</tool_response>".utf8) : message.text
            // Many templates want the roles user and assistant in turns, so a result is one message with those of the user around it.
            if isResult || wasResult && message.role == .user, let last = result.last, last.role == .user {
                result[result.count - 1] = last.with(text: last.text + [10] + text)
            } else if isResult {
                result.append(.init(.user, text, isContext: message.isContext))
            } else {
                result.append(message.toolCalls.isEmpty ? message : withCallsAsText(message))
            }
            wasResult = isResult
        }
        guard let tools else { return result }
        let instructions = abbreviated ? signatures(of: tools) : instructions(tools)
        if let first = result.first, first.role == .system {
            result[0] = first.with(text: first.text + [10, 10] + instructions)
        } else {
            result.insert(.init(.system, instructions), at: 0)
        }
        return result
    }

    private static func withCallsAsText(_ message: Conversation.Message) -> Conversation.Message {
        let calls = message.toolCalls.map { text(of: $0.call) }
        var result = Conversation.Message(
            message.role, Array(([message.text] + calls).filter { !$0.isEmpty }.joined(separator: [10])), isContext: message.isContext)
        result.reasoning = message.reasoning
        return result
    }

    private static func text(of call: ToolCall) -> [UInt8] {
        var name = JSONWriter()
        name.string(call.name)
        return beforeName + name.bytes + beforeArguments + call.arguments + end
    }

    private static func functions(of tools: ChatTools) -> [JSONElement] {
        return (try? JSONElement(parsing: tools.json))?.elements.map { Array($0) } ?? []
    }

    /// Such as `Functions: weather(city, days), time()`.
    private static func signatures(of tools: ChatTools) -> [UInt8] {
        let list = functions(of: tools).map { tool in
            let function = tool["function"], properties = function?["parameters"]?["properties"]?.members
            let arguments = properties?.compactMap(\.key.string).joined(separator: ", ") ?? ""
            return "\(function?["name"]?.string ?? "")(\(arguments))"
        }
        return Array("Functions: \(list.joined(separator: ", "))".utf8)
    }

    private static func instructions(_ tools: ChatTools) -> [UInt8] {
        let list = functions(of: tools).map(\.json).joined(separator: [10])
        return Array("""
            # Tools

            You may call one or more functions to assist with the user query.

            You are provided with function signatures within <tools></tools> XML tags:
            <tools>

            """.utf8) + list + Array("""

            </tools>

            For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
            <tool_call>{"name": <function-name>, "arguments": <args-json-object>}</tool_call>
            """.utf8)
    }
}
