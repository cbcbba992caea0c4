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

/// The preferences of a fine-tuning run, with the log-probabilities of the reference model.
struct FinetuningPreferences {
    let data: PreferenceData
    let objective: PreferenceObjective
    let digest: String

    init(
        _ settings: PreferenceSettings, _ paths: [String], _ vocabulary: FinetuningVocabulary, context: Int, skipsBad: Bool
    ) throws {
        data = try PreferenceData(
            paths, settings.method, vocabulary.vocabulary, vocabulary.chatTemplate, context: context, skipsBad: skipsBad)
        if data.examples.isEmpty { throw PreferenceError.allTooLong(paths: paths, count: data.tooLong, context: context) }
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
        PreferenceBatches(
            data, objective, reference: reference.values, rows: plan.rows, seed: UInt64(bitPattern: Int64(plan.seed)))
    }

    /// The checkpoint fields that ``Checkpoint/finetuningPreferences`` reads.
    var fields: OrderedDictionary<CheckpointValue> {
        [
            "preferences/method": .text(objective.method.rawValue), "preferences/beta": .number(objective.beta),
            "preferences/label_smoothing": .number(objective.labelSmoothing),
            "preferences/sft_weight": .number(objective.sftWeight),
            "preferences/desirable_weight": .number(objective.desirableWeight),
            "preferences/undesirable_weight": .number(objective.undesirableWeight),
            "preferences/reference_free": .integer(objective.isReferenceFree ? 1 : 0), "preferences/digest": .text(digest),
        ]
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
            settings.objective.method = method
            settings.objective.beta = try number("preferences/beta")
            settings.objective.labelSmoothing = try number("preferences/label_smoothing")
            settings.objective.sftWeight = try number("preferences/sft_weight")
            settings.objective.desirableWeight = try number("preferences/desirable_weight")
            settings.objective.undesirableWeight = try number("preferences/undesirable_weight")
            settings.objective.isReferenceFree = try integer("preferences/reference_free") != 0
            return settings
        }
    }
}
