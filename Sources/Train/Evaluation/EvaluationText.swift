package import Tokenize

/// A tokenized file for evaluation: its tokens, which of them are targets, and the pieces that metrics are computed for.
///
///     let text = try reader.text(at: "chats.jsonl")
///     text.windows(of: 384, stride: 192)
package struct EvaluationText: Sendable {
    /// The unit of a paired comparison of two models: a conversation, or 4,096 bytes of plain text.
    package struct Piece: Sendable, Equatable {
        /// The index of its first token. It ends where the next piece starts.
        package let start: Int
        /// The bytes of text that its targets encode.
        package let bytes: Int
    }

    package let name: String
    package let ids: [TokenID]
    /// For each token, whether it is a target. The first token of a document is never one.
    let isCounted: [Bool]
    /// For each token, whether it ends a turn; empty in a stream, which has no turns.
    let isTurnEnd: [Bool]
    /// Tokens that end an answer alike, so that their probabilities are added; empty if there is only one.
    let turnEnds: [TokenID]
    /// Token ranges that do not see each other.
    let documents: [Range<Int>]
    package let pieces: [Piece]
    package let conversations: Int
    /// Whether the pieces are conversations instead of cuts of a plain text.
    package let hasChats: Bool

    /// Tokens that the model reads at once.
    package struct Window: Sendable, Equatable {
        package let inputs: Range<Int>
        /// The first target of this window. Earlier tokens were targets of the window before.
        package let firstTarget: Int

        package var targets: Range<Int> { firstTarget..<inputs.upperBound + 1 }
    }

    /// Sliding windows, each starting `stride` tokens after the one before.
    ///
    /// Each token but the first of a document is a target exactly once.
    package func windows(of context: Int, stride: Int) -> [Window] {
        precondition((1...context).contains(stride), "windows of \(context) tokens, \(stride) apart")
        var result: [Window] = []
        for document in documents {
            var start = document.lowerBound
            var done = document.lowerBound
            while done < document.upperBound - 1 {
                let end = min(start + context, document.upperBound - 1)
                let window = Window(inputs: start..<end, firstTarget: done + 1)
                if isCounted[window.targets].contains(true) { result.append(window) }
                start += stride
                done = end
            }
        }
        return result
    }
}
