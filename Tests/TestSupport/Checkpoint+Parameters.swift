package import Autograd
package import Checkpoint
package import Model
package import Tokenize

extension ParameterList {
    /// The parameters of a model, or those of a LoRA adapter beside it.
    package init(of configuration: GPTConfiguration, lora: LoRAConfiguration? = nil) {
        self.init(lora: lora)
        _ = GPT(configuration, in: &self)
    }
}

extension Checkpoint {
    /// A model with the values of parameters.
    package init(
        _ configuration: GPTConfiguration, _ parameters: Parameters, _ vocabulary: Vocabulary, _ chatTemplate: ChatTemplate? = nil
    ) throws {
        self.init(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        tokenizer = try StoredTokenizer(vocabulary)
        self.chatTemplate = chatTemplate
    }
}
