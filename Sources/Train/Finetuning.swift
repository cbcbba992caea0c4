package import Autograd
import Checkpoint
import Corpus
package import Distributed
import Files
import Formats
package import Kernels
package import Model
package import Tokenize

/// Sets up a fine-tuning run from a base checkpoint and chats.
///
///     let finetuning = try Finetuning(
///         of: FinetuningBase("base.h5", on: processor), .init(data: ["chats.jsonl"]), plan, in: folder, on: processor)
///     try finetuning.run.run(clock: now, shouldStop: { _ in false }) { event in … }
package struct Finetuning {
    package struct Settings: Sendable {
        package var data: [String]
        /// Older chats to mix in, against forgetting.
        package var replay: [String] = []
        /// The share of the rows that are older chats; nil for a fifth.
        package var replayShare: Double?
        /// nil for the rate that the base was trained with, and none for preferences.
        package var dropout: Float?
        /// The length of a training row; nil for the model's context, but at most 1,024, and less for few chats.
        package var context: Int?
        /// Whether a batch has fewer rows than the plan says if the chats are few.
        package var fitsBatchToChats = false
        /// Trains a LoRA adapter instead of the whole model.
        package var lora: LoRAConfiguration?
        package var loraInitialization = AdapterSettings.Initialization.plain
        /// How the frozen weights of an adapter's base are kept; nil for as they are stored.
        package var basePrecision: WeightPrecision?
        /// nil for three epochs, or two of chats of fewer than 8,192 tokens; but at least 20 steps, or a hundred with
        /// preferences. Early stopping can end the run before.
        package var length: TrainingPlan.Length?
        package var warmup: Int?
        package var minimumChats = 10
        /// Trains on preferences instead of chats, with `data` in one of their formats; nil for chats.
        package var preferences: PreferenceSettings?
        /// Skips and counts malformed chats instead of throwing.
        package var skipsBad = false

        package init(data: [String]) { self.data = data }

        package func context(of configuration: GPTConfiguration) -> Int { min(context ?? 1_024, configuration.context) }
    }

    /// What takes a while before the first step: PiSSA of large weights, and scores of preferences by the reference model.
    package enum Preparation: Sendable { case initialization, scoring }

    package let run: TrainingRun
    /// The settings in which a resumed run differs from its checkpoint.
    package private(set) var changes: [PlanChange] = []
    /// The chats. Of preferences, those with the preferred answers.
    package let data: TrainingData
    /// nil if the run trains on chats.
    package let preferences: PreferenceData?
    package let replay: TrainingData?
    /// The files or folders that the chats come from.
    package let paths, replayPaths: [String]
    package let vocabulary: Vocabulary
    package let chatTemplate: ChatTemplate

    /// Sets up a new run.
    ///
    /// - Parameters:
    ///   - start: Its adapter, if it has one, replaces `settings.lora`.
    ///   - plan: Without a machine, activations are f32.
    ///   - clock: Monotonic seconds. Without it, a run of limited time has the warmup of a long one.
    ///   - preparing: Called with the share that is done.
    package init(
        of start: FinetuningBase, _ settings: Settings, _ plan: TrainingPlan, in folder: String, on processor: Processor,
        over ranks: RankGroup? = nil, clock: () -> Double = { 0 }, preparing: (Preparation, _ share: Double) -> Void = { _, _ in }
    ) throws {
        try start.verify()
        let path = start.path, base = start.checkpoint
        var settings = settings
        settings.lora = try start.shape(settings.lora)
        if start.adapter != nil { settings.loraInitialization = .plain }
        if base.adapter != nil { throw TrainingError.adapterAsBase(path: path) }
        let vocabulary = try FinetuningVocabulary(base, start.chatTemplate)
        var data = try FinetuningData(
            settings, vocabulary, context: settings.context(of: base.configuration), over: ranks, on: processor.pool)
        if settings.context == nil, data.preferences == nil { data.shortenRows() }
        let context = data.context
        let count = data.preferences?.data.examples.count
            ?? data.chats.exampleCount(.train, context: context) + data.chats.exampleCount(.val, context: context)
        guard count >= settings.minimumChats else {
            throw TrainingError.tooFewChats(paths: settings.data, count: count, needed: settings.minimumChats)
        }
        var plan = plan
        let examples = try data.examples(plan)
        plan.batch = min(plan.batch, examples.rowsPerEpoch)
        if settings.fitsBatchToChats, data.preferences == nil {
            plan.batch = min(plan.batch, max(plan.gradientGroups, examples.rowsPerEpoch / FinetuningData.wantedSteps))
        }
        plan.evaluatesFirst = true
        try Folder.create(folder)
        let (trainer, adapter) = try Self.trainer(
            of: start, settings, basePath: try RelativePath.of(path, from: folder), plan, on: processor
        ) { preparing(.initialization, $0) }
        trainer.context = context
        let training: any TrainingBatches = switch examples {
        case .preferences(let preferences):
            try preferences.batches(plan, trainer, in: folder, over: ranks) { preparing(.scoring, $0) }
        case .chats(let packed): try data.batches(of: packed, plan)
        }
        plan.length = settings.length ?? .steps(
            data.preferences == nil
                ? max(20, Int((data.defaultEpochs * training.stepsPerEpoch).rounded(.up)))
                : max(100, Int((3 * training.stepsPerEpoch).rounded(.up))))
        let tokensPerStep = (training as? PreferenceBatches)?.tokensPerStep ?? plan.batch * context
        let steps = try plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: tokensPerStep)
            ?? Self.steps(of: plan, training, trainer, { ranks?.fromFirst(clock()) ?? clock() })
        plan.warmup = settings.warmup ?? TrainingPlan.defaultWarmup(for: steps)
        let model = TrainedModel(
            trainer: trainer, adapter: adapter, base: .text(try RelativePath.of(path, from: folder)), servingDefaults: base.servingDefaults)
        try self.init(model, data, training, plan, in: folder, over: ranks)
    }

    /// Resumes a run.
    ///
    /// - Parameters:
    ///   - changed: The plan to continue with, and how it differs from the stored one; nil to continue with the stored one.
    ///   - base: The base model of a LoRA adapter, if it was moved.
    package init(
        resuming folder: String, _ changed: (plan: TrainingPlan, changes: [PlanChange])? = nil, base: String? = nil,
        on processor: Processor, over ranks: RankGroup? = nil
    ) throws {
        let stored = try TrainingRun.checkpoint(toResume: folder)
        guard stored.isFinetuned else { throw TrainingError.noFinetune(path: stored.path ?? folder) }
        let vocabulary = try FinetuningVocabulary(stored)
        var plan = try changed?.plan ?? TrainingPlan(from: stored)
        let settings = try Settings(of: stored, in: folder), context = settings.context ?? stored.configuration.context
        let data = try FinetuningData(settings, vocabulary, context: context, over: ranks, on: processor.pool)
        try data.checkUnchanged(since: stored)
        let examples = try data.examples(plan)
        plan.batch = min(plan.batch, examples.rowsPerEpoch)
        let baseModel = stored.adapter == nil ? stored : try ModelFile(stored.path ?? folder, base: base).base
        let (model, parameters) = try stored.model(
            over: baseModel, copying: true, keepingQuantized: stored.adapter != nil, basePrecision: settings.basePrecision, on: processor)
        let trainer = Trainer(model, parameters, plan, on: processor)
        trainer.context = context
        let training: any TrainingBatches = switch examples {
        case .preferences(let preferences): try preferences.batches(resuming: plan, in: folder, over: ranks)
        case .chats(let packed): try data.batches(of: packed, plan)
        }
        let trained = TrainedModel(
            trainer: trainer, adapter: stored.adapter, base: stored.training["finetune/base"], servingDefaults: stored.servingDefaults)
        try self.init(trained, data, training, plan, in: folder, over: ranks)
        changes = changed?.changes ?? []
        try run.restore(stored, changes)
    }

    /// What a run trains.
    private struct TrainedModel {
        let trainer: Trainer
        let adapter: LoRAAdapter?
        /// The path of the base model.
        let base: CheckpointValue?
        let servingDefaults: ServingDefaults
    }

    private init(
        _ model: TrainedModel, _ source: FinetuningData, _ training: any TrainingBatches, _ plan: TrainingPlan, in folder: String,
        over ranks: RankGroup?
    ) throws {
        data = source.chats
        preferences = source.preferences?.data
        replay = source.replay
        paths = source.settings.data
        replayPaths = source.settings.replay
        vocabulary = source.vocabulary.vocabulary
        chatTemplate = source.vocabulary.chatTemplate
        var fields = try source.fields(from: folder)
        if let base = model.base { fields["finetune/base"] = base }
        source.settings.stored(model.trainer).write(to: &fields)
        for (name, value) in source.preferences?.fields ?? [:] { fields[name] = value }
        let validation: (any HeldOutSet)? = if let batches = training as? PreferenceBatches {
            batches.validationSet
        } else {
            try data.validationSet(plan.lossScope)
        }
        run = try TrainingRun(
            model.trainer, plan, training: training, validation: validation, replay: try replay?.validationSet(plan.lossScope),
            vocabulary: vocabulary, chatTemplate: chatTemplate, adapter: model.adapter,
            extraFields: fields, servingDefaults: model.servingDefaults, folder: folder, over: ranks
        )
    }

    /// The estimated number of steps of a run of limited time.
    private static func steps(
        of plan: TrainingPlan, _ training: any TrainingBatches, _ trainer: Trainer, _ clock: () -> Double
    ) throws(CorpusError) -> Int? {
        guard case .seconds(let seconds) = plan.length else { return nil }
        let step = trainer.estimatedStepSeconds(for: try training.batch(at: 0), clock: clock)
        return step > 0 ? Int(seconds / step) : nil
    }

    /// Takes A and B, and the principals of PiSSA, from an adapter of the same base.
    private static func `continue`(
        _ initial: Checkpoint, as adapter: inout LoRAAdapter, _ parameters: Parameters, _ list: ParameterList, principals: Buffer?
    ) throws(CheckpointError) {
        guard let own = initial.adapter else { return }
        guard own.baseDigest == adapter.baseDigest else {
            throw .wrongBaseModel(path: initial.name, base: adapter.basePath, expected: own.baseDigest, found: adapter.baseDigest)
        }
        try own.checkBlocks(list, path: initial.name)
        try initial.copyWeights(into: parameters)
        guard let principals else { return }
        adapter.principals = own.principals
        for layer in list.loraLayers { parameters.addLoRA(layer, scaledBy: -1, from: principals) }
    }

    private static func trainer(
        of start: FinetuningBase, _ settings: Settings, basePath: String, _ plan: TrainingPlan, on processor: Processor,
        _ preparing: (_ share: Double) -> Void
    ) throws -> (Trainer, LoRAAdapter?) {
        let base = start.stored, initial = start.adapter
        var configuration = start.checkpoint.configuration
        configuration.dropout = settings.dropout ?? (settings.preferences == nil ? configuration.dropout : 0)
        var list = ParameterList(lora: settings.lora)
        let model = GPT(configuration, in: &list)
        guard let lora = settings.lora else {
            let values = try start.checkpoint.values(of: list.trainable, copying: true, on: processor)
            let parameters = Parameters(list, values: values, on: processor)
            return (Trainer(model, parameters, plan, on: processor), nil)
        }
        var adapter = LoRAAdapter(lora, baseDigest: base.weightsDigest, basePath: basePath)
        let given = try initial?.principalValues(of: list.trainable, on: processor)
        // A quantized base stays quantized (QLoRA), unless PiSSA has to change it.
        let keepsQuantized = settings.loraInitialization == .plain && given == nil
        let kept = try base.keeping(keepsQuantized ? settings.basePrecision : nil, on: processor)
        let frozen = try kept.values(of: list.frozen, keepingQuantized: keepsQuantized, on: processor)
        let quantized = keepsQuantized ? kept.quantizedWeights(of: list.frozen) : [:]
        let parameters = Parameters(list, over: frozen, quantized: quantized, on: processor, seed: plan.randomSeed)
        parameters.initializeMagnitudes(of: list.loraLayers)
        for parameter in list.parameters where lora.addedTokens != nil && lora.trainsWhole(parameter.name) {
            if let rows = start.checkpoint.weights[parameter.name] { parameters.values[parameter.range].copy(from: rows.values) }
        }
        if settings.loraInitialization == .pissa {
            let layers = list.loraLayers
            let principals = try parameters.initializeWithPiSSA(of: layers) { preparing(Double($0) / Double(layers.count)) }
            guard let principals else { throw TrainingError.notFinite(path: base.path ?? "") }
            adapter.principals = OrderedDictionary(principals, of: list.parameters)
        }
        if let initial { try Self.continue(initial, as: &adapter, parameters, list, principals: given) }
        return (Trainer(model, parameters, plan, on: processor), adapter)
    }
}

extension Trainer {
    fileprivate convenience init(_ model: GPT, _ parameters: Parameters, _ plan: TrainingPlan, on processor: Processor) {
        self.init(model, parameters, on: processor, precision: plan.machine?.precision ?? .float32, seed: plan.randomSeed)
        self.model.recomputesBlocks = plan.machine?.recomputesBlocks ?? false
    }
}
