package import Checkpoint
package import Tokenize

/// What generation on this machine needs of a model besides its weights.
///
///     let info = ModelInfo(name: path, context: 384, tokenizer, renderer)
package struct ModelInfo: Sendable {
    package let name: String
    /// The context length in tokens.
    package internal(set) var context: Int
    package let tokenizer: Tokenizer
    let grammarTokens: GrammarTokens
    /// nil for a model without a chat template.
    package let renderer: ChatRenderer?
    package let servingDefaults: ServingDefaults
    /// Why there is no renderer, if the model has a chat template.
    package internal(set) var templateError: String?
    /// Whether the model has no chat template, and one of slm's own is used.
    package internal(set) var isTemplateAssumed = false
    /// A sentence for each part of another program's files that was left out.
    package internal(set) var importNotes: [String] = []
    /// The LoRA adapters that are loaded with the model.
    package internal(set) var adapters: [ModelInfo] = []

    package init(
        name: String, context: Int, _ tokenizer: Tokenizer, _ renderer: ChatRenderer?,
        _ servingDefaults: ServingDefaults = ServingDefaults()
    ) {
        self.name = name
        self.context = context
        self.tokenizer = tokenizer
        grammarTokens = GrammarTokens(tokenizer.vocabulary)
        self.renderer = renderer
        self.servingDefaults = servingDefaults
    }

    /// The sampling settings of a request that does not give its own.
    package var samplingDefaults: SamplingDefaults { servingDefaults.sampling ?? .smallModels }

    /// Renders chats. Throws if the model has no chat template.
    package var chatRenderer: ChatRenderer {
        get throws(GenerationError) {
            guard let renderer else { throw .noChatTemplate(model: name, reason: templateError) }
            return renderer
        }
    }
}

/// The state of one generation, from its request to its end, without the model: the caller computes the logits.
///
///     var state = try GenerationState(request, for: info)
///     deliver(.began(state.start))
///     while true {                                             // logits after state.prompt, then after the new tokens
///         let step = state.advance(&logits)
///         if let piece = step.piece { deliver(.piece(piece)) }
///         if step.nextTokens.isEmpty { break }                 // the model's next input
///     }
///     deliver(.ended(state.end(timings)))
package struct GenerationState: Sendable {
    package struct Step: Sendable, Equatable {
        package let piece: TextPiece?
        /// The sampled token, and those behind it that the grammar leaves no choice of. Empty when the generation is finished.
        package let nextTokens: [TokenID]
    }

    package let prompt: [TokenID]
    /// The prompt as it was fitted to the context. The backend adds the number of cached tokens.
    package let start: GenerationStart
    /// The most tokens to generate.
    package private(set) var maxNewTokens: Int
    /// Sampled tokens except the one that ended the turn.
    package private(set) var answerTokens = 0
    /// Until all of them are delivered; nil if they were not requested.
    var promptLogProbabilities: PromptLogProbabilities?
    /// nil until the generation is finished.
    package private(set) var reason: FinishReason?
    private let stopTokens: [TokenID]
    private var sampler: Sampler
    private var filter: AnswerFilter?
    private var text: TextStreamer

    package init(_ request: GenerationRequest, for model: ModelInfo) throws(GenerationError) {
        let renderer = if case .chat = request.prompt { try model.chatRenderer } else { model.renderer }
        let config = request.config
        let budget = PromptBudget(context: model.context, model.tokenizer, renderer, leastAnswer: config.isPromptOnly ? 0 : 1)
        let fitted: PromptBudget.FittedPrompt = switch request.prompt {
        case .text(let text): try budget.prompt(of: text, policy: request.policy, maxTokens: config.maxTokens)
        case .tokens(let ids): try budget.prompt(of: ids, policy: request.policy, maxTokens: config.maxTokens)
        case .chat(let history):
            try budget.prompt(of: history, request.chatForm, policy: request.policy, maxTokens: config.maxTokens)
        }
        let vocabulary = model.tokenizer.vocabulary
        let rules = StopRules(
            for: request.prompt, vocabulary, model.renderer, endTokens: model.servingDefaults.endTokens, stop: config.stop,
            ignoresEOS: config.ignoresEOS, callsTools: request.tools != nil, stopsAtLineBreak: request.grammar == nil)
        prompt = fitted.ids
        maxNewTokens = config.isPromptOnly ? 0 : fitted.maxNewTokens
        promptLogProbabilities = config.promptLogProbabilities.map {
            PromptLogProbabilities(of: fitted.ids, from: config.firstPromptLogProbability, vocabulary, alternatives: $0)
        }
        stopTokens = rules.stopTokens
        var start = GenerationStart(promptTokens: fitted.ids.count, context: model.context)
        start.droppedMessages = fitted.droppedMessages
        start.wasTruncated = fitted.wasTruncated
        start.isThinking = request.isThinking(after: fitted.ids, model)
        self.start = start
        sampler = Sampler(config, vocabulary: vocabulary.count, banned: rules.banned, prompt: fitted.ids)
        let channels: AnswerChannels? = if case .chat = request.prompt { model.renderer?.channels } else { nil }
        let callsFunctions = request.tools != nil && model.renderer?.toolCallFormat == .harmony
        filter = request.grammar.map {
            AnswerFilter(
                $0, model.grammarTokens, stopTokens: rules.stopTokens, banned: rules.banned, channels: channels, isCall: callsFunctions)
        }
        // A text of a grammar has no thought in it.
        let reader = channels.map {
            ChannelReader(
                $0, callsFunctions: callsFunctions, separatesThoughts: request.grammar != nil, continuesAnswer: request.continuesAnswer,
                isThinking: start.isThinking)
        }
        let marks: ThoughtMarks? = if case .chat = request.prompt, request.grammar == nil { model.renderer?.thoughtMarks } else { nil }
        let thoughts = marks.map { ThoughtParser($0, isOpen: start.isThinking, continuesAnswer: request.continuesAnswer) }
        text = TextStreamer(
            vocabulary, rules, channels: reader, thoughts: thoughts, continuesText: request.continuesAnswer,
            keepsStopToken: config.promptLogProbabilities != nil)
    }

    /// The tokens that one call of `advance` adds at most, besides the sampled one: other answers wait for it.
    static let longestForcedRun = 64

    /// Samples the next token, and adds those that must follow it.
    ///
    /// - Parameter logits: The next token's logits, which are modified.
    package mutating func advance(_ logits: inout MutableSpan<Float>) -> Step {
        guard reason == nil else { return Step(piece: nil, nextTokens: []) }
        let isBroken = logits.span.isEveryLogitInvalid
        filter?.budget = maxNewTokens - answerTokens
        guard let choice = sampler.sample(&logits, restrictedBy: &filter) else {
            return finish(.error(filter == nil || isBroken ? .invalidLogits : .noAllowedToken))
        }
        var step = add(choice)
        while 1...Self.longestForcedRun ~= step.nextTokens.count, let id = filter?.forcedToken(), let choice = sampler.take(id) {
            let next = add(choice)
            let tokens = next.nextTokens.isEmpty ? [] : step.nextTokens + next.nextTokens
            step = Step(piece: TextPiece(joining: step.piece, next.piece), nextTokens: tokens)
        }
        return step
    }

    private mutating func add(_ choice: Sampler.Choice) -> Step {
        if !stopTokens.contains(choice.id) { answerTokens += 1 }
        filter?.add(choice.id)
        let piece = text.add(choice)
        if let filter, filter.isComplete, !text.isFinished {
            let last = finish(filter.isShortened ? .length : .stop).piece
            return Step(piece: TextPiece(joining: piece, last), nextTokens: [])
        }
        if text.isFinished {
            reason = filter?.isShortened == true ? .length : .stop
            return Step(piece: piece, nextTokens: [])
        }
        guard answerTokens == maxNewTokens else { return Step(piece: piece, nextTokens: [choice.id]) }
        let last = finish(.length).piece
        return Step(piece: TextPiece(joining: piece, last), nextTokens: [])
    }

    /// The most tokens that can follow.
    var tokensLeft: Int { maxNewTokens - answerTokens }

    /// Whether no token is generated.
    var isPromptOnly: Bool { maxNewTokens == 0 }

    /// Lowers the most tokens to generate.
    mutating func limitAnswer(to tokens: Int) { maxNewTokens = min(maxNewTokens, tokens) }

    /// Ends the generation before its regular end, and returns the text that was held back.
    package mutating func finish(_ reason: FinishReason) -> Step {
        if self.reason == nil { self.reason = reason }
        return Step(piece: text.finish(isCut: reason == .length), nextTokens: [])
    }

    package func end(_ timings: GenerationTimings, guesses: GuessCounts = GuessCounts()) -> GenerationEnd {
        var end = GenerationEnd(reason ?? .canceled, promptTokens: prompt.count, answerTokens: answerTokens, timings: timings)
        end.stopText = text.stopText
        end.reasoningTokens = text.thoughtTokens
        end.guesses = guesses
        return end
    }
}

extension GenerationRequest {
    /// Whether a prompt ends inside of a thought: behind the mark that begins one, or with an answer that has begun one.
    fileprivate func isThinking(after prompt: [TokenID], _ model: ModelInfo) -> Bool {
        guard case .chat(let history) = self.prompt, let marks = model.renderer?.thoughtMarks else { return false }
        if continuesAnswer, let last = history.last, marks.isOpen(atEndOf: last.text) { return true }
        let end = model.tokenizer.bytes(of: prompt.suffix(marks.start.utf8.count + 8)).trimmed
        return end.suffix(marks.start.utf8.count).elementsEqual(marks.start.utf8)
    }
}

extension Span<Float> {
    fileprivate var isEveryLogitInvalid: Bool {
        for i in indices where self[i] > -.infinity { return false }
        return true
    }
}

extension TextPiece {
    fileprivate init?(joining first: TextPiece?, _ second: TextPiece?) {
        guard let first else {
            guard let second else { return nil }
            self = second
            return
        }
        self = first
        guard let second else { return }
        text += second.text
        tokens += second.tokens
        toolCalls += second.toolCalls
        reasoning += second.reasoning
    }
}
