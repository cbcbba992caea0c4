extension Migration {
    /// Version 17: why something was done, in lines of the audit log, and the lowest validation loss of a run. All changes are additive.
    @Sendable static func trainingReasons(_ d: Dialect) -> [String] {
        [
            "ALTER TABLE audit_log ADD COLUMN reason TEXT",
            "ALTER TABLE training_runs ADD COLUMN best_validation_loss \(d.real)",
        ]
    }
}
