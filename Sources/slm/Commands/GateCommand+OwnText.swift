import Checkpoint
import Corpus
import Files
import Formats
import Infer
import Kernels
import Tokenize
import Train

/// General text for an owner who has named none: what the active model was validated on, and what it generates.
extension GateCommand {
    private static let validationTokens = 65_536

    /// Evaluates both models on the validation share of the data that the active one was trained on. nil if that is not there as a token
    /// folder, or if a model reads other tokens.
    func compareOnOwnValidationSet(_ models: [ModelFile]) throws -> ModelGate.Pair? {
        let known = KnownTrainingData.paths(of: active, models[1].checkpoint)
        guard let folder = known.first(where: { Folder.contains("meta.json", in: $0) }),
              let meta = try? TokenMeta(reading: folder + "/meta.json"), meta.counts(of: .val).tokens > 0,
              models.map(\.checkpoint).allSatisfy({ $0.tokenizer?.fingerprint == meta.fingerprint }),
              meta.template == nil || models.allSatisfy({ $0.checkpoint.chatTemplate == meta.template }),
              let file = try? TokenFile(.val, in: folder, meta),
              let set = try ValidationSet(file, meta.template, models[1].checkpoint.vocabulary(), lossScope: lossScope(of: models)) else {
            return nil
        }
        let command = try evaluation(of: [folder]), processor = try options.processor(), part = set.part(of: Self.validationTokens)
        let results = try models.map { model in
            let progress = ProgressBar("evaluating", isVisible: !command.options.quiet)
            defer { progress.clear() }
            return try set.evaluation(of: part, by: command.evaluator(of: model, on: processor)) { tokens in
                progress.show(fraction: Double(tokens) / Double(part.tokens), folder)
            }
        }
        return try ModelGate.Pair(candidate: [results[0]], active: [results[1]])
    }

    /// Evaluates both models on chats that the active one generates, or on text if it has no chat template. nil if it generates nothing.
    func compareOnOwnText(_ models: [ModelFile]) throws -> ModelGate.Pair? {
        let progress = ProgressBar("generating text", isVisible: !options.quiet && !options.json)
        progress.show(fraction: nil, active)
        defer { progress.clear() }
        let lines = try ownText(of: models[1])
        if lines.isEmpty { return nil }
        let folder = try ScratchFolder(), path = folder.path + "/generated.jsonl"
        try AtomicFile.write(lines.map { $0 + "\n" }.joined(), to: path, isPrivate: true)
        return try compare(models, on: [path], models[1].checkpoint.chatTemplate == nil ? .all : .assistant)
    }

    /// JSON lines.
    private func ownText(of model: ModelFile) throws -> [String] {
        let processor = try options.processor(), precision = options.precision.resolved(on: processor, stored: model.storedPrecision)
        let runner = try ModelRunner(of: model.checkpoint, over: model.base, on: processor, precision: precision)
        let tokenizer = try Tokenizer(model.checkpoint.vocabulary())
        guard let template = model.checkpoint.chatTemplate else {
            return try GeneratedText.texts(by: runner, tokenizer).map { "\(JSONLine(["text": .text($0)]))" }
        }
        return try GeneratedText.chats(by: runner, tokenizer, ChatRenderer(template, for: tokenizer), seeds: GeneratedText.gateSeeds)
            .map(\.line)
    }
}

extension GeneratedText.Chat {
    /// A line of a file of chats.
    var line: String { "\(JSONLine(["user": .text(question), "assistant": .text(answer)]))" }
}
