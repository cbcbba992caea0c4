import Checkpoint
import Infer
import Kernels
import Tokenize

extension PrecisionOption: OptionValue {
    static var metavariable: String { "TYPE" }
}

extension WeightPrecision: OptionValue {}

extension KVPrecisionOption: OptionValue {
    static var metavariable: String { "TYPE" }
}

extension Speculation: OptionValue {
    static var metavariable: String { "WHEN" }
}

extension CommandOption {
    static func kvPrecision(_ path: WritableKeyPath<Options, KVPrecisionOption>) -> CommandOption {
        option("kv-dtype", path, "Store cached keys and values in this data type.")
    }
}

/// The options that choose the model: a checkpoint on this machine, or a server with an OpenAI-compatible API.
struct ModelOptions {
    var checkpoint: String?
    var base: String?
    var adapters: [String] = []
    var backend: String?
    var backendModel: String?
    var precision = PrecisionOption.auto
    var kvPrecision = KVPrecisionOption.auto
    var context: Int?
    var speculation = Speculation.auto
    var draft: String?
    var chatTemplate: ChatTemplateChoice?

    enum Location {
        case checkpoint(String), url(String)
    }

    static func checkpointOption<Options>(_ path: WritableKeyPath<Options, ModelOptions>) -> CommandOption<Options> {
        .checkpoint(
            path.appending(path: \.checkpoint), "Use this model: a checkpoint, a Hugging Face folder or a GGUF file.",
            default: "the newest under checkpoints/, fine-tuned ones first")
    }

    /// The options besides the checkpoint.
    ///
    /// - Parameter adapterHelp: What the command does with LoRA adapters of the checkpoint.
    static func options<Options>(
        _ path: WritableKeyPath<Options, ModelOptions>, adapterHelp: String = "Use this LoRA adapter of the checkpoint."
    ) -> [CommandOption<Options>] {
        [
            .option("base", path.appending(path: \.base), value: "CHECKPOINT", "Take the base model of a LoRA adapter from this file.",
                    default: "the path stored in the adapter"),
            .list("adapter", path.appending(path: \.adapters), value: "NAME=FILE", adapterHelp, separator: ","),
            .chatTemplate(path.appending(path: \.chatTemplate)),
            .option("dtype", path.appending(path: \.precision), "Store the weights in this data type."),
            .kvPrecision(path.appending(path: \.kvPrecision)),
            .option("context", path.appending(path: \.context), value: "N", in: 16...16_777_216,
                    "Use at most N tokens of the model's context for a prompt and its answer.", default: "all of it"),
            .option("speculate", path.appending(path: \.speculation),
                    "Guess the next tokens where the text repeats the prompt or itself, and check them together. Answers stay the same."),
            .option("draft", path.appending(path: \.draft), value: "MODEL",
                    "Let this small model, which has the same vocabulary, guess the next tokens, too. Answers stay the same."),
            .option("backend", path.appending(path: \.backend), value: "openai:URL",
                    "Use a model behind an OpenAI-compatible API. Its key is read from SLM_BACKEND_KEY or OPENAI_API_KEY."),
            .option("backend-model", path.appending(path: \.backendModel), value: "NAME", "Choose a model of the --backend.",
                    default: "its first"),
        ]
    }

    /// The model to use, which is the newest one if none is given. Opens no checkpoint, so that wrong options are reported first.
    ///
    /// - Parameter prefersFinished: Whether a checkpoint that is not named comes from a run that is not in progress, if there is one.
    func location(for command: String, prefersFinished: Bool = false) throws -> Location {
        switch (checkpoint, backend) {
        case (let path?, nil): return .checkpoint(path)
        case (nil, let backend?):
            guard backend.hasPrefix("openai:") else {
                throw UsageError("slm \(command): --backend: expected openai:URL, found '\(backend)'.")
            }
            if context != nil { throw UsageError("slm \(command): --context limits a checkpoint, and --backend has a limit of its own.") }
            if draft != nil { throw UsageError("slm \(command): --draft: expected with a checkpoint, found with --backend.") }
            if chatTemplate != nil { throw UsageError("slm \(command): --chat-template: a --backend renders chats itself.") }
            return .url(String(backend.dropFirst(7)))
        case (nil, nil):
            let finished = prefersFinished ? Checkpoint.newest(under: "checkpoints", where: TrainingRunListing.isServable) : nil
            guard let path = finished ?? Checkpoint.newest(under: "checkpoints") else {
                throw UsageError("slm \(command): no model found under checkpoints/. Give one: slm \(command) CHECKPOINT, or "
                    + "--backend openai:URL.")
            }
            return .checkpoint(path)
        default: throw UsageError("slm \(command): expected --checkpoint or --backend, found both.")
        }
    }

    func open(
        checkpoint path: String,
        adapters: [AdapterFile] = [],
        limits: LocalBackend.Limits = .init(),
        on machine: some MachineOptions,
        isQuiet: Bool
    ) throws -> LocalBackend {
        var limits = limits
        limits.speculation = speculation
        return try LocalBackend(
            checkpoint: path, base: base, adapters: adapters, draft: speculation == .never ? nil : draft, precision, cache: kvPrecision,
            context: context, chatTemplate: chatTemplate, limits: limits, tuned: machine.tunedInference(precision, isQuiet: isQuiet),
            on: machine.makeProcessor)
    }

    func open(url: String, environment: [String: String]) throws -> OpenAIBackend {
        try OpenAIBackend(address: url, model: backendModel, key: environment["SLM_BACKEND_KEY"] ?? environment["OPENAI_API_KEY"])
    }
}
