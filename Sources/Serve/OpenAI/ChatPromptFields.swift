import Infer
import Tokenize

/// How much a model thinks before it answers: OpenAI's `reasoning_effort`.
private enum ReasoningEffort: String, CaseIterable {
    case off = "none"
    case minimal, low, medium, high, xhigh, max
}

/// The fields of a chat request that concern how the model's chat template writes the prompt, and how its answer is read.
extension RequestFields {
    /// Parses `chat_template_kwargs`, which vLLM and llama.cpp have, too, and `reasoning_effort`, a field of OpenAI's API. The effort sets
    /// the variables that templates of models that think have, unless the other field sets them.
    func templateArguments() throws(APIError) -> TemplateArguments? {
        let field = ForwardedField.templateArguments, given = self[field]
        let effort: ReasoningEffort? = try choice(ForwardedField.reasoningEffort)
        do throws(TemplateArguments.Failure) {
            guard let effort else {
                return try given.map { value throws(TemplateArguments.Failure) in try TemplateArguments(value) }
            }
            return try TemplateArguments(
                given, defaults: ["enable_thinking": effort == .off ? "false" : "true", "reasoning_effort": "\"\(effort.rawValue)\""])
        } catch { throw .invalid(error.name.map { "\(field).\($0)" } ?? field, error.reason) }
    }

    /// Parses `continue_final_message` and `add_generation_prompt`, as in vLLM: whether the answer continues the last message. By
    /// default it does if that is the assistant's, as in llama.cpp.
    ///
    /// - Parameter grammar: What answers must consist of: an answer that has begun cannot be checked from its beginning.
    func continuesAnswer(_ messages: [ChatMessage], grammar: Grammar?) throws(APIError) -> Bool {
        let asked = try boolean("continue_final_message"), prompts = try boolean("add_generation_prompt")
        let last = messages.last, canContinue = last?.role == .assistant && last?.toolCalls.isEmpty == true
        if asked == true {
            guard canContinue else {
                throw .invalid("continue_final_message", "expected a last message of the assistant, without tool calls.")
            }
            if prompts == true { throw .invalid("add_generation_prompt", "expected false together with continue_final_message.") }
        }
        let continues = asked ?? (canContinue && prompts != true)
        if !continues, prompts == false {
            throw .invalid("add_generation_prompt", "expected true, unless the answer continues a last message of the assistant.")
        }
        if continues, grammar != nil {
            let field = answerFormatFields.first ?? "tool_choice"
            throw .invalid(field, "not supported for an answer that continues a last message of the assistant.")
        }
        return continues
    }

    /// Parses `reasoning_format`, a field of llama.cpp: the marks between which an answer has a thought that is returned apart from it.
    ///
    /// - Parameter grammar: What answers must consist of: they have no thoughts.
    func thoughtMarks(for model: ServedModel, grammar: Grammar?) throws(APIError) -> ThoughtMarks? {
        switch try optionalText("reasoning_format", 0...40) {
        case nil, "auto", "deepseek": grammar == nil ? model.modelInfo?.renderer?.thoughtMarks : nil
        case "none": nil
        default: throw .invalid("reasoning_format", "expected auto, deepseek (the same) or none.")
        }
    }
}
