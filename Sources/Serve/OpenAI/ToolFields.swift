import HTTPServer
import Infer
import JSON
import Tokenize

/// The fields of a chat request that concern tools.
extension RequestFields {
    /// Parses `tools`. nil if there are none, or `tool_choice` is `none`.
    func tools(for model: ServedModel) throws(APIError) -> CompletionRequest.Tools? {
        let list: ChatTools?
        do throws(ToolFieldError) { list = try self["tools"].flatMap { list throws(ToolFieldError) in try ChatTools(list) } } catch {
            throw .invalid("tools\(error.path)", error.reason)
        }
        let choice = try toolChoice()
        guard let tools = list else {
            if case .required = choice { throw .invalid("tool_choice", "expected together with tools only.") }
            return nil
        }
        guard let info = model.modelInfo else { return forwarded(tools, choice) }
        // A model without a chat template refuses chats.
        guard let renderer = info.renderer else { return nil }
        let format = renderer.toolCallFormat
        let allowsSeveral = try boolean("parallel_tool_calls") ?? true
        switch choice {
        case .none: return nil
        case .auto: return CompletionRequest.Tools(tools: tools, format: format, allowsSeveral: allowsSeveral, grammar: nil)
        case .required(let name):
            if let name, !tools.names.contains(name) {
                throw .invalid("tool_choice.function.name", "expected the name of one of the tools.")
            }
            guard let shape = renderer.toolCallShape else {
                throw .invalid("tool_choice", "expected none or auto: the chat template of \(model.name) writes calls in an unusual way.")
            }
            let grammar: Grammar
            do throws(JSONSchemaError) {
                grammar = try Grammar(callsOf: tools, named: name, format, shape, allowsSeveral: allowsSeveral && name == nil)
            } catch { throw .invalid("tools\(error.path)", error.reason) }
            return CompletionRequest.Tools(tools: tools, format: format, allowsSeveral: allowsSeveral, grammar: grammar)
        }
    }

    /// Tools for a model on another server, which gets `tool_choice` and `parallel_tool_calls` as they are.
    private func forwarded(_ tools: ChatTools, _ choice: ToolChoice) -> CompletionRequest.Tools? {
        if case .none = choice { return nil }
        return CompletionRequest.Tools(tools: tools, format: nil, allowsSeveral: true, grammar: nil)
    }

    private enum ToolChoice {
        case none, auto
        /// A call of this function; nil for any.
        case required(String?)
    }

    private func toolChoice() throws(APIError) -> ToolChoice {
        guard let value = self["tool_choice"] else { return .auto }
        switch value.string {
        case "none": return .none
        case "auto": return .auto
        case "required": return .required(nil)
        default:
            guard value["type"]?.isString("function") == true, let name = value["function"]?["name"]?.string else {
                let example = #"{"type": "function", "function": {"name": …}}"#
                throw .invalid("tool_choice", "expected none, auto, required, or \(example).")
            }
            return .required(name)
        }
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
