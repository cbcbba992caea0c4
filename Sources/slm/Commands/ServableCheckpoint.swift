import Files
import Report

extension TrainingRunListing {
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
}
