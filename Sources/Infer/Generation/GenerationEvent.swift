package import Tokenize

/// The events of a generation: `began` first, then pieces of text, `ended` last.
package enum GenerationEvent: Sendable, Equatable {
    case began(GenerationStart)
    case piece(TextPiece)
    case ended(GenerationEnd)
}

/// The prompt as the model reads it.
package struct GenerationStart: Sendable, Equatable {
    /// nil if not known yet.
    package var promptTokens: Int?
    /// The number of prompt tokens reused from the prompt cache.
    package var cachedTokens = 0
    /// The number of old messages dropped because the conversation did not fit.
    package var droppedMessages = 0
    /// Whether a single text was too long and lost its beginning.
    package var wasTruncated = false
    /// The context length: the most tokens of prompt and answer together.
    package var context: Int?
    /// Whether the prompt ends inside of a thought, with which the answer goes on.
    package var isThinking = false

    package init(promptTokens: Int? = nil, context: Int? = nil) {
        self.promptTokens = promptTokens
        self.context = context
    }
}

/// Text that can be shown at once: whole characters, and no part of a stop text. The last piece may have tokens but no text.
package struct TextPiece: Sendable, Equatable {
    package var text: String
    /// The tokens of the text, as far as known. A token comes with the piece in which its text begins.
    package var tokens: [GeneratedToken]
    /// Calls of functions that are not in the text: another server, or ``ChannelReader``, has separated them from it. Most models on this
    /// machine write them in the text.
    package var toolCalls: [ToolCall]
    /// What the model thought, if it was separated from the text in the same way.
    package var reasoning = ""
    /// The tokens of the prompt, if their log-probabilities were requested: in a piece of their own, before the answer.
    package var promptTokens: [GeneratedToken] = []

    package init(_ text: String, _ tokens: [GeneratedToken] = [], toolCalls: [ToolCall] = []) {
        self.text = text
        self.tokens = tokens
        self.toolCalls = toolCalls
    }
}

package struct GeneratedToken: Sendable, Equatable {
    /// Another token that was possible at this position.
    package struct Alternative: Sendable, Equatable {
        package let id: TokenID?
        package let bytes: [UInt8]
        package let logProbability: Float

        package init(_ id: TokenID?, _ bytes: [UInt8], _ logProbability: Float) {
            self.id = id
            self.bytes = bytes
            self.logProbability = logProbability
        }
    }

    /// nil if the backend does not report token ids.
    package let id: TokenID?
    package let bytes: [UInt8]
    /// From the model's own distribution, before penalties, bias and temperature; nil if not requested, and for the first of a prompt.
    package let logProbability: Float?
    /// 1 for the most likely token; nil if not requested: only tokens of prompts have it.
    package let rank: Int?
    /// Sorted from most to least likely.
    package let alternatives: [Alternative]

    package init(
        _ id: TokenID?, _ bytes: [UInt8], logProbability: Float? = nil, rank: Int? = nil, alternatives: [Alternative] = []
    ) {
        self.id = id
        self.bytes = bytes
        self.logProbability = logProbability
        self.rank = rank
        self.alternatives = alternatives
    }
}

package struct GenerationEnd: Sendable, Equatable {
    package var reason: FinishReason
    package var promptTokens: Int
    /// All sampled tokens except the one that ended the turn.
    package var answerTokens: Int
    /// Those of `answerTokens` inside of thoughts, without the tokens of their marks.
    package var reasoningTokens = 0
    /// The prompt tokens that another server has reused from its cache, which it reports at the end. nil if it does not, and for a model
    /// on this machine: those are in the start.
    package var cachedTokens: Int?
    package var timings: GenerationTimings
    /// The text of the request's `stop` that ended the answer.
    package var stopText: String?
    /// Counted only for a model on this machine.
    package var guesses = GuessCounts()

    package init(_ reason: FinishReason, promptTokens: Int, answerTokens: Int, timings: GenerationTimings = GenerationTimings()) {
        self.reason = reason
        self.promptTokens = promptTokens
        self.answerTokens = answerTokens
        self.timings = timings
    }
}

package enum FinishReason: Sendable, Equatable {
    /// A token that ends the turn, or a stop text.
    case stop
    /// The requested number of tokens, or the end of the context.
    case length
    case canceled
    case error(GenerationError)
}

extension FinishReason {
    /// OpenAI's `finish_reason` where it has one.
    package var name: String {
        switch self {
        case .stop: "stop"
        case .length: "length"
        case .canceled: "cancelled"
        case .error: "error"
        }
    }
}

/// The phases of a generation, in seconds.
package struct GenerationTimings: Sendable, Equatable {
    /// From the request until it got a slot.
    package var queued = 0.0
    /// From then until the first token was sampled.
    package var prefill = 0.0
    /// From the first token to the last.
    package var decode = 0.0

    package init() {}
}
