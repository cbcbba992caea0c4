package typealias TrainingRunID = Identifier<TrainingRunRecord>

/// A fine-tuning run that a server supervises.
package struct TrainingRunRecord: Sendable, Equatable {
    /// Raw values are stored and are part of the API.
    package enum State: String, ColumnValue, CaseIterable {
        /// Waits until no other run of its machine is in progress.
        case queued
        case running
        /// Was asked to stop, and saves.
        case stopping
        /// Can be resumed.
        case stopped
        case finished
        /// Ended with `message`. Can be resumed.
        case failed

        package var isInProgress: Bool { self == .running || self == .stopping }
        package var hasEnded: Bool { self == .stopped || self == .finished || self == .failed }
    }

    /// What a run is trained on.
    package struct DataSet: Sendable, Equatable {
        /// Chats to train on, chats that are held out, and preferences.
        package var chats, heldOut, preferences: Int
        /// nil before the run has tokenized them.
        package var tokens: Int?
        /// Identifies the contents of the files.
        package var digest: String

        package init(chats: Int, heldOut: Int, preferences: Int, tokens: Int? = nil, digest: String) {
            self.chats = chats
            self.heldOut = heldOut
            self.preferences = preferences
            self.tokens = tokens
            self.digest = digest
        }
    }

    /// How far a run is.
    package struct Progress: Sendable, Equatable {
        package var step = 0
        /// nil if the run's length is a time.
        package var steps: Int?
        package var secondsLeft: Double?
        package var tokensPerSecond: Double?
        package var loss: Double?
        /// The losses of the last evaluation, and of the weights in `best.h5`.
        package var validationLoss, bestValidationLoss: Double?

        package init() {}
    }

    /// The process of a run. `ticks` tells it from a later one with the same id.
    package struct ProcessID: Sendable, Equatable {
        package let id, ticks: Int

        package init(id: Int, ticks: Int) {
            self.id = id
            self.ticks = ticks
        }
    }

    package let id: TrainingRunID
    package let name: String
    package let state: State
    /// A JSON object.
    package let settings: String
    /// The id of the base model in the registry, and its file.
    package let base: String?
    package let basePath: String
    package let isScheduled: Bool
    /// Where its files are.
    package let machine, folder: String
    /// The server that supervises it, if that one is alive.
    package let server: ServerID?
    package let process: ProcessID?
    /// How often it was started since its last progress.
    package let attempts: Int
    /// The sizes of log.jsonl and output.log when it was started for the last time: what is after them is of this start.
    package let logBytes, outputBytes: Int
    /// When its process was asked to stop.
    package let stopSentAt: Timestamp?
    package let createdAt: Timestamp
    package let createdBy: String
    package let startedAt, finishedAt: Timestamp?
    /// nil before they were written.
    package let data: DataSet?
    package let progress: Progress
    /// Why it failed, as a sentence.
    package let message: String?
    /// The id of the model that it made.
    package let model: String?

    /// Whether it can be continued, or started again. A run that the schedule could not even prepare has no base.
    package var canResume: Bool { (state == .stopped || state == .failed) && !basePath.isEmpty }
}

/// A run to add.
package struct NewTrainingRun: Sendable, Equatable {
    package var name: String
    package var settings: String
    package var base: String?
    package var basePath: String
    package var machine, folder: String
    package var isScheduled = false
    /// Why it cannot start, as a sentence: then it is added as failed. nil if it waits.
    package var failure: String?

    package init(name: String, settings: String, base: String?, basePath: String, machine: String, folder: String) {
        self.name = name
        self.settings = settings
        self.base = base
        self.basePath = basePath
        self.machine = machine
        self.folder = folder
    }
}

/// What the page shows of a run: JSON arrays, and the end of its log.
package struct TrainingRunOutput: Sendable, Equatable {
    package var curve = "[]"
    package var samples = "[]"
    package var log = ""

    package init() {}
}

extension TrainingRunRecord {
    static let columns = """
        id, name, state, settings, base_id, base_path, is_scheduled, machine, folder, server_id, process_id, process_ticks, attempts,
        stop_sent_at, created_at, created_by, started_at, finished_at, chats, held_out, preferences, tokens, digest,
        step, steps, seconds_left, tokens_per_s, loss, val_loss, message, model_id, log_bytes, output_bytes,
        best_val_loss
        """

    init(_ row: Row) throws(StoreError) {
        var progress = Progress()
        progress.step = try row["step"]
        progress.steps = try row["steps"]
        progress.secondsLeft = try row["seconds_left"]
        progress.tokensPerSecond = try row["tokens_per_s"]
        progress.loss = try row["loss"]
        progress.validationLoss = try row["val_loss"]
        progress.bestValidationLoss = try row["best_val_loss"]
        var process: ProcessID?
        if let id: Int = try row["process_id"] {
            process = ProcessID(id: id, ticks: try row["process_ticks"] ?? 0)
        }
        var data: DataSet?
        if let digest: String = try row["digest"] {
            data = try DataSet(
                chats: row["chats"], heldOut: row["held_out"], preferences: row["preferences"],
                tokens: row["tokens"], digest: digest)
        }
        try self.init(
            id: row["id"], name: row["name"], state: row["state"], settings: row["settings"], base: row["base_id"],
            basePath: row["base_path"], isScheduled: row["is_scheduled"], machine: row["machine"],
            folder: row["folder"], server: row["server_id"], process: process, attempts: row["attempts"],
            logBytes: row["log_bytes"], outputBytes: row["output_bytes"], stopSentAt: row["stop_sent_at"], createdAt: row["created_at"],
            createdBy: row["created_by"], startedAt: row["started_at"],
            finishedAt: row["finished_at"], data: data, progress: progress, message: row["message"],
            model: row["model_id"])
    }
}
