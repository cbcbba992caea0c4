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
        guard let all = list else {
            if case .required = choice { throw .invalid("tool_choice", "expected together with tools only.") }
            return nil
        }
        guard let info = model.modelInfo else { return forwarded(all, choice) }
        // A model without a chat template refuses chats.
        guard let renderer = info.renderer else { return nil }
        let allowed = try allowedNames(of: all), tools = allowed.map(all.only) ?? all, format = renderer.toolCallFormat
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
                grammar = try Grammar(
                    callsOf: all, named: name, among: allowed, format, shape, allowsSeveral: allowsSeveral && name == nil)
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
            if let allowed = allowedTools {
                switch allowed["mode"]?.string {
                case "auto": return .auto
                case "required": return .required(nil)
                default: throw .invalid("tool_choice.allowed_tools.mode", "expected auto or required.")
                }
            }
            guard value["type"]?.isString("function") == true, let name = value["function"]?["name"]?.string else {
                let examples = #"{"type": "function", "function": {"name": …}} or {"type": "allowed_tools", "allowed_tools": …}"#
                throw .invalid("tool_choice", "expected none, auto, required, \(examples).")
            }
            return .required(name)
        }
    }

    private var allowedTools: JSONElement? {
        guard let choice = self["tool_choice"], choice["type"]?.isString("allowed_tools") == true else { return nil }
        return choice["allowed_tools"]
    }

    /// The names of the tools that `tool_choice` allows, so that the model sees no others; nil if it has no list of them.
    private func allowedNames(of tools: ChatTools) throws(APIError) -> Set<String>? {
        guard let allowed = allowedTools else { return nil }
        let field = "tool_choice.allowed_tools.tools"
        guard let list = allowed["tools"]?.elements.map({ Array($0) }), !list.isEmpty else {
            throw .invalid(field, "expected a list of at least one tool.")
        }
        var names: Set<String> = []
        for (position, tool) in list.enumerated() {
            guard let name = tool["function"]?["name"]?.string, tools.names.contains(name) else {
                throw .invalid("\(field)[\(position)].function.name", "expected the name of one of the tools.")
            }
            names.insert(name)
        }
        return names
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
