package import Tokenize

/// A file as a model is to be asked about it: its tokens, which of them count, and what is told of them.
///
///     let reader = EvaluationReader(checkpoint, …)
///     let text = try reader.text(at: "chats.jsonl")
///     text.windows(of: 384, stride: 192)
package struct EvaluationText: Sendable {
    /// What is paired when two models are compared: a conversation, or some 4,000 bytes of a plain text.
    package struct Piece: Sendable, Equatable {
        /// The first of its tokens; it reaches to the next piece.
        package let start: Int
        /// Of what was said, as far as it counts.
        package let bytes: Int
    }

    package let name: String
    package let ids: [TokenID]
    /// Whether a token counts; that the first of a document does not, as nothing predicts it, goes without saying.
    let isCounted: [Bool]
    /// What does not see what was before it.
    let documents: [Range<Int>]
    package let pieces: [Piece]
    package let conversations: Int
    /// Whether the pieces are conversations, and not cut from a plain text.
    package let hasChats: Bool

    /// Some tokens that are read at once.
    package struct Window: Sendable, Equatable {
        package let inputs: Range<Int>
        /// The first target that counts here; those before it counted in the window before.
        package let firstTarget: Int

        /// What the inputs predict, as far as it counts here.
        package var targets: Range<Int> { firstTarget..<inputs.upperBound + 1 }
    }

    /// Windows in which each token but the first of a document is a target once. They begin `stride` tokens after each other.
    package func windows(of context: Int, stride: Int) -> [Window] {
        precondition((1...context).contains(stride), "windows of \(context) tokens, \(stride) apart")
        var result: [Window] = []
        for document in documents {
            var start = document.lowerBound, done = document.lowerBound
            while done < document.upperBound - 1 {
                let end = min(start + context, document.upperBound - 1)
                let window = Window(inputs: start..<end, firstTarget: done + 1)
                // One in which nobody speaks who counts need not be read.
                if isCounted[window.targets].contains(true) { result.append(window) }
                (start, done) = (start + stride, end)
            }
        }
        return result
    }
}
