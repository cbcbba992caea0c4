/// The embeddings of the texts of one request: of each, the mean of its tokens' final hidden states, scaled to the length 1.
package struct EmbeddingResult: Sendable, Equatable {
    /// In the order of the texts; empty unless the reason is `stop`.
    package let embeddings: [[Float]]
    /// `stop`, `cancelled` or `error`.
    package let reason: FinishReason

    package init(_ embeddings: [[Float]] = [], _ reason: FinishReason = .stop) {
        self.embeddings = embeddings
        self.reason = reason
    }
}

extension [Float] {
    /// The same direction with the length 1. Zero stays zero.
    package var normalized: [Float] {
        let length = reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        return length > 0 ? map { Float(Double($0) / length) } : self
    }
}
