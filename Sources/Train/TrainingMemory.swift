package import Autograd
package import Model

extension GPTConfiguration {
    /// The bytes that training takes, about: weights in f32 and, of those that are learned, gradients and two moments, and what the blocks keep of each token.
    package func trainingMemory(tokensAtOnce: Int? = nil, adapting adaptation: LowRank? = nil) -> Int {
        var list = ParameterList(adapting: adaptation)
        _ = GPT(self, in: &list)
        let tokens = tokensAtOnce ?? (adaptation == nil ? Trainer.usualTokensAtOnce : Trainer.adapterTokensAtOnce)
        return 4 * list.frozen.count + 16 * list.count + max(tokens, context) * layers * width * 32
    }
}
