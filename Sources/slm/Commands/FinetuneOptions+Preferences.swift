import Train

/// The value of `--preferences [METHOD]`.
enum PreferenceChoice: String, CaseIterable, OptionValue {
    /// The method that suits the data.
    case auto
    case dpo, kto

    var method: PreferenceMethod? { PreferenceMethod(rawValue: rawValue) }

    static var standalone: PreferenceChoice? { .auto }
    static var metavariable: String { "METHOD" }
    static var expectation: String { "one of " + choices.joined(separator: ", ") }
}

extension FinetuneOptions {
    static var preferenceGroup: OptionGroup<FinetuneOptions> {
        OptionGroup("Preferences", [
            .option("preferences", \.preferences,
                    "Train on preferred and rejected answers: dpo for pairs, kto for good and bad answers, or auto."),
        ] + settings(.preferences) + settings(.pairs) + settings(.ratings))
    }

    /// nil to train on chats.
    var preferenceSettings: PreferenceSettings? {
        get throws {
            let chosen = PreferenceObjective.settings.filter { run.plan.has($0.name) }
            guard let preferences else {
                if let setting = chosen.first { throw UsageError("slm finetune: \(setting.option) needs --preferences.") }
                return nil
            }
            if !replay.isEmpty {
                throw UsageError("slm finetune: --preferences: older chats have no preferences; remove --replay. The reference model keeps "
                    + "the model from forgetting: --beta.")
            }
            if run.plan[text: "loss-scope"] == LossScope.all.rawValue {
                throw UsageError("slm finetune: --preferences: only answers are compared; remove --loss-scope all.")
            }
            for setting in chosen {
                switch (setting.group, preferences.method) {
                case (.pairs, .kto): throw UsageError("slm finetune: \(setting.option) is for pairs: --preferences dpo.")
                case (.ratings, .dpo):
                    throw UsageError("slm finetune: \(setting.option) is for good and bad answers: --preferences kto.")
                default: break
                }
            }
            var settings = PreferenceSettings(preferences.method)
            settings.objective.sftWeight = PreferenceObjective.defaultSFTWeight
            run.plan.apply(to: &settings.objective)
            return settings
        }
    }

    /// What the options for preferences say, and what the run to resume has.
    func preferenceChecks(_ stored: PreferenceSettings?) -> [(option: String, given: String?, stored: String)] {
        var given = PreferenceObjective(.dpo)
        run.plan.apply(to: &given)
        let method = preferences?.method?.rawValue ?? (preferences == .auto && stored == nil ? "auto" : nil)
        return [("--preferences", method, stored?.method?.rawValue ?? "chats")] + PreferenceObjective.settings.map { setting in
            (setting.option, run.plan.has(setting.name) ? setting.text(in: given) : nil,
             stored.flatMap { setting.text(in: $0.objective) } ?? "no preferences")
        }
    }
}
