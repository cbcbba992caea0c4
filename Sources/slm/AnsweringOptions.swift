import Infer
import Tokenize

extension TruncationPolicy: OptionValue {}

/// The options of every command that answers.
protocol AnsweringOptions: MachineOptions {
    var answering: AnsweringChoice { get set }
}

/// Who answers, and how answers are drawn.
struct AnsweringChoice {
    var answerer = Answerer()
    var sampling = SamplingOptions()
    var system: String?
    var policy = TruncationPolicy.oldestTurns

    var config: GenerationConfig { get throws { try sampling.config(usual: answerer.backend == nil ? .smallModels : .remoteModels) } }
}

/// What is not given is, for a model of ours, what suits small models; another program decides for itself.
struct SamplingOptions {
    var maxTokens: Int?
    var temperature: Double?
    var topK: Int?
    var topP: Double?
    var minP = 0.0
    var repetitionPenalty = 1.0
    var frequencyPenalty = 0.0
    var presencePenalty = 0.0
    var stop: [String] = []
    var seed: Int?
    var logprobs: Int?
    var logitBias: [String] = []

    func config(usual: SamplingDefaults) throws -> GenerationConfig {
        do throws(GenerationError) {
            return try GenerationConfig(
                maximumTokens: maxTokens, temperature: temperature ?? usual.temperature, topK: topK ?? usual.topK, topP: topP ?? usual.topP,
                minP: minP,
                repetitionPenalty: repetitionPenalty, frequencyPenalty: frequencyPenalty, presencePenalty: presencePenalty, stop: stop,
                seed: seed.map { UInt64(bitPattern: Int64($0)) }, logitBias: Dictionary(biases.get(), uniquingKeysWith: { $1 }),
                logProbabilities: logprobs)
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
                    throw .field("logitBias", value: "'\(text)'", expected: "a token's number and its bias, such as 17=-100")
                }
                return (id, bias)
            }
        }
    }

    /// topP as --top-p.
    private static func option(of field: String) -> String {
        switch field {
        case "maximumTokens": "--max-tokens"
        case "logProbabilities": "--logprobs"
        default: "--" + field.map { $0.isUppercase ? "-" + $0.lowercased() : String($0) }.joined()
        }
    }
}

extension AnsweringOptions {
    static var answeringRows: [OptionRow<Self>] {
        rows + Answerer.rows(\.answering.answerer) + [
            .option("max-tokens", \.answering.sampling.maxTokens, "The most tokens of an answer. [what the context leaves]"),
            .option("temperature", \.answering.sampling.temperature, "0 takes the likeliest token, up to 2 unlikely ones. [0.8]"),
            .option("top-k", \.answering.sampling.topK, "Draw from so many of the likeliest; 0 from all. [50]"),
            .option("top-p", \.answering.sampling.topP, "Draw from the likeliest that together have this share. [0.95]"),
            .option("min-p", \.answering.sampling.minP, "Draw from those that have this share of the likeliest's."),
            .option("repetition-penalty", \.answering.sampling.repetitionPenalty, "Divides the scores of tokens that were there."),
            .option(
                "frequency-penalty", \.answering.sampling.frequencyPenalty,
                "Taken from a score each time that the token stands in the answer."),
            .option("presence-penalty", \.answering.sampling.presencePenalty, "Taken from a score once the token stands in the answer."),
            .list("stop", \.answering.sampling.stop, "TEXT", "The answer ends before any of these texts.", separator: "\n"),
            .option("seed", \.answering.sampling.seed, "Draws the same each time. [another each time]"),
            .list("logit-bias", \.answering.sampling.logitBias, "ID=BIAS", "Added to a token's score, from -100 to 100."),
            .option("system", \.answering.system, "What the model is told before everything."),
            .option("policy", \.answering.policy, "What gives way when a conversation is longer than the context."),
        ]
    }

    func open(for command: String, environment: [String: String]) throws -> any ChatBackend {
        let answerer = answering.answerer
        switch try answerer.source(for: command) {
        case .address(let address): return try answerer.open(address: address, environment: environment)
        case .checkpoint(let path):
            if answerer.checkpoint == nil { note("\(path) answers, the newest under checkpoints/.") }
            return try answerer.open(checkpoint: path, on: processorMaker)
        }
    }
}
