import Store

/// The arguments of `slm finetune` for a run.
enum RunArguments {
    /// A new run.
    ///
    /// - Parameter data: The file to train on.
    static func start(_ run: TrainingRunRecord, _ settings: TrainingRunSettings, _ base: TrainingBase, data: String) -> [String] {
        let parent = run.folder.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        return ["finetune"] + model(settings, base) + ["--data", data, "--out", parent, "--name", run.name, "--background"]
            + objective(settings) + settings.lengthArgument + replay(settings) + optimizer(settings)
    }

    /// Whole models learn new chats without forgetting others at a lower rate and in larger batches than `slm finetune` chooses.
    private static func optimizer(_ settings: TrainingRunSettings) -> [String] {
        let isMixed = settings.method == .full && settings.objective == .chats && settings.replay?.isEmpty == false
        return settings.argument(.learningRate, otherwise: isMixed ? 1e-4 : nil) + (isMixed ? ["--batch", "16"] : [])
    }

    /// Continues a run from its last checkpoint.
    static func resume(_ run: TrainingRunRecord) -> [String] { ["finetune", "--resume", run.folder, "--background"] }

    static func model(_ settings: TrainingRunSettings, _ base: TrainingBase) -> [String] {
        let lora = settings.method == .lora && base.adapter == nil ? settings.argument(.rank) : []
        return [base.path] + (base.adapter.map { ["--init-adapter", $0] } ?? lora)
    }

    static func objective(_ settings: TrainingRunSettings) -> [String] {
        settings.objective == .preferences ? ["--preferences", "auto"] : []
    }

    private static func replay(_ settings: TrainingRunSettings) -> [String] {
        guard let paths = settings.replay, !paths.isEmpty else { return [] }
        return paths.flatMap { ["--replay", $0] } + settings.argument(.replayShare)
    }
}
