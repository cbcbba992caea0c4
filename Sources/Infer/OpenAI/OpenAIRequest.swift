import HTTPClient
import JSON
import Tokenize

/// The body of a completion request. Settings at their neutral value are left out, since some servers do not know them.
struct OpenAIRequest {
    let path: String
    let isChat: Bool
    /// Whether the answer continues the last message, so that white space at its beginning counts.
    let continuesAnswer: Bool
    let body: [UInt8]

    init(_ request: GenerationRequest, model: String) {
        let config = request.config
        var writer = JSONWriter(.oneLine)
        let isChat = if case .chat = request.prompt { true } else { false }
        writer.object { writer in
            writer["model"] = model
            switch request.prompt {
            case .text(let text): writer["prompt"] = text
            case .tokens(let ids): writer.array("prompt") { for id in ids { $0.integer(id) } }
            case .chat(let messages):
                writer.array("messages") { for message in messages { Self.write(message, to: &$0) } }
                if let tools = request.tools { writer.json("tools", String(decoding: tools.json, as: UTF8.self)) }
            }
            for field in request.forwardedFields { writer.json(field.name, String(decoding: field.json, as: UTF8.self)) }
            if let alternatives = config.promptLogProbabilities {
                Self.writePromptLogProbabilities(alternatives, isChat: isChat, to: &writer)
            } else {
                writer["stream"] = true
                writer.object("stream_options") { $0["include_usage"] = true }
            }
            Self.write(config, isChat: isChat, to: &writer)
        }
        self.isChat = isChat
        continuesAnswer = request.continuesAnswer
        path = isChat ? "chat/completions" : "completions"
        body = writer.bytes
    }

    /// Asks for those of a chat whose last message the answer continues. Other servers report those of texts only in the response that
    /// repeats the prompt.
    private static func writePromptLogProbabilities(_ alternatives: Int, isChat: Bool, to writer: inout JSONWriter) {
        if isChat {
            writer["prompt_logprobs"] = alternatives
            writer["continue_final_message"] = true
            writer["add_generation_prompt"] = false
        } else {
            writer["echo"] = true
            writer["logprobs"] = max(1, alternatives)
        }
    }

    private static func write(_ message: Conversation.Message, to writer: inout JSONWriter) {
        writer.object {
            $0["role"] = message.role.rawValue
            $0["content"] = message.text
            if let reasoning = message.reasoning { $0["reasoning_content"] = reasoning }
            if let id = message.toolCallID { $0["tool_call_id"] = id }
            if message.toolCalls.isEmpty { return }
            $0.array("tool_calls") { list in
                for call in message.toolCalls { list.toolCall(call.call, id: call.id) }
            }
        }
    }

    private static func write(_ config: GenerationConfig, isChat: Bool, to writer: inout JSONWriter) {
        func number(_ key: String, _ value: Double, unless neutral: Double) {
            if value != neutral { writer[key] = value }
        }
        if let maximum = config.maxTokens { writer["max_tokens"] = maximum }
        writer["temperature"] = config.temperature
        number("top_p", config.topP, unless: 1)
        number("min_p", config.minP, unless: 0)
        if config.topK != 0 { writer["top_k"] = config.topK }
        number("repetition_penalty", config.repetitionPenalty, unless: 1)
        number("frequency_penalty", config.frequencyPenalty, unless: 0)
        number("presence_penalty", config.presencePenalty, unless: 0)
        if !config.stop.isEmpty { writer["stop"] = config.stop }
        if let seed = config.seed { writer["seed"] = seed }
        if !config.logitBias.isEmpty {
            writer.object("logit_bias") {
                for (id, bias) in config.logitBias.sorted(by: { $0.key < $1.key }) { $0["\(id)"] = Double(bias) }
            }
        }
        if let alternatives = config.logProbabilities {
            writer.key("logprobs")
            if isChat {
                writer.boolean(true)
                writer["top_logprobs"] = alternatives
            } else {
                writer.integer(alternatives)
            }
        }
    }
}

extension OpenAIAddress {
    func request(_ endpoint: String, body: [UInt8]? = nil, idleSeconds: Int) -> HTTPRequest {
        var request = HTTPRequest(url(endpoint))
        request.headers = [("Content-Type", "application/json"), ("Accept", "text/event-stream, application/json"), ("Expect", "")]
        if let key { request.headers.append(("Authorization", "Bearer \(key)")) }
        request.body = body
        request.idleSeconds = idleSeconds
        return request
    }
}
