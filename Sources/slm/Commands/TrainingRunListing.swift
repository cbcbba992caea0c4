import Checkpoint
import Files
import Report
import Train

/// The facts about a training run on disk: a folder with best.h5 or last.h5, and log.jsonl.
struct TrainingRunListing {
    let name: String
    let path: String
    let step: Int
    let bestStep: Int?
    /// The loss of the best checkpoint, in nats per token.
    let validationLoss: Double?
    /// Identifies the tokens that it was measured on; nil if they are not known.
    let validationSet: String?
    /// Processed in training, padding and masked targets included.
    let tokens: Int
    /// With a loss; nil if they were not counted.
    let lossTokens: Int?
    /// The time of the newest checkpoint, in seconds since 1970.
    let seconds: Int
    /// The size of all files.
    let bytes: Int

    /// All runs in a folder, the newest first.
    static func all(in folder: String) -> [TrainingRunListing] {
        (Folder.names(in: folder) ?? []).sorted().compactMap { TrainingRunListing($0, in: folder) }.sorted { $0.seconds > $1.seconds }
    }

    /// nil if the folder is no run.
    private init?(_ name: String, in folder: String) {
        let path = "\(folder)/\(name)"
        guard let files = Folder.names(in: path) else { return nil }
        let statuses = files.compactMap { file in FileStatus("\(path)/\(file)").map { (file, $0) } }
        guard let newest = statuses.filter({ ["best.h5", "last.h5"].contains($0.0) }).map(\.1.modified).max() else { return nil }
        // A run whose log is missing or damaged is listed without its metrics.
        let log = try? TrainingLog(of: path)
        self.name = name
        self.path = path
        step = log?.lastStep ?? 0
        bestStep = log?.best?.step
        let isValidated = log?.best?.validationLoss != nil
        validationLoss = isValidated ? log?.comparedLoss?.loss : nil
        validationSet = isValidated ? log?.comparedLoss?.set : nil
        tokens = log?.tokens ?? 0
        lossTokens = log?.lossTokens
        seconds = newest / 1_000_000_000
        bytes = statuses.reduce(0) { $0 + $1.1.size }
    }

    /// Whether a checkpoint may be served without being named: its run has finished, or it belongs to no run.
    ///
    ///     TrainingRunListing.isServable("checkpoints/finetuned_20261120_204135/best.h5")
    ///
    /// A run in progress replaces its best.h5 at each better evaluation, beginning with the base model itself. A run that was stopped or
    /// killed can still be resumed, and one that diverged is not worth serving.
    static func isServable(_ checkpoint: String) -> Bool {
        guard let log = try? TrainingLog(of: RelativePath.folder(ofFileAt: checkpoint)) else { return true }
        return log.ending == .finished || log.ending == .earlyStopped
    }

    /// Whether `slm finetune` can resume it.
    var isFinetuning: Bool {
        get throws {
            TrainingRun.exists(in: path) ? try TrainingRun.checkpoint(toResume: path).isFinetuned : false
        }
    }

    /// 2026-11-20 14:30, in local time.
    var date: String { localTimeText(seconds, "%Y-%m-%d %H:%M") }
}
