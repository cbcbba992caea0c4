import Infer
import JSON
import Tokenize

/// How an answer is to be drawn, from a request's fields.
enum SamplingFields {
    static let names = [
        "max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty", "stop",
        "seed", "ignore_eos",
    ]

    /// - Parameter model: Who will answer.
    static func config(
        _ fields: Fields, for model: ServedModel, maximumTokens: Int? = nil, logitBias: [TokenID: Float] = [:], logProbabilities: Int? = nil
    ) throws(Failure) -> GenerationConfig {
        let stop = try stops(fields), usual = model.samplingDefaults
        var most = maximumTokens
        if most == nil { most = try fields.integer("max_tokens") }
        let temperature = try fields.number("temperature") ?? usual.temperature, topK = try fields.integer("top_k") ?? usual.topK
        let topP = try fields.number("top_p") ?? usual.topP, minP = try fields.number("min_p") ?? 0
        let repetition = try fields.number("repetition_penalty") ?? 1
        let frequency = try fields.number("frequency_penalty") ?? 0, presence = try fields.number("presence_penalty") ?? 0
        let seed = try fields.unsigned("seed"), ignoresEOS = try fields.boolean("ignore_eos") ?? false
        do throws(GenerationError) {
            var config = try GenerationConfig(
                maximumTokens: most, temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: repetition,
                frequencyPenalty: frequency, presencePenalty: presence, stop: stop, seed: seed, logitBias: logitBias,
                logProbabilities: logProbabilities)
            config.ignoresEOS = ignoresEOS
            return config
        } catch { throw Failure(error) }
    }

    private static func stops(_ fields: Fields) throws(Failure) -> [String] {
        guard let stop = fields["stop"] else { return [] }
        if let text = stop.string { return [text] }
        guard let elements = stop.elements else {
            throw .invalid("stop", "expected a text or a list of texts, found \(stop.kind.rawValue).")
        }
        var texts: [String] = []
        for element in elements {
            guard let text = element.string else { throw .invalid("stop", "expected texts, found \(element.kind.rawValue).") }
            texts.append(text)
            if texts.count > GenerationConfig.maxStopTexts { break }
        }
        return texts
    }

    /// A field of `GenerationConfig` as requests call it.
    static func outerName(of field: String) -> String {
        switch field {
        case "maximumTokens": "max_tokens"
        case "logProbabilities": "top_logprobs"
        default: field.reduce(into: "") { name, letter in name += letter.isUppercase ? "_" + letter.lowercased() : String(letter) }
        }
    }
}
