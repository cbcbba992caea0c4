import Infer
import JSON
import Tokenize

/// From a request's body. What OpenAI's clients send and what means nothing here is passed over; what would change the answer, and is not
/// there, is refused by name.
extension CompletionRequest {
    /// - Parameters:
    ///   - model: Who will answer.
    ///   - most: Answers that one request may ask for.
    init(chat fields: Fields, to model: ServedModel, most: Int) throws(Failure) {
        try fields.refuseUnsupported(Unsupported.inChats)
        guard let turns = try fields.turns("messages", isOpenAI: true) else {
            throw .invalid("messages", "expected a list of messages, found nothing.")
        }
        if turns.isEmpty { throw .invalid("messages", "expected at least one message.") }
        let wants = try fields.boolean("logprobs") ?? false, alternatives = try fields.alternatives("top_logprobs")
        if !wants, alternatives ?? 0 > 0 { throw .invalid("top_logprobs", "expected together with logprobs: true only.") }
        var length = try fields.integer("max_completion_tokens")
        if let length, length < 1 { throw .invalid("max_completion_tokens", "expected at least 1, found \(length).") }
        if length == nil { length = try fields.integer("max_tokens") }
        try self.init(
            fields, .chat, [.chat(turns)], echoes: [], model, maximumTokens: length, logProbabilities: wants ? alternatives ?? 0 : nil,
            most: most)
    }

    init(text fields: Fields, to model: ServedModel, most: Int) throws(Failure) {
        try fields.refuseUnsupported(Unsupported.inTexts)
        let prompts = try fields.prompts(for: model, most: most), alternatives = try fields.alternatives("logprobs"),
            echoes = try fields.boolean("echo") ?? false
        if echoes, alternatives != nil {
            throw .invalid("echo", "the log-probabilities of a prompt are not computed here: ask for echo or for logprobs.")
        }
        try self.init(
            fields, .text, prompts, echoes: echoes ? try prompts.map { prompt throws(Failure) in try prompt.text(for: model) } : [], model,
            maximumTokens: try fields.integer("max_tokens"), logProbabilities: alternatives, most: most)
    }

    private init(
        _ fields: Fields, _ kind: Kind, _ prompts: [Prompt], echoes: [String], _ model: ServedModel, maximumTokens: Int?,
        logProbabilities: Int?, most: Int
    ) throws(Failure) {
        _ = try fields.optionalText("user", 0...Fields.longestText)
        let count = try fields.integer("n") ?? 1, bias = try fields.logitBias(for: model)
        guard (1...Self.mostAnswersPerPrompt).contains(count) else {
            throw .invalid("n", "expected 1 to \(Self.mostAnswersPerPrompt), found \(count).")
        }
        guard count * prompts.count <= most else {
            throw .invalid("n", "expected at most \(most) answers in one request, found \(count * prompts.count).")
        }
        self.kind = kind
        self.prompts = prompts
        self.echoes = echoes
        answersPerPrompt = count
        config = try SamplingFields.config(
            fields, for: model, maximumTokens: maximumTokens, logitBias: bias, logProbabilities: logProbabilities)
        policy = try fields.policy()
        streams = try fields.boolean("stream") ?? false
        tellsUsage = try fields.object("stream_options")?.boolean("include_usage") ?? false
    }
}

extension Fields {
    fileprivate func object(_ name: String) throws(Failure) -> Fields? {
        guard let value = self[name] else { return nil }
        guard value.kind == .object else { throw .invalid(name, "expected an object, found \(value.kind.rawValue).") }
        return Fields(value)
    }

    fileprivate func alternatives(_ name: String) throws(Failure) -> Int? {
        guard let count = try integer(name) else { return nil }
        let range = 0...GenerationConfig.maxAlternatives
        guard range.contains(count) else { throw .invalid(name, "expected 0 to \(range.upperBound), found \(count).") }
        return count
    }

    /// `truncation`, as OpenAI's newest path calls it.
    fileprivate func policy() throws(Failure) -> TruncationPolicy {
        switch try optionalText("truncation", 0...20) {
        case nil, "auto": .oldestTurns
        case "disabled": .refuse
        default: throw .invalid("truncation", "expected auto or disabled.")
        }
    }

    fileprivate func logitBias(for model: ServedModel) throws(Failure) -> [TokenID: Float] {
        guard let value = self["logit_bias"] else { return [:] }
        guard let members = value.members else { throw .invalid("logit_bias", "expected an object, found \(value.kind.rawValue).") }
        var bias: [TokenID: Float] = [:]
        for (key, value) in members {
            guard let id = key.string.flatMap({ Int($0) }).flatMap({ model.token($0) }) else {
                throw .invalid("logit_bias", "expected the numbers of tokens\(model.tokenRange).")
            }
            guard let number = value.number else {
                throw .invalid("logit_bias", "expected a number for token \(id), found \(value.kind.rawValue).")
            }
            bias[id] = Float(number)
        }
        return bias
    }

    /// A text, a list of texts, a list of tokens, or a list of such lists.
    fileprivate func prompts(for model: ServedModel, most: Int) throws(Failure) -> [Prompt] {
        if self["prompt"]?.string != nil { return [.text(try text("prompt", 0...Self.longestText))] }
        guard let elements = self["prompt"]?.elements else {
            throw .invalid(
                "prompt", "expected a text, a list of texts, or a list of tokens, found \(self["prompt"]?.kind.rawValue ?? "nothing").")
        }
        let list = Array(elements)
        guard let first = list.first else { throw .invalid("prompt", "expected at least one prompt.") }
        if first.kind == .number { return [.tokens(try tokens(list, "prompt", model))] }
        guard list.count <= most else { throw .invalid("prompt", "expected at most \(most) prompts in one request, found \(list.count).") }
        var prompts: [Prompt] = []
        for (i, element) in list.enumerated() {
            if let text = element.string, first.kind == .string {
                guard text.unicodeScalars.count <= Self.longestText else {
                    throw .invalid("prompt[\(i)]", "expected at most \(Self.longestText) characters.")
                }
                prompts.append(.text(text))
            } else if let ids = element.elements, first.kind == .array {
                prompts.append(.tokens(try tokens(Array(ids), "prompt[\(i)]", model)))
            } else { throw .invalid("prompt[\(i)]", "expected all prompts to be texts, or all lists of tokens.") }
        }
        return prompts
    }

    private func tokens(_ elements: [JSONElement], _ place: String, _ model: ServedModel) throws(Failure) -> [TokenID] {
        guard !elements.isEmpty, elements.count <= Self.longestText else {
            throw .invalid(place, "expected 1 to \(Self.longestText) tokens, found \(elements.count).")
        }
        var ids: [TokenID] = []
        for (i, element) in elements.enumerated() {
            guard let id = element.integer.flatMap({ model.token($0) }) else {
                throw .invalid("\(place)[\(i)]", "expected the number of a token\(model.tokenRange).")
            }
            ids.append(id)
        }
        return ids
    }
}

extension Prompt {
    /// As the answer's own text would begin.
    fileprivate func text(for model: ServedModel) throws(Failure) -> String {
        switch self {
        case .text(let text): return text
        case .tokens(let ids):
            guard let modelInfo = model.modelInfo else {
                throw .invalid("echo", "the model answers from another address, and its tokens are known there only.")
            }
            return modelInfo.tokenizer.text(of: ids)
        case .chat: return ""
        }
    }
}

extension ServedModel {
    /// nil for what is none of its tokens. Those of a model elsewhere are known there only.
    fileprivate func token(_ number: Int) -> TokenID? {
        guard number >= 0, number < modelInfo?.tokenizer.vocabulary.count ?? Int(TokenID.max) else { return nil }
        return TokenID(number)
    }

    fileprivate var tokenRange: String { modelInfo.map { ", from 0 to \($0.tokenizer.vocabulary.count - 1)" } ?? "" }
}
