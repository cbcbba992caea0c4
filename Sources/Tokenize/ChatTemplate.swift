/// How a conversation is rendered as one sequence of tokens. It is applied by ``ChatRenderer``. A checkpoint stores the template it was
/// trained with.
///
/// markers:          `<|user|>` Hi `<|assistant|>` Hello! `<|eos|>`. The role tokens are special tokens, which no user text encodes to.
/// human-assistant:  `Human: Hi\nAssistant: Hello!\n`, all of it plain text, for models fine-tuned from GPT-2. A line end ends the turn, so
///                   a run of line ends inside a message becomes a space.
package enum ChatTemplate: String, Sendable, CaseIterable {
    case specialTokens = "markers"
    case humanAssistant = "human-assistant"
}
