import Checkpoint
import Infer
import Kernels

extension PrecisionOption: OptionValue {}

/// Who answers: a model of this machine, or a program at an address.
struct Answerer {
    var checkpoint: String?
    var base: String?
    var backend: String?
    var backendModel: String?
    var dtype = PrecisionOption.auto

    enum Source {
        case checkpoint(String), address(String)
    }

    static func rows<Options>(_ path: WritableKeyPath<Options, Answerer>) -> [OptionRow<Options>] {
        [
            .option(
                "checkpoint", path.appending(path: \.checkpoint),
                "The model that answers. [the newest under checkpoints/, of those that were fine-tuned if there are any]"),
            .option("base", path.appending(path: \.base), "The model that an adapter is for, where that is not where it was."),
            .option(
                "backend", path.appending(path: \.backend),
                "Another program that answers: openai:URL, such as openai:http://localhost:8080. Its key: SLM_BACKEND_KEY or OPENAI_API_KEY."
            ),
            .option("backend-model", path.appending(path: \.backendModel), "Which of its models. [the first]"),
            .option("dtype", path.appending(path: \.dtype), "What the weights are kept in."),
        ]
    }

    /// Of what nobody named, the newest at this moment. What is wrong with the options is told before anything is read.
    func source(for command: String) throws -> Source {
        switch (checkpoint, backend) {
        case (let path?, nil): return .checkpoint(path)
        case (nil, let backend?):
            guard backend.hasPrefix("openai:") else {
                throw UsageError("slm \(command): --backend: expected openai:URL, found '\(backend)'.")
            }
            return .address(String(backend.dropFirst(7)))
        case (nil, nil):
            guard let path = Checkpoint.newest(under: "checkpoints") else {
                throw UsageError(
                    "slm \(command): say who answers: --checkpoint FILE, or --backend openai:URL. There is no model under checkpoints/, where it would be looked for."
                )
            }
            return .checkpoint(path)
        default: throw UsageError("slm \(command): give --checkpoint or --backend, not both.")
        }
    }

    func open(
        checkpoint path: String, limits: LocalBackend.Limits = .init(), on makeProcessor: @escaping @Sendable () throws -> Processor
    ) throws -> LocalBackend {
        try LocalBackend(checkpoint: path, base: base, dtype, limits: limits) { [dtype] in
            let processor = try makeProcessor()
            _ = processor.weightPrecision(for: dtype)
            return processor
        }
    }

    func open(address: String, environment: [String: String]) throws -> any ChatBackend {
        try OpenAIBackend(address: address, model: backendModel, key: environment["SLM_BACKEND_KEY"] ?? environment["OPENAI_API_KEY"])
    }
}
