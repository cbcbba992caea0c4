import Infer
import Tokenize

/// What a program asks for in OpenAI's words: some prompts, and to each of them so many answers.
struct CompletionRequest: Sendable {
    enum Kind: Sendable { case chat, text }

    static let mostAnswersPerPrompt = 8

    let kind: Kind
    let prompts: [Prompt]
    /// What stands before the answers to each prompt; empty unless they asked for it.
    let echoes: [String]
    let config: GenerationConfig
    let policy: TruncationPolicy
    let answersPerPrompt: Int
    let streams: Bool
    /// Whether a stream ends with the counts of tokens.
    let tellsUsage: Bool

    var answerCount: Int { prompts.count * answersPerPrompt }
    var tellsLogProbabilities: Bool { config.logProbabilities != nil }

    /// What the model is asked for one of the answers: to the same prompt each draws something else, with the seeds `seed`, `seed` + 1, …
    subscript(answer: Int) -> GenerationRequest {
        GenerationRequest(prompts[answer / answersPerPrompt], config.reseeded(attempt: UInt64(answer % answersPerPrompt)), policy: policy)
    }

    func echo(of answer: Int) -> String { echoes.isEmpty ? "" : echoes[answer / answersPerPrompt] }
}
