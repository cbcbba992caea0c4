import Checkpoint
import Infer
import JSON
import Tokenize

/// The sampling fields of a request body.
enum SamplingFields {
    static let names = [
        "max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty", "stop",
        "seed", "ignore_eos",
    ]

    /// Parses the sampling fields. Fields that are missing get the defaults of the model.
    static func config(
        _ fields: RequestFields, for model: ServedModel, maxTokens: Int? = nil, logitBias: [TokenID: Float] = [:],
        logProbabilities: Int? = nil
    ) throws(APIError) -> GenerationConfig {
        let defaults = model.samplingDefaults
        var config = GenerationConfig()
        config.stop = try stopTexts(fields)
        config.maxTokens = maxTokens
        if maxTokens == nil { config.maxTokens = try fields.integer("max_tokens") }
        config.temperature = try fields.number("temperature") ?? defaults.temperature
        config.topK = try fields.integer("top_k") ?? defaults.topK
        config.topP = try fields.number("top_p") ?? defaults.topP
        config.minP = try fields.number("min_p") ?? defaults.minP
        config.repetitionPenalty = try fields.number("repetition_penalty") ?? defaults.repetitionPenalty
        config.frequencyPenalty = try fields.number("frequency_penalty") ?? 0
        config.presencePenalty = try fields.number("presence_penalty") ?? 0
        config.seed = try fields.seed("seed")
        config.ignoresEOS = try fields.boolean("ignore_eos") ?? false
        config.logitBias = logitBias
        config.logProbabilities = logProbabilities
        do throws(GenerationError) { try config.check() } catch { throw APIError(error) }
        return config
    }

    private static func stopTexts(_ fields: RequestFields) throws(APIError) -> [String] {
        guard let stop = fields["stop"] else { return [] }
        if let text = stop.string { return [text] }
        guard let elements = stop.elements else {
            throw .invalid("stop", "expected a string or a list of strings, found \(stop.kind.rawValue).")
        }
        var texts: [String] = []
        for element in elements {
            guard let text = element.string else { throw .invalid("stop", "expected strings, found \(element.kind.rawValue).") }
            texts.append(text)
            // One too many is enough for GenerationConfig's error.
            if texts.count > GenerationConfig.maxStopTexts { break }
        }
        return texts
    }

    /// Returns the JSON name of a field of `GenerationConfig`.
    static func jsonName(of field: String) -> String {
        field == "logProbabilities" ? "top_logprobs"
            : field.reduce(into: "") { name, letter in name += letter.isUppercase ? "_" + letter.lowercased() : String(letter) }
    }
}
