import Files
import Tokenize

extension ModelInfo {
    /// A request for the log-probability of a text that continues a question: the sum over `promptTokens` of its result.
    ///
    ///     let (request, _) = try model.logProbabilityRequest(of: " Rome", after: "The capital of Italy is", isChat: false)
    ///
    /// As in lm-evaluation-harness, both are tokenized together, and the tokens after as many as the question has alone count. White space
    /// at the end of a question counts as the text's. What does not fit into the context loses its beginning.
    ///
    /// - Parameter isChat: Whether the question is a user's message, and the text the answer.
    package func logProbabilityRequest(
        of text: String, after question: String, isChat: Bool
    ) throws(GenerationError) -> (request: GenerationRequest, isTruncated: Bool) {
        let start: [TokenID], whole: [TokenID]
        if isChat {
            var form = ChatPromptForm()
            start = try promptIDs(of: [.init(.user, question)], form)
            form.continuesAnswer = true
            whole = try promptIDs(of: [.init(.user, question), .init(.assistant, text)], form)
        } else {
            do throws(TokenizeError) {
                start = try tokenizer.promptIDs(of: String(question.trimmingSuffix(while: \.isWhitespace)))
                whole = try tokenizer.promptIDs(of: question + text)
            } catch { throw .tokenizer(error) }
        }
        let excess = max(0, whole.count - context)
        var config = try GenerationConfig { $0.temperature = 0 }
        config.isPromptOnly = true
        config.promptLogProbabilities = 0
        config.firstPromptLogProbability = max(1, min(start.count, whole.count - 1) - excess)
        return (GenerationRequest(.tokens(Array(whole.dropFirst(excess))), config, policy: .refuse), excess > 0)
    }
}
