package import Checkpoint
import Corpus
import Distributed
import Files
import Kernels
import Model
package import Tokenize

/// The vocabulary and chat template of a fine-tuning run, from its base model.
struct FinetuningVocabulary {
    let vocabulary: Vocabulary
    let chatTemplate: ChatTemplate

    /// - Parameter template: By default that of the model.
    init(_ checkpoint: Checkpoint, _ template: ChatTemplate? = nil) throws {
        vocabulary = try checkpoint.vocabulary()
        chatTemplate = template ?? checkpoint.chatTemplate ?? .assumed(for: vocabulary)
    }
}

extension ChatTemplate {
    /// The chat template of a base that has none: one that its vocabulary can encode.
    package static func assumed(for vocabulary: Vocabulary) -> ChatTemplate {
        vocabulary.specialTokenID("<|assistant|>") == nil ? .humanAssistant : .specialTokens
    }
}

/// The chats of a fine-tuning run: new ones and, with replay, older ones.
struct FinetuningData {
    let data: TrainingData
    let replay: TrainingData?
    let paths, replayPaths: [String]
    /// The length of a row.
    private(set) var context: Int
    private let skipsBad: Bool
    /// Steps of an epoch below which rows become shorter and batches smaller: a few large steps learn less (decisions/finetuning.md).
    static let wantedSteps = 8
    private static let shortestRow = 128

    init(
        _ paths: [String], replay replayPaths: [String], _ vocabulary: FinetuningVocabulary, context: Int, skipsBad: Bool,
        over ranks: RankGroup?, on pool: WorkerPool
    ) throws {
        func read(_ paths: [String]) throws -> TrainingData {
            var source = TrainingData.Source(paths)
            source.skipsBad = skipsBad
            return try TrainingData(
                source, vocabulary: vocabulary.vocabulary, template: vocabulary.chatTemplate, over: ranks, on: pool)
        }
        self.paths = paths
        self.replayPaths = replayPaths
        self.context = context
        self.skipsBad = skipsBad
        data = try read(paths)
        replay = replayPaths.isEmpty ? nil : try read(replayPaths)
    }

    /// The epochs of a run: a third one over few chats learns them by heart (decisions/finetuning.md).
    var defaultEpochs: Double { data.tokens(.train).count < Self.wantedSteps * 1_024 ? 2 : 3 }

    /// Halves the length of rows until an epoch of single rows has about the wanted steps, as long as no conversation is cut.
    mutating func shortenRows() {
        let tokens = data.tokens(.train), longest = tokens.conversations.map(\.count).max() ?? 0
        while context / 2 >= max(Self.shortestRow, longest), tokens.count < Self.wantedSteps * context { context /= 2 }
    }

    /// Reads the chats of a stored run again, and checks with their digests that they have not changed.
    init(
        resuming stored: Checkpoint, in folder: String, _ vocabulary: FinetuningVocabulary, context: Int, over ranks: RankGroup?,
        on pool: WorkerPool
    ) throws {
        guard stored.isFinetuned else { throw TrainingError.noFinetune(path: stored.path ?? folder) }
        try self.init(
            try stored.finetuningPaths("data", from: folder), replay: try stored.finetuningPaths("replay", from: folder), vocabulary,
            context: context,
            skipsBad: stored.training["finetune/skips_bad"] != nil, over: ranks, on: pool
        )
        guard try stored.text("finetune/data_digest") == data.digest else { throw TrainingError.changedData(paths: self.paths) }
        if let replay, try stored.text("finetune/replay_digest") != replay.digest {
            throw TrainingError.changedData(paths: replayPaths)
        }
    }

    /// - Parameter packed: The new conversations.
    func batches(of packed: PackedConversations, _ plan: TrainingPlan, replayShare: Double) throws -> any TrainingBatches {
        var new = packed
        new.rows = plan.batch
        guard let replay else { return new }
        let old = try replay.packedBatches(.train, plan, context: context)
        return ReplayMixture(of: new, and: old, share: replayShare, rows: plan.batch, context: context)
    }

    /// The checkpoint fields that `init(resuming:)` reads. Paths are relative to the run's folder.
    func fields(from folder: String) throws -> OrderedDictionary<CheckpointValue> {
        var fields: OrderedDictionary<CheckpointValue> = ["finetune/data_digest": .text(try data.digest)]
        if skipsBad { fields["finetune/skips_bad"] = .integer(1) }
        if let replay { fields["finetune/replay_digest"] = .text(try replay.digest) }
        for (name, paths) in [("data", paths), ("replay", replayPaths)] {
            for (i, path) in paths.enumerated() { fields["finetune/\(name)/\(i)"] = .text(try RelativePath.of(path, from: folder)) }
        }
        return fields
    }
}

/// What an epoch of a fine-tuning run goes through: preferences, or new chats packed into rows.
enum FinetuningExamples {
    case preferences(FinetuningPreferences), chats(PackedConversations)

    init(_ chats: FinetuningData, _ preferences: FinetuningPreferences?, _ plan: TrainingPlan) throws {
        self = try preferences.map { .preferences($0) }
            ?? .chats(chats.data.packedBatches(.train, plan, context: chats.context))
    }

    var rowsPerEpoch: Int {
        switch self {
        case .preferences(let preferences): preferences.data.training.count
        case .chats(let packed): packed.rowsPerEpoch
        }
    }
}

extension Checkpoint {
    /// Whether it belongs to a fine-tuning run.
    package var isFinetuned: Bool { training["finetune/data/0"] != nil }

    /// The files or folders of the chats of a fine-tuning run.
    ///
    /// - Parameters:
    ///   - name: `data` or `replay`.
    ///   - folder: The folder of the run.
    package func finetuningPaths(_ name: String, from folder: String) throws(CheckpointError) -> [String] {
        var paths: [String] = []
        while training["finetune/\(name)/\(paths.count)"] != nil {
            paths.append(RelativePath.resolve(try text("finetune/\(name)/\(paths.count)"), from: folder))
        }
        return paths
    }
}
