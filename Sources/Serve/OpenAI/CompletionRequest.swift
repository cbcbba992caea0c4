import Infer
import Tokenize

/// A request to OpenAI's completion API: prompts, each with the same number of answers.
struct CompletionRequest: Sendable {
    enum Kind: Sendable { case chat, text }

    static let maxAnswersPerPrompt = 8

    /// The functions that answers may call, and how the model writes calls.
    struct Tools: Sendable {
        let tools: ChatTools
        /// nil for a model on another server, which separates them from the text.
        let format: ToolCallFormat?
        /// `parallel_tool_calls`: false limits an answer to one call.
        let allowsSeveral: Bool
        /// With `tool_choice`: the calls that an answer must consist of. nil: it may call tools, or not.
        let grammar: Grammar?
    }

    let kind: Kind
    let prompts: [Prompt]
    /// The text of each prompt, with `echo`; otherwise empty.
    let echoes: [String]
    let config: GenerationConfig
    let policy: TruncationPolicy
    /// `n`: the answers to each prompt that are returned.
    let answersPerPrompt: Int
    /// `best_of`: the answers to each prompt that are generated. The best ones are returned.
    let generatedPerPrompt: Int
    /// `logprobs`
    let includesLogProbabilities: Bool
    /// `prompt_logprobs`: the number of alternatives to each token of the prompt. nil: the response has none of them.
    let promptAlternatives: Int?
    let streams: Bool
    let tools: Tools?
    /// `response_format`: what answers must consist of. nil: any text.
    let format: Grammar?
    let forwardedFields: [ForwardedField]
    /// `chat_template_kwargs`
    var templateArguments: TemplateArguments?
    /// Whether the answer continues the last message.
    var continuesAnswer = false
    /// The marks of thoughts that are returned apart from answers. nil: an answer is text.
    var thoughtMarks: ThoughtMarks?
    /// `documents`: the passages in the place of the last message; nil without documents.
    var sources: AnswerSources?
    /// `stream_options.include_usage`
    let includesUsage: Bool

    /// The answers that are generated.
    var answerCount: Int { prompts.count * generatedPerPrompt }
    /// Whether log-probabilities begin with those of the prompt.
    var echoesLogProbabilities: Bool { !echoes.isEmpty && includesLogProbabilities }

    /// The generation request of one answer. The answers to one prompt have the seeds `seed`, `seed` + 1, …
    subscript(answer: Int) -> GenerationRequest {
        var config = config.reseeded(attempt: UInt64(answer % generatedPerPrompt))
        // A chat's response has those of the prompt once.
        if kind == .chat, answer % generatedPerPrompt > 0 { config.promptLogProbabilities = nil }
        var request = GenerationRequest(prompts[answer / generatedPerPrompt], config, policy: policy)
        request.tools = tools?.tools
        request.grammar = tools?.grammar ?? format
        request.templateArguments = templateArguments
        request.continuesAnswer = continuesAnswer
        request.forwardedFields = forwardedFields
        return request
    }

    func echo(of answer: Int) -> String { echoes.isEmpty ? "" : echoes[answer / generatedPerPrompt] }

    /// The answers to return of those that were generated, by their indices: all, or those to each prompt with the highest mean
    /// log-probability of their tokens, the best first.
    func returned(of answers: [GenerationResult]) -> [Int] {
        if generatedPerPrompt == answersPerPrompt { return Array(answers.indices) }
        let means = answers.map { answer in
            let values = answer.tokens.compactMap(\.logProbability)
            return values.isEmpty ? -Float.infinity : values.reduce(0, +) / Float(values.count)
        }
        return prompts.indices.flatMap { prompt in
            let generated = prompt * generatedPerPrompt..<(prompt + 1) * generatedPerPrompt
            return generated.sorted { means[$0] != means[$1] ? means[$0] > means[$1] : $0 < $1 }.prefix(answersPerPrompt)
        }
    }
}
