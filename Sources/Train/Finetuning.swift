package import Autograd
import Checkpoint
import Corpus
import Files
package import Kernels
import Model
package import Tokenize

/// Sets up a fine-tuning run from a base checkpoint and chats.
///
///     let finetuning = try Finetuning(
///         of: "checkpoints/first/best.h5", .init(data: ["chat_history.jsonl"]), plan, in: folder, on: processor, precision: .bfloat16
///     )
///     try finetuning.run.run(clock: now, shouldStop: { _ in false }) { event in … }
package struct Finetuning {
    package struct Settings: Sendable {
        package var data: [String]
        /// Older chats to mix in, against forgetting.
        package var replay: [String] = []
        /// The share of the rows that are older chats.
        package var replayShare = 0.2
        package var dropout: Float = 0.1
        /// Trains a LoRA adapter instead of the whole model.
        package var lora: LoRAConfiguration?
        /// Whether to initialize the adapter with PiSSA.
        package var usesPiSSA = false
        /// nil for three epochs, but at least a hundred steps. Early stopping can end the run before.
        package var length: TrainingPlan.Length?
        package var warmup: Int?
        package var minimumChats = 10
        /// Skips and counts malformed chats instead of throwing.
        package var skipsBad = false

        package init(data: [String]) { self.data = data }
    }

    package let run: TrainingRun
    package let data: TrainingData
    package let replay: TrainingData?
    /// The files or folders that the chats come from.
    package let paths, replayPaths: [String]
    package let vocabulary: Vocabulary
    package let chatTemplate: ChatTemplate

    /// Sets up a new run.
    ///
    /// - Parameter preparing: Called with the share of the PiSSA initialization that is done, which takes minutes for large weights.
    package init(
        of path: String, _ settings: Settings, _ plan: TrainingPlan, in folder: String, on processor: Processor, precision: DataType,
        preparing: (_ share: Double) -> Void = { _ in }
    ) throws {
        let base = try Checkpoint(reading: path)
        if base.adapter != nil { throw TrainingError.adapterAsBase(path: path) }
        let vocabulary = try FinetuningVocabulary(base)
        let context = base.configuration.context
        let chats = try FinetuningData(
            settings.data, replay: settings.replay, vocabulary, context: context, skipsBad: settings.skipsBad, on: processor.pool
        )
        let count = chats.data.exampleCount(.train, context: context) + chats.data.exampleCount(.val, context: context)
        guard count >= settings.minimumChats else {
            throw TrainingError.tooFewChats(paths: settings.data, count: count, needed: settings.minimumChats)
        }
        var plan = plan
        plan.rows = min(plan.rows, try chats.rowsPerEpoch(plan))
        plan.evaluatesBeforeTraining = true
        let training = try chats.training(plan, replayShare: settings.replayShare)
        plan.length = settings.length ?? .steps(max(100, Int((3 * training.stepsPerEpoch).rounded(.up))))
        let steps = plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: plan.rows * context)
        plan.warmup = settings.warmup ?? TrainingPlan.usualWarmup(for: steps)
        try Folder.create(folder)
        let (trainer, adapter) = try Self.trainer(
            of: base, settings, basePath: try RelativePath.of(path, from: folder), on: processor, precision,
            seed: UInt64(bitPattern: Int64(plan.seed)), preparing
        )
        try self.init(trainer, adapter, plan, training, chats, vocabulary, replayShare: settings.replayShare, in: folder)
    }

    /// Resumes a run.
    ///
    /// - Parameter base: The base model of a LoRA adapter, if it was moved.
    package init(resuming folder: String, base: String? = nil, on processor: Processor, precision: DataType) throws {
        let stored = try Checkpoint(reading: folder + "/last.h5")
        let vocabulary = try FinetuningVocabulary(stored)
        let plan = try TrainingPlan(from: stored)
        let chats = try FinetuningData(resuming: stored, in: folder, vocabulary, on: processor.pool)
        let (model, parameters) = try stored.model(base: base, copying: true, on: processor)
        let seed = UInt64(bitPattern: Int64(plan.seed))
        let trainer = Trainer(model, parameters, on: processor, precision: precision, seed: seed)
        let replayShare = try stored.number("finetune/replay_share")
        let training = try chats.training(plan, replayShare: replayShare)
        try self.init(trainer, stored.adapter, plan, training, chats, vocabulary, replayShare: replayShare, in: folder)
        try run.restore(stored)
    }

    private init(
        _ trainer: Trainer, _ adapter: LoRAAdapter?, _ plan: TrainingPlan, _ training: any TrainingBatches, _ chats: FinetuningData,
        _ vocabulary: FinetuningVocabulary, replayShare: Double, in folder: String
    ) throws {
        run = try TrainingRun(
            trainer, plan, training: training, validation: try chats.validation(plan), replay: try chats.replayValidation(plan),
            vocabulary: vocabulary.vocabulary, chatTemplate: vocabulary.chatTemplate, adapter: adapter,
            extraFields: try chats.fields(from: folder, replayShare: replayShare), folder: folder
        )
        data = chats.data
        replay = chats.replay
        paths = chats.paths
        replayPaths = chats.replayPaths
        self.vocabulary = vocabulary.vocabulary
        chatTemplate = vocabulary.chatTemplate
    }

    private static func trainer(
        of base: Checkpoint, _ settings: Settings, basePath: String, on processor: Processor, _ precision: DataType, seed: UInt64,
        _ preparing: (_ share: Double) -> Void
    ) throws -> (Trainer, LoRAAdapter?) {
        var configuration = base.configuration
        configuration.dropout = settings.dropout
        var list = ParameterList(lora: settings.lora)
        let model = GPT(configuration, in: &list)
        guard let lora = settings.lora else {
            let values = try base.values(of: list.trainable, copying: true, on: processor)
            let parameters = Parameters(list, values: values, on: processor)
            return (Trainer(model, parameters, on: processor, precision: precision, seed: seed), nil)
        }
        var adapter = LoRAAdapter(lora, baseDigest: base.weightsDigest, basePath: basePath)
        let parameters = Parameters(list, over: try base.values(of: list.frozen, on: processor), on: processor, seed: seed)
        if settings.usesPiSSA {
            let layers = list.loraLayers
            let principals = try parameters.initializeWithPiSSA(of: layers) { preparing(Double($0) / Double(layers.count)) }
            guard let principals else { throw TrainingError.notFinite(path: base.path ?? "") }
            adapter.principals = OrderedDictionary(principals, of: list.parameters)
        }
        return (Trainer(model, parameters, on: processor, precision: precision, seed: seed), adapter)
    }
}
