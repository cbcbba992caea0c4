package import Autograd
import Glibc
package import Tokenize

extension Vocabulary {
    /// The tokens that end an answer, any of which ends it alike: `<|user|>` where the conversation continues, `<|eos|>` at its end.
    ///
    /// Empty if the chat template has only one such token.
    package func turnEnds(of template: ChatTemplate?) -> [TokenID] {
        guard template == .specialTokens else { return [] }
        return ["<|user|>", "<|eos|>"].compactMap { specialTokenID($0) }
    }
}

extension Batch {
    /// For each target that is one of `tokens`, the others, in [B, T] each: −1 where there is none.
    ///
    /// Which of the tokens follows an answer says whether the conversation goes on. That depends on the data, and no answer depends on it.
    package mutating func countAsOneEvent(_ tokens: [TokenID]) {
        guard tokens.count > 1, targets.contains(where: tokens.contains) else { return }
        alternatives = (1..<tokens.count).map { shift in
            targets.map { target in tokens.firstIndex(of: target).map { tokens[($0 + shift) % tokens.count] } ?? -1 }
        }
    }
}

extension TokenLosses {
    /// Adds the probabilities of the alternatives of each target to its own: the loss becomes that of any of them.
    ///
    /// - Parameters:
    ///   - losses: Those of the targets, then those of each set of alternatives, without targets that are negative.
    ///   - alternatives: As in ``Batch/alternatives``.
    package init(_ losses: [TokenLosses], of targets: some Collection<Int32>, _ alternatives: [[Int32]]) {
        self = losses[0]
        for (others, tokens) in zip(losses.dropFirst(), alternatives) {
            var i = 0, other = 0
            for (target, token) in zip(targets, tokens) where target >= 0 {
                if token >= 0 {
                    let (low, high) = (min(nats[i], others.nats[other]), max(nats[i], others.nats[other]))
                    nats[i] = low - log1p(exp(low - high))
                    isTopPrediction[i] = isTopPrediction[i] || others.isTopPrediction[other]
                    other += 1
                }
                i += 1
            }
        }
    }
}
