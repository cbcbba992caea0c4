package typealias ModelID = Identifier<RegisteredModel>

/// A model of the registry: a file on the servers' machines, and what became of it.
package struct RegisteredModel: Sendable, Equatable {
    /// Raw values are stored and are part of the API.
    package enum State: String, ColumnValue, CaseIterable {
        case candidate
        /// The model that answers. There is at most one.
        case active
        /// The model that was active before, to which `rollBack` returns. There is at most one.
        case previous
        case archived
    }

    package enum Kind: String, ColumnValue, CaseIterable {
        case checkpoint
        /// A LoRA adapter.
        case adapter
    }

    /// The result of the comparison with the active model.
    package enum Verdict: String, ColumnValue, CaseIterable {
        case better, noWorse = "no_worse", worse
        /// The comparison had too little to compare on.
        case notEnough = "not_enough"
    }

    package let id: ModelID
    /// The name in the API.
    package let name: String
    package let state: State
    package let kind: Kind
    /// The base model of a LoRA adapter; nil if the adapter itself names its file.
    package let base: ModelID?
    package let path: String
    /// The identity of the files' contents.
    package let digest: String
    package let sizeBytes: Int
    package let createdAt: Timestamp
    package let createdBy: String
    /// When it became active for the last time, and by whom.
    package let promotedAt: Timestamp?
    package let promotedBy: String?
    /// The fine-tuning run that made it.
    package let run: String?
    /// JSON objects: what the run was trained on, and the metrics of the model.
    package let data, metrics: String?
    package let verdict: Verdict?
    package let comparison: String?
    /// The share of conversations that it answers as the canary.
    package let canaryShare: Double?
    package let filesDeletedAt: Timestamp?
    /// The number of API keys whose requests it answers.
    package let keys: Int
}

/// A model to register.
package struct NewModel: Sendable, Equatable {
    package var name, path, digest: String
    package var sizeBytes: Int
    package var kind = RegisteredModel.Kind.checkpoint
    package var base: ModelID?
    package var run: String?
    /// JSON objects.
    package var data, metrics: String?

    package init(name: String, path: String, digest: String, sizeBytes: Int) {
        self.name = name
        self.path = path
        self.digest = digest
        self.sizeBytes = sizeBytes
    }
}

/// Why the registry refuses a change.
package enum ModelRefusal: Sendable, Equatable {
    /// The comparison with the active model has not found it better or no worse; nil if there was none.
    case gateNotPassed(RegisteredModel.Verdict?)
    /// No model was active before.
    case noPreviousModel
    /// Its files are needed or served.
    case inUse(Use)
    case filesDeleted
    /// A name that another model has.
    case nameTaken(String)

    package enum Use: Sendable, Equatable { case active, previous, canary, pinned(keys: Int), base(of: String) }
}

extension ModelRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .gateNotPassed(.better), .gateNotPassed(.noWorse):
            "this model has not passed the gate against the model that is active now. Compare it again, or force the promotion."
        case .gateNotPassed(nil): "this model was not compared with the active one. Compare it first, or force the promotion."
        case .gateNotPassed(.notEnough):
            "there was not enough to judge this model. Include more chats or add questions, then compare again, or force the promotion."
        case .gateNotPassed: "this model was found worse than the active one. Train another one, or force the promotion."
        case .noPreviousModel: "no model was active before this one. Promote a model instead."
        case .inUse(.active): "this model is active. Promote another one first."
        case .inUse(.previous): "this model is the previous one, to which a roll-back returns. Archive it first."
        case .inUse(.canary): "this model is the canary. End the canary first."
        case .inUse(.pinned(1)): "an API key is pinned to this model. Choose another model for it first."
        case .inUse(.pinned(let keys)): "\(keys) API keys are pinned to this model. Choose another model for them first."
        case .inUse(.base(let name)): "this model is the base of the LoRA adapter \(name). Delete that first."
        case .filesDeleted: "the files of this model were deleted or replaced."
        case .nameTaken(let name): "another model has the name \(name). Choose another."
        }
    }
}

extension RegisteredModel {
    static let columns = """
        id, name, state, kind, base_id, path, digest, size_bytes, created_at, created_by, promoted_at, promoted_by, run_id, data, metrics,
        verdict, comparison_id, canary_share, files_deleted_at,
        (SELECT count(*) FROM api_keys WHERE api_keys.model_id = models.id AND revoked_at IS NULL) AS keys
        """

    init(_ row: Row) throws(StoreError) {
        let verdict: String? = try row["verdict"]
        try self.init(
            id: row["id"], name: row["name"], state: row["state"], kind: row["kind"], base: row["base_id"], path: row["path"],
            digest: row["digest"], sizeBytes: row["size_bytes"], createdAt: row["created_at"], createdBy: row["created_by"],
            promotedAt: row["promoted_at"], promotedBy: row["promoted_by"], run: row["run_id"], data: row["data"],
            metrics: row["metrics"], verdict: verdict.flatMap(Verdict.init(rawValue:)),
            comparison: row["comparison_id"], canaryShare: row["canary_share"], filesDeletedAt: row["files_deleted_at"], keys: row["keys"])
    }
}
