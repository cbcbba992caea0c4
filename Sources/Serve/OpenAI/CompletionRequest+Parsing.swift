import Infer
import JSON
import Tokenize

/// Parses request bodies. Fields of OpenAI's API that have no effect here are ignored. Fields that would change the answer and are not
/// supported throw an error.
extension CompletionRequest {
    /// - Parameters:
    ///   - maxAnswers: The most answers that one request may have.
    ///   - documents: Those that the client may read; nil in an API without the field `documents`.
    init(
        chat fields: RequestFields, for model: ServedModel, maxAnswers: Int, _ documents: ReadableDocuments? = nil
    ) throws(APIError) {
        try fields.rejectUnsupported(UnsupportedField.chat)
        guard var messages = try fields.messages("messages", isOpenAI: true) else {
            throw .invalid("messages", "expected a list of messages, found nothing.")
        }
        if messages.isEmpty { throw .invalid("messages", "expected at least one message.") }
        let tools = try fields.tools(for: model), format = try fields.responseFormat(for: model)
        if tools != nil, format != nil {
            throw .invalid(fields.answerFormatFields.first ?? ForwardedField.responseFormat, "not supported together with tools.")
        }
        let wantsLogProbabilities = try fields.boolean("logprobs") ?? false
        let alternatives = try fields.alternatives("top_logprobs")
        if !wantsLogProbabilities, alternatives ?? 0 > 0 { throw .invalid("top_logprobs", "expected together with logprobs: true only.") }
        var maxTokens = try fields.integer("max_completion_tokens")
        if let maxTokens, maxTokens < 1 { throw .invalid("max_completion_tokens", "expected at least 1, found \(maxTokens).") }
        if maxTokens == nil { maxTokens = try fields.integer("max_tokens") }
        let sources = if let documents { try fields.sources(documents, in: &messages, model) } else { AnswerSources?.none }
        try self.init(
            fields,
            .chat,
            [.chat(messages)],
            echoes: [],
            model,
            tools: tools,
            format: format,
            maxTokens: maxTokens,
            logProbabilities: wantsLogProbabilities ? alternatives ?? 0 : nil,
            maxAnswers: maxAnswers)
        let grammar = tools?.grammar ?? format
        self.sources = sources
        templateArguments = try fields.templateArguments()
        continuesAnswer = try fields.continuesAnswer(messages, grammar: grammar)
        thoughtMarks = try fields.thoughtMarks(for: model, grammar: grammar)
    }

    init(text fields: RequestFields, for model: ServedModel, maxAnswers: Int) throws(APIError) {
        try fields.rejectUnsupported(UnsupportedField.text)
        let prompts = try fields.prompts("prompt", for: model, maxCount: maxAnswers)
        let alternatives = try fields.alternatives("logprobs")
        let echo = try fields.boolean("echo") ?? false
        if echo, alternatives != nil, model.modelInfo == nil {
            throw .invalid("echo", "\(Self.noPromptLogProbabilities): use either echo or logprobs.")
        }
        try self.init(
            fields,
            .text,
            prompts,
            echoes: echo ? try prompts.map { prompt throws(APIError) in try prompt.text(for: model) } : [],
            model,
            format: try fields.responseFormat(for: model),
            maxTokens: try fields.integer("max_tokens"),
            logProbabilities: alternatives,
            maxAnswers: maxAnswers)
    }

    private init(
        _ fields: RequestFields,
        _ kind: Kind,
        _ prompts: [Prompt],
        echoes: [String],
        _ model: ServedModel,
        tools: Tools? = nil,
        format: Grammar?,
        maxTokens: Int?,
        logProbabilities: Int?,
        maxAnswers: Int
    ) throws(APIError) {
        _ = try fields.optionalText("user", 0...RequestFields.maxTextLength)
        let n = try fields.integer("n") ?? 1
        let bias = try fields.logitBias(for: model)
        guard (1...Self.maxAnswersPerPrompt).contains(n) else {
            throw .invalid("n", "expected 1 to \(Self.maxAnswersPerPrompt), found \(n).")
        }
        streams = try fields.boolean("stream") ?? false
        let generated = kind == .text ? try fields.bestOf(n, for: model, streams: streams) : n
        guard generated * prompts.count <= maxAnswers else {
            let name = generated > n ? "best_of" : "n"
            throw .invalid(name, "expected at most \(maxAnswers) answers in one request, found \(generated * prompts.count).")
        }
        self.kind = kind
        self.prompts = prompts
        self.echoes = echoes
        self.tools = tools
        self.format = format
        forwardedFields = model.modelInfo == nil ? fields.forwarded(withTools: tools != nil) : []
        answersPerPrompt = n
        generatedPerPrompt = generated
        includesLogProbabilities = logProbabilities != nil
        promptAlternatives = try fields.promptAlternatives(for: model, streams: streams)
        let isPromptOnly = kind == .text && maxTokens == 0
        if isPromptOnly, model.modelInfo == nil { throw .invalid("max_tokens", "expected at least 1 for a model on another server.") }
        var config = try SamplingFields.config(
            fields, for: model, maxTokens: isPromptOnly ? 1 : maxTokens, logitBias: bias,
            logProbabilities: logProbabilities ?? (generated > n ? 0 : nil))
        config.isPromptOnly = isPromptOnly
        config.promptLogProbabilities = [echoes.isEmpty ? nil : logProbabilities, promptAlternatives].compactMap { $0 }.max()
        if let count = config.promptLogProbabilities, let context = model.modelInfo?.context {
            let tokens = prompts.reduce(0) { $0 + min($1.mostTokens, context) } * (kind == .chat ? 1 : generated)
            guard tokens * (count + 1) <= Self.maxPromptLogProbabilities else {
                throw .invalid(
                    promptAlternatives == nil ? "logprobs" : "prompt_logprobs",
                    "expected at most \(Self.maxPromptLogProbabilities) log-probabilities of prompts in one request, and these may have "
                        + "\(tokens * (count + 1)). Send fewer prompts, or ask for fewer alternatives.")
            }
        }
        self.config = config
        policy = try fields.truncationPolicy()
        let streamOptions = try fields.object("stream_options")
        includesUsage = try streamOptions?.boolean("include_usage") ?? false
        if streamOptions != nil, !streams { throw .invalid("stream_options", "expected together with stream: true only.") }
    }
}

extension Prompt {
    /// A limit of its tokens: each has at least a byte.
    fileprivate var mostTokens: Int {
        switch self {
        case .text(let text): text.utf8.count + 2
        case .tokens(let ids): ids.count
        case .chat: .max
        }
    }
}

extension CompletionRequest {
    /// They are kept until the response is written: some 100 bytes each.
    private static let maxPromptLogProbabilities = 2_000_000
    fileprivate static let noPromptLogProbabilities =
        "log-probabilities of the prompt are not available, because the model runs on another server"
}

extension RequestFields {
    /// Parses `best_of`: the number of answers to generate, of which `n` are returned. 1, its default, means `n`.
    fileprivate func bestOf(_ n: Int, for model: ServedModel, streams: Bool) throws(APIError) -> Int {
        guard let best = try integer("best_of"), best != 1, best != n else { return n }
        let most = CompletionRequest.maxAnswersPerPrompt
        guard (n...most).contains(best) else { throw .invalid("best_of", "expected n, which is \(n), to \(most), found \(best).") }
        if streams { throw .invalid("best_of", "expected no more than n with stream: answers are compared when they are complete.") }
        if model.modelInfo == nil { throw .invalid("best_of", "not available, because the model runs on another server: use n.") }
        return best
    }

    /// Parses `prompt_logprobs`, a field of vLLM's API.
    fileprivate func promptAlternatives(for model: ServedModel, streams: Bool) throws(APIError) -> Int? {
        guard let count = try alternatives("prompt_logprobs") else { return nil }
        if streams { throw .invalid("prompt_logprobs", "not available with stream.") }
        if model.modelInfo == nil { throw .invalid("prompt_logprobs", "\(CompletionRequest.noPromptLogProbabilities).") }
        return count
    }

    /// The fields that a model on another server gets as they are.
    fileprivate func forwarded(withTools hasTools: Bool) -> [ForwardedField] {
        let names = ForwardedField.answerFormats + [
            ForwardedField.templateArguments, "continue_final_message", "add_generation_prompt",
            "reasoning_format", ForwardedField.reasoningEffort,
        ] + (hasTools ? ["tool_choice", "parallel_tool_calls"] : [])
        return names.compactMap { name in self[name].map { ForwardedField(name, $0.json) } }
    }

    fileprivate func alternatives(_ name: String) throws(APIError) -> Int? {
        guard let count = try integer(name) else { return nil }
        let range = 0...GenerationConfig.maxAlternatives
        guard range.contains(count) else { throw .invalid(name, "expected 0 to \(range.upperBound), found \(count).") }
        return count
    }

    /// Parses `truncation`, a field of OpenAI's Responses API.
    fileprivate func truncationPolicy() throws(APIError) -> TruncationPolicy {
        switch try optionalText("truncation", 0...20) {
        case "auto": .oldestTurns
        case nil, "disabled": .refuse
        default: throw .invalid("truncation", "expected auto or disabled.")
        }
    }

    fileprivate func logitBias(for model: ServedModel) throws(APIError) -> [TokenID: Float] {
        guard let value = self["logit_bias"] else { return [:] }
        guard let members = value.members else { throw .invalid("logit_bias", "expected an object, found \(value.kind.rawValue).") }
        var bias: [TokenID: Float] = [:]
        for (key, value) in members {
            guard let id = key.string.flatMap({ Int($0) }).flatMap({ model.token($0) }) else {
                throw .invalid("logit_bias", "expected token ids\(model.tokenRange).")
            }
            guard let number = value.number else {
                throw .invalid("logit_bias", "expected a number for token \(id), found \(value.kind.rawValue).")
            }
            bias[id] = Float(number)
        }
        return bias
    }
}

extension Prompt {
    fileprivate func text(for model: ServedModel) throws(APIError) -> String {
        switch self {
        case .text(let text): return text
        case .tokens(let ids):
            guard let info = model.modelInfo else {
                let reason = "not supported with token ids: the model runs on another server, and its tokenizer is not known here."
                throw .invalid("echo", reason)
            }
            return info.tokenizer.text(of: ids)
        case .chat: return ""
        }
    }
}
