package import Tokenize

/// What becomes of an answer: `began` first, then pieces, `ended` last.
package enum AnswerEvent: Sendable, Equatable {
    case began(AnswerBeginning), piece(AnswerPiece), ended(AnswerEnd)
}

/// What the model reads.
package struct AnswerBeginning: Sendable, Equatable {
    /// nil if nobody knows yet.
    package var promptTokens: Int?
    /// Those of them that were computed before, for another answer.
    package var cachedTokens = 0
    /// Messages at the beginning of the history that did not fit.
    package var droppedTurns = 0
    /// Whether a text, too long by itself, lost its beginning.
    package var wasCut = false
    /// Tokens that prompt and answer may have together.
    package var context: Int?

    package init(promptTokens: Int? = nil, context: Int? = nil) { (self.promptTokens, self.context) = (promptTokens, context) }
}

/// Text that can be shown at once: no half character, no part of a stop text.
package struct AnswerPiece: Sendable, Equatable {
    package var text: String
    /// What its text is made of, as far as it is known. A token comes with the piece in which its text begins.
    package var tokens: [GeneratedToken]

    package init(_ text: String, _ tokens: [GeneratedToken] = []) { (self.text, self.tokens) = (text, tokens) }
}

package struct GeneratedToken: Sendable, Equatable {
    /// A token that might have come at this place.
    package struct Alternative: Sendable, Equatable {
        package let id: TokenID?
        package let bytes: [UInt8]
        package let logProbability: Float

        package init(_ id: TokenID?, _ bytes: [UInt8], _ logProbability: Float) { (self.id, self.bytes, self.logProbability) = (id, bytes, logProbability) }
    }

    /// nil if it comes from a backend that tells no numbers.
    package let id: TokenID?
    package let bytes: [UInt8]
    /// Of what the model says, before anything changes it; nil if nobody asked.
    package let logProbability: Float?
    /// The likeliest first.
    package let alternatives: [Alternative]

    package init(_ id: TokenID?, _ bytes: [UInt8], logProbability: Float? = nil, alternatives: [Alternative] = []) {
        (self.id, self.bytes, self.logProbability, self.alternatives) = (id, bytes, logProbability, alternatives)
    }
}

package struct AnswerEnd: Sendable, Equatable {
    package var reason: EndReason
    package var promptTokens: Int
    /// All that were drawn, but for the one that ended the turn.
    package var answerTokens: Int
    package var timings: AnswerTimings

    package init(_ reason: EndReason, promptTokens: Int, answerTokens: Int, timings: AnswerTimings = AnswerTimings()) {
        (self.reason, self.promptTokens, self.answerTokens, self.timings) = (reason, promptTokens, answerTokens, timings)
    }
}

package enum EndReason: Sendable, Equatable {
    /// The turn was over, or a stop text came.
    case stop
    /// As many tokens as were asked for, or as the context holds.
    case length
    case cancelled
    case error(GenerationError)
}

extension EndReason {
    /// As OpenAI's `finish_reason`, where it has a word for it.
    package var name: String {
        switch self { case .stop: "stop"; case .length: "length"; case .cancelled: "cancelled"; case .error: "error" }
    }
}

/// In seconds.
package struct AnswerTimings: Sendable, Equatable {
    /// Until its turn came; until the first token was known; from then to the end.
    package var waited = 0.0, prompt = 0.0, answer = 0.0

    package init() {}
}
