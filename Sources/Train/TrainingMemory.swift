import Autograd
package import Model

extension GPTConfiguration {
    package var parameterCount: Int {
        let (L, C, V) = (layers, width, vocabulary)
        let bias = hasBias ? L * 9 * C : 0, norms = (2 * L + 1) * C * (norm == .layer && hasBias ? 2 : 1)
        return 12 * L * C * C + bias + norms + (isTied ? 1 : 2) * V * C + (positions == .learned ? context * C : 0)
    }

    /// The bytes that training takes, about: weights, gradients and two moments in f32, and what the blocks keep of each token.
    package func trainingMemory(tokensAtOnce: Int = Trainer.usualTokensAtOnce) -> Int {
        16 * parameterCount + max(tokensAtOnce, context) * layers * width * 32
    }
}
