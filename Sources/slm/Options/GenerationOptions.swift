import Checkpoint
import Infer
import JSON
import Tokenize

extension TruncationPolicy: OptionValue {
    static var metavariable: String { "POLICY" }
}

extension TemplateArguments: OptionValue {
    init?(optionText: String) {
        guard let element = try? JSONElement(parsing: optionText), let arguments = try? TemplateArguments(element) else { return nil }
        self = arguments
    }
    var optionText: String { String(decoding: json, as: UTF8.self) }
    static var metavariable: String { "JSON" }
    static var expectation: String { #"a JSON object such as {"enable_thinking": false}, without variables that are set for every chat"# }
}

/// The options of every command that generates text.
protocol GenerationOptions: MachineOptions {
    var generation: GenerationSettings { get set }
    var quiet: Bool { get set }
}

/// The model, and how its tokens are sampled.
struct GenerationSettings {
    var model = ModelOptions()
    var sampling = SamplingOptions()
    var system: String?
    var policy = TruncationPolicy.oldestTurns
    var templateArguments: TemplateArguments?

    /// The fields that a model on another server reads.
    var forwardedFields: [ForwardedField] {
        templateArguments.map { [ForwardedField(ForwardedField.templateArguments, $0.json)] } ?? []
    }
}

/// Options that are not set get the model's defaults.
struct SamplingOptions {
    var maxTokens: Int?
    var temperature: Double?
    var topK: Int?
    var topP: Double?
    var minP: Double?
    var repetitionPenalty: Double?
    var frequencyPenalty = 0.0
    var presencePenalty = 0.0
    var stop: [String] = []
    var seed: Int?
    var logprobs: Int?
    var logitBias: [String] = []

    /// - Parameter defaults: `samplingDefaults` of the backend.
    func config(_ defaults: SamplingDefaults = .smallModels) throws -> GenerationConfig {
        var config = GenerationConfig()
        config.maxTokens = maxTokens
        config.temperature = temperature ?? defaults.temperature
        config.topK = topK ?? defaults.topK
        config.topP = topP ?? defaults.topP
        config.minP = minP ?? defaults.minP
        config.repetitionPenalty = repetitionPenalty ?? defaults.repetitionPenalty
        config.frequencyPenalty = frequencyPenalty
        config.presencePenalty = presencePenalty
        config.stop = stop
        config.seed = seed.map { UInt64(bitPattern: Int64($0)) }
        config.logProbabilities = logprobs
        do throws(GenerationError) {
            config.logitBias = Dictionary(try biases.get(), uniquingKeysWith: { $1 })
            try config.check()
            return config
        } catch {
            guard case .field(let name, let value, let expected) = error else { throw error }
            throw UsageError("slm: \(Self.option(of: name)): expected \(expected), found \(value).")
        }
    }

    private var biases: Result<[(TokenID, Float)], GenerationError> {
        Result { () throws(GenerationError) in
            try logitBias.map { text throws(GenerationError) in
                let parts = text.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, let id = TokenID(parts[0]), let bias = Float(parts[1]) else {
                    throw .field("logitBias", value: "'\(text)'", expected: "a token id and its bias, such as 17=-100")
                }
                return (id, bias)
            }
        }
    }

    /// `--top-p` for `topP`.
    private static func option(of field: String) -> String {
        field == "logProbabilities" ? "--logprobs" : "--" + field.map { $0.isUppercase ? "-" + $0.lowercased() : String($0) }.joined()
    }
}

extension GenerationOptions {
    private static var defaults: SamplingDefaults { .smallModels }

    static var temperatureOption: CommandOption<Self> {
        .option("temperature", \.generation.sampling.temperature,
                "Set the sampling temperature, 0 to 2; 0 always takes the most likely token.",
                default: "the model's, or \(defaults.temperature.optionText)")
    }

    /// The options that are most used.
    static var mainGenerationOptions: [CommandOption<Self>] {
        [
            ModelOptions.checkpointOption(\.generation.model),
            .option("system", \.generation.system, value: "TEXT", "Set the system message of the chat."),
            temperatureOption,
            .option("max-tokens", \.generation.sampling.maxTokens, "Generate at most N tokens.", default: "what fits the context"),
        ]
    }

    static var generationGroups: [OptionGroup<Self>] {
        [
            OptionGroup("Sampling", [
                .option("top-k", \.generation.sampling.topK, "Sample from the N most likely tokens; 0 for all.",
                        default: "the model's, or \(defaults.topK.optionText)"),
                .option("top-p", \.generation.sampling.topP, "Sample from the most likely tokens with a total probability of X.",
                        default: "the model's, or \(defaults.topP.optionText)"),
                .option("min-p", \.generation.sampling.minP, "Drop tokens less likely than X times the most likely one.",
                        default: "the model's, or \(defaults.minP.optionText)"),
                .option("repetition-penalty", \.generation.sampling.repetitionPenalty, "Divide the logits of tokens that occurred by X.",
                        default: "the model's, or \(defaults.repetitionPenalty.optionText)"),
                .option("frequency-penalty", \.generation.sampling.frequencyPenalty,
                        "Subtract X from a token's logit for each time it occurred in the answer."),
                .option("presence-penalty", \.generation.sampling.presencePenalty,
                        "Subtract X from the logits of tokens that occurred in the answer."),
                .list("logit-bias", \.generation.sampling.logitBias, value: "ID=BIAS", "Add BIAS (-100 to 100) to the logit of token ID."),
                .list("stop", \.generation.sampling.stop, value: "TEXT", "Stop before any of these texts.", separator: "\n"),
                .option("seed", \.generation.sampling.seed, "Sample the same text every time.", default: "random"),
                .option("policy", \.generation.policy, "Choose what is dropped when a conversation exceeds the context."),
            ]),
            OptionGroup("Model", ModelOptions.options(\.generation.model) + [
                .option("chat-template-kwargs", \.generation.templateArguments,
                        "Set variables of the model's chat template, such as {\"enable_thinking\": false}.", default: "none"),
            ]),
            OptionGroup("Machine", machineOptions),
        ]
    }

    /// Opens the model. Wrong sampling options are reported before it is loaded.
    ///
    /// - Parameter chats: Whether it will answer chats, so that a template that it lacks is worth a note.
    func openBackend(for command: String, chats: Bool, environment: [String: String]) throws -> any ChatBackend {
        _ = try generation.sampling.config()
        let model = generation.model, adapters = try model.adapterFiles(for: command)
        if adapters.count > 1 { throw UsageError("slm \(command): --adapter: expected one adapter, found \(adapters.count).") }
        switch try model.location(for: command) {
        case .url(let url): return try model.open(url: url, environment: environment)
        case .checkpoint(let path):
            if model.checkpoint == nil, !quiet { printNote("using \(path), the newest model under checkpoints/.") }
            let backend = try model.open(checkpoint: path, adapters: adapters, on: self, isQuiet: quiet)
            if !quiet { backend.model.importNotes.forEach(printNote) }
            if chats, !quiet, backend.model.isTemplateAssumed, adapters.isEmpty { printTemplateNote(path) }
            if let adapter = backend.adapters.first { return adapter }
            return backend
        }
    }
}
