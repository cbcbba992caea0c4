package import Checkpoint
import Distributed
import Kernels
import Tokenize

/// How a fine-tuning run trains on preferences instead of chats.
package struct PreferenceSettings: Sendable, Equatable {
    /// nil to choose it by the data: DPO if there are only pairs, else KTO.
    package var method: PreferenceMethod?
    /// The loss. Its method is replaced by the one above, or by the one that suits the data.
    package var objective = PreferenceObjective(.dpo)

    package init(_ method: PreferenceMethod? = nil) { self.method = method }
}

extension PreferenceObjective: StoredSettings {
    package static let fieldGroup = "preferences"
    private static let initial = PreferenceObjective(.dpo)
    /// The weight of the loss per token of preferred answers in `slm finetune`.
    package static let defaultSFTWeight = 1.0
    /// All settings but the method, which the data chooses.
    package static let settings: [Setting<PreferenceObjective>] = [
        .number("beta", .fixed, .preferences, \.beta, in: 0.0001...100,
                "Set β: the larger, the closer the model stays to the reference model.",
                default: initial.beta.defaultText),
        .number("sft-weight", .fixed, .preferences, \.sftWeight, in: 0...1_000,
                "Add X times the loss per token of the preferred answers, so that they stay likely; 0 for plain DPO or KTO.",
                default: defaultSFTWeight.defaultText),
        .number("label-smoothing", .fixed, .pairs, \.labelSmoothing, in: 0...0.499,
                "Assume that this share of the pairs is the wrong way round (dpo).", default: initial.labelSmoothing.defaultText),
        .flag("reference-free", .fixed, .pairs, \.isReferenceFree,
              "Compare log-probabilities without those of the reference model (dpo)."),
        .number("desirable-weight", .fixed, .ratings, \.desirableWeight, in: 0.001...1_000, "Weigh good answers by X (kto).",
                default: initial.desirableWeight.defaultText),
        .number("undesirable-weight", .fixed, .ratings, \.undesirableWeight, in: 0.001...1_000, "Weigh bad answers by X (kto).",
                default: initial.undesirableWeight.defaultText),
    ]
}

/// The preferences of a fine-tuning run, with the log-probabilities of the reference model.
struct FinetuningPreferences {
    let data: PreferenceData
    let objective: PreferenceObjective
    let digest: String

    init(
        _ settings: PreferenceSettings, _ all: Finetuning.Settings, _ vocabulary: FinetuningVocabulary, context: Int
    ) throws {
        data = try PreferenceData(
            all.data, settings.method, vocabulary.vocabulary, vocabulary.chatTemplate, context: context, skipsBad: all.skipsBad)
        if data.examples.isEmpty { throw PreferenceError.allTooLong(paths: all.data, count: data.tooLong, context: context) }
        var objective = settings.objective
        objective.method = data.method
        self.objective = objective
        digest = data.digest
    }

    /// The batches of a new run. Writes the log-probabilities of the reference model: the trainer's, which has not taken a step.
    ///
    /// - Parameters:
    ///   - ranks: Each of them computes a part.
    ///   - progress: Called with the share of the reference model's log-probabilities that is done.
    func batches(
        _ plan: TrainingPlan, _ trainer: Trainer, in folder: String, over ranks: RankGroup?, progress: (_ share: Double) -> Void
    ) throws -> PreferenceBatches {
        // Ranks with other data would divide the work differently.
        try ranks?.check([("data", digest), ("tokens per micro-batch", "\(trainer.microBatchTokens)")])
        let reference = ReferenceLogProbabilities(of: data, objective, by: trainer, over: ranks, progress: progress)
        guard reference.values.allSatisfy(\.isFinite) else { throw TrainingError.notFinite(path: "the model") }
        if ranks?.isFirst ?? true { try reference.write(to: folder, digest: digest) }
        return batches(plan, reference)
    }

    /// The batches of a run that is resumed.
    func batches(resuming plan: TrainingPlan, in folder: String, over ranks: RankGroup?) throws -> PreferenceBatches {
        try ranks?.check([("data", digest)])
        return batches(plan, try ReferenceLogProbabilities(in: folder, digest: digest, count: data.sequences.count, over: ranks))
    }

    private func batches(_ plan: TrainingPlan, _ reference: ReferenceLogProbabilities) -> PreferenceBatches {
        PreferenceBatches(data, objective, reference: reference.values, rows: plan.batch, seed: plan.randomSeed)
    }

    /// The checkpoint fields that ``Checkpoint/finetuningPreferences`` reads.
    var fields: OrderedDictionary<CheckpointValue> {
        var fields: OrderedDictionary<CheckpointValue> = [
            "preferences/method": .text(objective.method.rawValue), "preferences/digest": .text(digest),
        ]
        for setting in PreferenceObjective.settings { setting.write(objective, to: &fields) }
        return fields
    }
}

extension Checkpoint {
    /// How a fine-tuning run trains on preferences; nil if it trains on chats.
    package var finetuningPreferences: PreferenceSettings? {
        get throws(CheckpointError) {
            guard training["preferences/method"] != nil else { return nil }
            let name = try text("preferences/method")
            guard let method = PreferenceMethod(rawValue: name) else {
                throw .mismatch(path: self.name, name: "training/preferences/method", expected: "dpo or kto", found: name.quoted)
            }
            var settings = PreferenceSettings(method)
            for setting in PreferenceObjective.settings { try setting.read(from: self, into: &settings.objective) }
            return settings
        }
    }
}
