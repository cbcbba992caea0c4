import Checkpoint
import Corpus
import Files
import Kernels
import Model
import Tokenize

/// How the model that is finetuned reads and writes.
struct FinetuningVocabulary {
    let vocabulary: Vocabulary
    let tokenizer: Tokenizer
    let form: ChatTemplate

    init(_ checkpoint: Checkpoint) throws {
        vocabulary = try checkpoint.vocabulary()
        tokenizer = try Tokenizer(vocabulary)
        // A model that was not made for chats learns the form that its vocabulary allows.
        form = checkpoint.chatTemplate ?? (vocabulary.specialTokenID("<|assistant|>") == nil ? .humanAssistant : .specialTokens)
    }

    var padding: Int32 { vocabulary.specialTokenID("<|pad|>") ?? 0 }
}

/// The chats of a finetune, newer and older, as batches and for its checkpoints.
struct FinetuningData {
    let data: ChatData
    let replay: ChatData?
    /// Rows of all new conversations, as far as a batch has room for them.
    let rows: Int
    let paths, replayPaths: [String]
    private let context: Int
    private let padding: Int32
    private let skipsBad: Bool

    init(
        _ paths: [String], _ replayPaths: [String], _ words: FinetuningVocabulary, context: Int, _ plan: TrainingPlan, skippingBad: Bool,
        on pool: WorkerPool
    ) throws {
        skipsBad = skippingBad
        self.paths = paths
        self.replayPaths = replayPaths
        self.context = context
        padding = words.padding
        let read = { (paths: [String]) throws in
            try ChatData(
                paths, words.tokenizer, form: words.form, context: context, seed: UInt64(bitPattern: Int64(plan.seed)),
                skippingBad: skippingBad,
                on: pool)
        }
        data = try read(paths)
        replay = replayPaths.isEmpty ? nil : try read(replayPaths)
        rows = try data.examples(.train, rows: plan.rows, context: context, seed: 0, lossScope: plan.lossScope, padding: padding)
            .rowsPerEpoch
    }

    /// The same chats again, which their digests prove.
    init(goingOnWith stored: Checkpoint, in folder: String, _ words: FinetuningVocabulary, _ plan: TrainingPlan, on pool: WorkerPool) throws
    {
        func paths(_ name: String) throws -> [String] {
            let count = stored.training.names.count { $0.hasPrefix("finetune/\(name)/") }
            return try (0..<count).map { RelativePath.resolve(try stored.text("finetune/\(name)/\($0)"), from: folder) }
        }
        guard stored.training["finetune/data/0"] != nil else { throw TrainingError.noFinetune(path: stored.path ?? folder) }
        try self.init(try paths("data"), try paths("replay"), words, context: stored.configuration.context, plan,
                      skippingBad: stored.training["finetune/skips_bad"] != nil, on: pool)
        guard try stored.text("finetune/data_digest") == data.digest else { throw TrainingError.changedData(paths: self.paths) }
        if let replay, try stored.text("finetune/replay_digest") != replay.digest { throw TrainingError.changedData(paths: replayPaths) }
    }

    func training(_ plan: TrainingPlan, share: Double) throws -> any TrainingBatches {
        let new = try examples(data, .train, plan)
        guard let replay else { return new }
        return ReplayMixture(of: new, and: try examples(replay, .train, plan), share: share, rows: plan.rows, context: context)
    }

    func validation(_ plan: TrainingPlan) throws -> (any TrainingBatches)? { data.val.isEmpty ? nil : try examples(data, .val, plan) }

    func replayValidation(_ plan: TrainingPlan) throws -> (any TrainingBatches)? {
        try replay.flatMap { $0.val.isEmpty ? nil : try examples($0, .val, plan) }
    }

    private func examples(_ data: ChatData, _ part: DatasetSplit, _ plan: TrainingPlan) throws -> PackedConversations {
        try data.examples(
            part, rows: plan.rows, context: context, seed: UInt64(bitPattern: Int64(plan.seed)), lossScope: plan.lossScope, padding: padding
        )
    }

    /// What it takes to find the same chats again: their places as seen from the run's folder.
    func notes(from folder: String, share: Double) throws -> OrderedDictionary<CheckpointValue> {
        var notes: OrderedDictionary<CheckpointValue> = [
            "finetune/data_digest": .text(data.digest), "finetune/replay_share": .number(replay == nil ? 0 : share),
        ]
        if skipsBad { notes["finetune/skips_bad"] = .integer(1) }
        if let replay { notes["finetune/replay_digest"] = .text(replay.digest) }
        for (name, paths) in [("data", paths), ("replay", replayPaths)] {
            for (i, path) in paths.enumerated() { notes["finetune/\(name)/\(i)"] = .text(try RelativePath.of(path, from: folder)) }
        }
        return notes
    }
}
