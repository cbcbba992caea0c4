package import Autograd
import Checkpoint
import Corpus
import Files
package import Kernels
import Model
package import Tokenize

/// From a checkpoint and chats to a run that goes on learning.
///
///     let finetuning = try Finetuning(of: "checkpoints/first/best.h5", .init(data: ["chat_history.jsonl"]), plan, in: folder, on: processor, precision: .bfloat16)
///     try finetuning.run.run(clock: now, shouldStop: { _ in false }) { event in … }
package struct Finetuning {
    package struct Settings: Sendable {
        package var data: [String]
        /// Older chats, so that the model does not forget them, and how many of the rows of all batches are theirs.
        package var replay: [String] = []
        package var replayShare = 0.2
        package var dropout: Float = 0.1
        /// To learn an adapter alone.
        package var adaptation: LoRAConfiguration?
        /// Whether the adapter begins with the greatest singular values of the weights (PiSSA).
        package var beginsWithPrincipals = false
        /// nil for three epochs, or a hundred steps where that is less: early stopping ends it when it has learned enough.
        package var length: TrainingPlan.Length?
        package var warmup: Int?
        package var fewest = 10
        /// Chats that cannot be read are left out and counted, instead of ending it.
        package var skipsBad = false

        package init(data: [String]) { self.data = data }
    }

    package let run: TrainingRun
    package let data: ChatData
    package let replay: ChatData?
    /// The files or folders that the chats come from.
    package let paths, replayPaths: [String]
    /// The base's own.
    package let vocabulary: Vocabulary
    package let form: ChatTemplate

    /// - Parameter preparing: told how much of what comes before the first step is done, where that takes long: the singular values of
    /// large weights do.
    package init(
        of path: String, _ settings: Settings, _ plan: TrainingPlan, in folder: String, on processor: Processor, precision: DataType,
        preparing: (_ share: Double) -> Void = { _ in }
    ) throws {
        let base = try Checkpoint(reading: path)
        if base.adapter != nil { throw TrainingError.adapterAsBase(path: path) }
        let words = try FinetuningVocabulary(base), context = base.configuration.context
        let material = try FinetuningData(
            settings.data, settings.replay, words, context: context, plan, skippingBad: settings.skipsBad, on: processor.pool)
        guard material.data.chats >= settings.fewest else {
            throw TrainingError.tooFewChats(paths: settings.data, count: material.data.chats, needed: settings.fewest)
        }
        var plan = plan
        plan.rows = min(plan.rows, material.rows)
        plan.evaluatesBeforeTraining = true
        let training = try material.training(plan, share: settings.replayShare), tokensPerStep = plan.rows * context
        plan.length = settings.length ?? .steps(max(100, Int((3 * training.stepsPerEpoch).rounded(.up))))
        plan.warmup =
            settings.warmup ?? TrainingPlan.usualWarmup(for: plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: tokensPerStep))
        try Folder.create(folder)
        let (trainer, adapter) = try Self.trainer(
            of: base, settings, basePath: try RelativePath.of(path, from: folder), on: processor, precision,
            seed: UInt64(bitPattern: Int64(plan.seed)), preparing)
        let notes = try material.notes(from: folder, share: settings.replayShare)
        run = try TrainingRun(
            trainer, plan, training: training, validation: try material.validation(plan), replay: try material.replayValidation(plan),
            vocabulary: words.vocabulary, form: words.form, adapter: adapter, notes: notes, folder: folder)
        data = material.data
        replay = material.replay
        paths = material.paths
        replayPaths = material.replayPaths
        vocabulary = words.vocabulary
        form = words.form
    }

    /// Goes on where a run was left.
    ///
    /// - Parameter base: the model that an adapter is for, where that is not where it was.
    package init(resuming folder: String, base: String? = nil, on processor: Processor, precision: DataType) throws {
        let stored = try Checkpoint(reading: folder + "/last.h5"), words = try FinetuningVocabulary(stored),
            plan = try TrainingPlan(from: stored)
        let material = try FinetuningData(goingOnWith: stored, in: folder, words, plan, on: processor.pool)
        let (model, parameters) = try stored.model(base: base, copying: true, on: processor)
        let trainer = Trainer(model, parameters, on: processor, precision: precision, seed: UInt64(bitPattern: Int64(plan.seed)))
        let share = try stored.number("finetune/replay_share")
        run = try TrainingRun(
            trainer, plan, training: try material.training(plan, share: share), validation: try material.validation(plan),
            replay: try material.replayValidation(plan), vocabulary: words.vocabulary, form: words.form, adapter: stored.adapter,
            notes: try material.notes(from: folder, share: share), folder: folder)
        try run.restore(stored)
        data = material.data
        replay = material.replay
        paths = material.paths
        replayPaths = material.replayPaths
        vocabulary = words.vocabulary
        form = words.form
    }

    private static func trainer(of base: Checkpoint, _ settings: Settings, basePath: String, on processor: Processor, _ precision: DataType,
                                seed: UInt64, _ preparing: (_ share: Double) -> Void) throws -> (Trainer, LoRAAdapter?) {
        var configuration = base.configuration, list = ParameterList(lora: settings.adaptation)
        configuration.dropout = settings.dropout
        let model = GPT(configuration, in: &list)
        guard let shape = settings.adaptation else {
            let values = try base.values(of: list.trainable, copying: true, on: processor)
            return (Trainer(model, Parameters(list, values: values, on: processor), on: processor, precision: precision, seed: seed), nil)
        }
        var adapter = LoRAAdapter(shape, baseDigest: base.weightsDigest, basePath: basePath)
        let parameters = Parameters(list, over: try base.values(of: list.frozen, on: processor), on: processor, seed: seed)
        if settings.beginsWithPrincipals {
            let principals = try parameters.initializeWithPiSSA(of: list.loraLayers) {
                preparing(Double($0) / Double(list.loraLayers.count))
            }
            guard let principals else { throw TrainingError.notFinite(path: base.path ?? "") }
            adapter.principals = OrderedDictionary(principals, of: list.parameters)
        }
        return (Trainer(model, parameters, on: processor, precision: precision, seed: seed), adapter)
    }
}
