import HTTPServer
import Infer
import JSON
import Tokenize

/// The fields of a chat request that concern tools.
extension RequestFields {
    /// Parses `tools`. nil if there are none, or `tool_choice` is `none`.
    ///
    /// - Parameter messages: Calls and results in them need a template that knows tools, too.
    func tools(for model: ServedModel, _ messages: [ChatMessage]) throws(APIError) -> CompletionRequest.Tools? {
        let tools: ChatTools?
        do throws(ToolFieldError) { tools = try self["tools"].flatMap { list throws(ToolFieldError) in try ChatTools(list) } } catch {
            throw .invalid("tools\(error.path)", error.reason)
        }
        if tools == nil, !messages.contains(where: \.concernsTools) { return nil }
        let field = tools == nil ? "messages" : "tools"
        guard let info = model.modelInfo else { throw .invalid(field, "tools are not supported: the model runs on another server.") }
        guard let format = info.renderer?.toolCallFormat else {
            throw .invalid(field, "not supported: the chat template of \(model.name) has no tools whose calls can be read.")
        }
        guard let tools, self["tool_choice"]?.isString("none") != true else { return nil }
        return CompletionRequest.Tools(tools: tools, format: format, allowsSeveral: try boolean("parallel_tool_calls") ?? true)
    }

    /// Parses a message of the role `tool`, or an answer with `tool_calls`. nil for other messages.
    static func toolMessage(_ element: JSONElement, _ path: String) throws(APIError) -> ChatMessage? {
        if element["role"]?.isString("tool") == true {
            guard let id = element["tool_call_id"]?.string else {
                throw .invalid("\(path).tool_call_id", "expected the id of a tool call.")
            }
            return ChatMessage(resultOf: id, try content(element, path, true))
        }
        guard element["role"]?.isString("assistant") == true, let value = element["tool_calls"], !value.isNull else { return nil }
        let list: [(id: String?, call: ToolCall)]
        do throws(ToolFieldError) { list = try ToolCall.list(value) } catch {
            throw .invalid("\(path).tool_calls\(error.path)", error.reason)
        }
        if list.isEmpty { return nil }
        var calls: [Conversation.IdentifiedToolCall] = []
        for (id, call) in list {
            guard let id else { throw .invalid("\(path).tool_calls[\(calls.count)].id", "expected a string.") }
            calls.append(.init(id: id, call))
        }
        let hasContent = element["content"].map { !$0.isNull } ?? false
        return ChatMessage(hasContent ? try content(element, path, true) : "", calling: calls)
    }
}
