import Tokenize

extension ModelInfo {
    /// The number of tokens of a chat's prompt, which may be longer than the context.
    package func promptTokenCount(of request: GenerationRequest) throws(GenerationError) -> Int {
        guard case .chat(let history) = request.prompt else { return 0 }
        return try promptIDs(of: history, request.chatForm).count
    }

    /// The tokens of a chat's prompt, which may be more than the context.
    func promptIDs(of history: [Conversation.Message], _ form: ChatPromptForm = ChatPromptForm()) throws(GenerationError) -> [TokenID] {
        let budget = PromptBudget(context: .max, tokenizer, try chatRenderer)
        return try budget.prompt(of: history, form, policy: .refuse, maxTokens: nil).ids
    }
}
