import Checkpoint
import Distributed
import Files
import Formats
import Infer
import Kernels
import Report
import Tokenize
import Train

extension FinetuneOptions {
    var generatesReplay: Bool { replay.contains(GeneratedText.replayName) }

    /// The files of older chats of the run in a folder: `generated` stands for those that its base has generated.
    func replayPaths(in folder: String) -> [String] {
        replay.map { $0 == GeneratedText.replayName ? "\(folder)/\(KnownTrainingData.generatedFile)" : $0 }
    }
}

extension FinetuneCommand {
    /// Lets the model that the run starts from generate its older chats, which `--resume` reads again.
    func writeGeneratedReplay(_ start: FinetuningBase, in folder: String, on processor: Processor) throws {
        let generated = Ranks.isFirst ? try generatedChats(of: start, on: processor) : ""
        let lines = Ranks.current?.fromFirst(generated) ?? generated
        if lines.isEmpty {
            throw CommandError(description: "\(start.path) generates no chats to mix in. Give files with --replay FILE, or remove it.")
        }
        try Folder.create(folder)
        try AtomicFile.write(lines, to: "\(folder)/\(KnownTrainingData.generatedFile)")
    }

    /// JSON lines.
    private func generatedChats(of start: FinetuningBase, on processor: Processor) throws -> String {
        let model = start.adapter ?? start.checkpoint
        let precision = PrecisionOption.auto.resolved(on: processor, stored: model.storedPrecision(over: start.checkpoint))
        let runner = try ModelRunner(of: model, over: start.checkpoint, on: processor, precision: precision)
        let tokenizer = try Tokenizer(start.checkpoint.vocabulary())
        let renderer = try ChatRenderer(start.chatTemplate, for: tokenizer)
        let progress = ProgressBar("generating chats for --replay", isVisible: !options.run.quiet && !options.run.json)
        defer { progress.clear() }
        return try GeneratedText.chats(by: runner, tokenizer, renderer, seeds: GeneratedText.replaySeeds) {
            progress.show(fraction: $0, "of the tokens")
        }.map { $0.line + "\n" }.joined()
    }
}
