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

/// What a fine-tuning run trains on: new chats, with replay older ones and, instead of the new ones, preferences.
struct FinetuningData {
    let settings: Finetuning.Settings
    let vocabulary: FinetuningVocabulary
    let preferences: FinetuningPreferences?
    /// The new chats, or those with the preferred answers.
    let chats: TrainingData
    let replay: TrainingData?
    /// The length of a row.
    private(set) var context: Int
    /// Steps of an epoch below which rows become shorter and batches smaller: a few large steps learn less (decisions/finetuning.md).
    static let wantedSteps = 8
    private static let shortestRow = 128

    init(
        _ settings: Finetuning.Settings, _ vocabulary: FinetuningVocabulary, context: Int, over ranks: RankGroup?, on pool: WorkerPool
    ) throws {
        func read(_ paths: [String]) throws -> TrainingData {
            var source = TrainingData.Source(paths)
            source.skipsBad = settings.skipsBad
            return try TrainingData(
                source, vocabulary: vocabulary.vocabulary, template: vocabulary.chatTemplate, over: ranks, on: pool)
        }
        self.settings = settings
        self.vocabulary = vocabulary
        self.context = context
        preferences = try settings.preferences.map { try FinetuningPreferences($0, settings, vocabulary, context: context) }
        chats = try read(settings.data)
        replay = settings.replay.isEmpty ? nil : try read(settings.replay)
    }

    /// The epochs of a run: a third one over few chats learns them by heart (decisions/finetuning.md).
    var defaultEpochs: Double { chats.tokens(.train).count < Self.wantedSteps * 1_024 ? 2 : 3 }

    /// Halves the length of rows until an epoch of single rows has about the wanted steps, as long as no conversation is cut.
    mutating func shortenRows() {
        let tokens = chats.tokens(.train), longest = tokens.conversations.map(\.count).max() ?? 0
        while context / 2 >= max(Self.shortestRow, longest), tokens.count < Self.wantedSteps * context { context /= 2 }
    }

    /// Throws if these are not the examples that a stored run has been trained on, by their digests.
    func checkUnchanged(since stored: Checkpoint) throws {
        guard try stored.text("finetune/data_digest") == chats.digest,
              try preferences.map({ try stored.text("preferences/digest") == $0.digest }) ?? true else {
            throw TrainingError.changedData(paths: settings.data)
        }
        if let replay, try stored.text("finetune/replay_digest") != replay.digest {
            throw TrainingError.changedData(paths: settings.replay)
        }
    }

    func examples(_ plan: TrainingPlan) throws -> FinetuningExamples {
        try preferences.map { .preferences($0) } ?? .chats(chats.packedBatches(.train, plan, context: context))
    }

    /// - Parameter packed: The new conversations.
    func batches(of packed: PackedConversations, _ plan: TrainingPlan) throws -> any TrainingBatches {
        var new = packed
        new.rows = plan.batch
        guard let replay else { return new }
        let old = try replay.packedBatches(.train, plan, context: context)
        let share = settings.replayShare ?? Finetuning.Settings.defaultReplayShare
        return ReplayMixture(of: new, and: old, share: share, rows: plan.batch, context: context)
    }

    /// The checkpoint fields of the paths, relative to the run's folder, and those that ``checkUnchanged(since:)`` reads.
    func fields(from folder: String) throws -> OrderedDictionary<CheckpointValue> {
        var fields: OrderedDictionary<CheckpointValue> = ["finetune/data_digest": .text(try chats.digest)]
        if settings.skipsBad { fields["finetune/skips_bad"] = .integer(1) }
        if let replay { fields["finetune/replay_digest"] = .text(try replay.digest) }
        for (name, paths) in [("data", settings.data), ("replay", settings.replay)] {
            for (i, path) in paths.enumerated() { fields["finetune/\(name)/\(i)"] = .text(try RelativePath.of(path, from: folder)) }
        }
        return fields
    }
}

/// What an epoch of a fine-tuning run goes through: preferences, or new chats packed into rows.
enum FinetuningExamples {
    case preferences(FinetuningPreferences), chats(PackedConversations)

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
