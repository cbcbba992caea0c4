package import Checkpoint
import Kernels
import Model

/// The settings of a fine-tuning run that its plan does not have.
extension Finetuning.Settings: StoredSettings {
    package static let fieldGroup = "finetune"
    package static let settings: [Setting<Finetuning.Settings>] = [
        .number("replay-share", .fixed, .replay, \.replayShare, in: 0.01...0.9, "Take this share of each batch from the --replay chats.",
                default: "\(defaultReplayShare); 0.5 of generated ones"),
        .number("dropout", .fixed, .rows, \.dropout, in: 0...0.99, "Set the dropout rate.", default: "the base's; 0 with --preferences"),
        .integer("context", .fixed, .rows, \.context, in: 16...1_048_576, "Train on rows of N tokens, at most the model's context.",
                 default: "1,024, or the model's context; less for few chats"),
        .choice("base-dtype", .fixed, .frozen, \.basePrecision, "Keep the frozen weights in this data type.",
                default: "as the base is stored"),
    ]

    package static let defaultReplayShare = 0.2

    /// Those of a run in a folder, which its checkpoint stores.
    package init(of stored: Checkpoint, in folder: String) throws(CheckpointError) {
        self.init(data: try stored.finetuningPaths("data", from: folder))
        replay = try stored.finetuningPaths("replay", from: folder)
        preferences = try stored.finetuningPreferences
        for setting in Self.settings { try setting.read(from: stored, into: &self) }
        skipsBad = stored.training["finetune/skips_bad"] != nil
        let most = stored.configuration.context
        if let context, context > most {
            throw .mismatch(
                path: stored.name, name: "training/finetune/context", expected: "a whole number up to \(most)", found: "\(context)")
        }
    }

    /// What a checkpoint stores: what was chosen by the data too, and nothing that the model's configuration says.
    func stored(_ trainer: Trainer) -> Self {
        var settings = self
        settings.dropout = nil
        settings.context = trainer.context == trainer.model.configuration.context ? nil : trainer.context
        settings.replayShare = replay.isEmpty ? nil : replayShare ?? Self.defaultReplayShare
        return settings
    }

    func write(to fields: inout OrderedDictionary<CheckpointValue>) {
        for setting in Self.settings { setting.write(self, to: &fields) }
    }
}
