extension ModelInfo {
    /// The number of tokens of a chat's prompt, which may be longer than the context.
    package func promptTokenCount(of request: GenerationRequest) throws(GenerationError) -> Int {
        guard case .chat(let history) = request.prompt else { return 0 }
        let budget = PromptBudget(context: .max, tokenizer, try chatRenderer)
        return try budget.prompt(of: history, request.chatForm, policy: .refuse, maximumTokens: nil).ids.count
    }
}
