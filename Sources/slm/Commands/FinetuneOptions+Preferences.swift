import Train

extension FinetuneOptions {
    static var preferenceGroup: OptionGroup<FinetuneOptions> {
        OptionGroup("Preferences", [
            .option("preferences", \.preferences,
                    "Train on preferred and rejected answers: dpo for pairs, kto for good and bad answers, or auto."),
            .option("beta", \.beta, in: 0.0001...100, "Hold the model to the reference model by X.", default: "0.1"),
            .option("sft-weight", \.sftWeight, in: 0...1_000,
                    "Add X times the loss per token of the preferred answers, so that they stay likely; 0 for plain DPO or KTO.",
                    default: "1"),
            .option("label-smoothing", \.labelSmoothing, in: 0...0.499, "Assume that this share of the pairs is the wrong way round (dpo).",
                    default: "0"),
            .option("reference-free", \.referenceFree, "Compare log-probabilities without those of the reference model (dpo)."),
            .option("desirable-weight", \.desirableWeight, in: 0.001...1_000, "Weigh good answers by X (kto).", default: "1"),
            .option("undesirable-weight", \.undesirableWeight, in: 0.001...1_000, "Weigh bad answers by X (kto).", default: "1"),
        ])
    }

    /// nil to train on chats.
    var preferenceSettings: PreferenceSettings? {
        get throws {
            guard preferences != .off else {
                for (option, isSet) in [
                    ("--beta", beta != nil), ("--sft-weight", sftWeight != nil), ("--label-smoothing", labelSmoothing != nil),
                    ("--reference-free", referenceFree != nil),
                    ("--desirable-weight", desirableWeight != nil), ("--undesirable-weight", undesirableWeight != nil),
                ] where isSet {
                    throw UsageError("slm finetune: \(option) needs --preferences.")
                }
                return nil
            }
            if !replay.isEmpty {
                throw UsageError("slm finetune: --preferences: older chats have no preferences; remove --replay. The reference model keeps "
                    + "the model from forgetting: --beta.")
            }
            if run.plan[text: "loss-scope"] == LossScope.all.rawValue {
                throw UsageError("slm finetune: --preferences: only answers are compared; remove --loss-scope all.")
            }
            let method = preferences.method
            for (option, isSet) in [("--label-smoothing", labelSmoothing != nil), ("--reference-free", referenceFree == true)]
            where isSet && method == .kto {
                throw UsageError("slm finetune: \(option) is for pairs: --preferences dpo.")
            }
            for (option, isSet) in [
                ("--desirable-weight", desirableWeight != nil), ("--undesirable-weight", undesirableWeight != nil),
            ] where isSet && method == .dpo {
                throw UsageError("slm finetune: \(option) is for good and bad answers: --preferences kto.")
            }
            var settings = PreferenceSettings(method)
            settings.objective.beta = beta ?? settings.objective.beta
            settings.objective.sftWeight = sftWeight ?? 1
            settings.objective.labelSmoothing = labelSmoothing ?? 0
            settings.objective.isReferenceFree = referenceFree ?? false
            settings.objective.desirableWeight = desirableWeight ?? 1
            settings.objective.undesirableWeight = undesirableWeight ?? 1
            return settings
        }
    }

    /// What the options for preferences say, and what the run to resume has.
    func preferenceChecks(_ stored: PreferenceSettings?) -> [(option: String, given: String?, stored: String)] {
        let objective = stored?.objective
        func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "no preferences" }
        return [
            ("--preferences", preferences.method?.rawValue ?? (preferences == .auto && stored == nil ? "auto" : nil),
             stored?.method?.rawValue ?? "chats"),
            ("--beta", beta.map { "\($0)" }, text(objective?.beta)),
            ("--sft-weight", sftWeight.map { "\($0)" }, text(objective?.sftWeight)),
            ("--label-smoothing", labelSmoothing.map { "\($0)" }, text(objective?.labelSmoothing)),
            ("--reference-free", referenceFree.map { $0 ? "on" : "off" }, objective?.isReferenceFree ?? false ? "on" : "off"),
            ("--desirable-weight", desirableWeight.map { "\($0)" }, text(objective?.desirableWeight)),
            ("--undesirable-weight", undesirableWeight.map { "\($0)" }, text(objective?.undesirableWeight)),
        ]
    }
}
