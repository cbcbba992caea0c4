import Files
import Glibc
import HTTPServer
import Infer
import JSON
import Platform
import Store
import Synchronization
import Threads

/// Supervises the fine-tuning runs of this machine: starts them as processes, reads their logs, registers what they made.
///
///     let training = TrainingSupervisor(configuration)
///     try training.start()
///     training.lookNow()                                       // a run was added, or is to stop
///
/// A run survives this server. What is known of it is in the database and in its folder, so that the next server on the machine continues.
/// If there are several servers, one supervises a run (`Store.supervise`), and a file lock that the run inherits prevents a second start.
final class TrainingSupervisor: Sendable {
    struct Configuration: Sendable {
        let store: Store
        let server: ServerID
        /// Where runs are created.
        let directory: String
        /// The program that trains.
        let program: String
        var machine = machineName() ?? "localhost"
        /// How long a run may take to save before it is killed.
        var stopTimeout = Duration.seconds(60)
        /// The base model with an id; the active one for nil.
        let base: @Sendable (_ id: String?) throws -> TrainingBase
    }

    let configuration: Configuration
    /// Whether an estimate is being made: one at a time, because its measured steps need memory.
    let isEstimating = Atomic(false)
    private let thread = PeriodicThread(every: .milliseconds(500))

    init(_ configuration: Configuration) { self.configuration = configuration }

    func start() throws(ThreadError) {
        try thread.start { [self] in
            var runs = RunSupervision(configuration), schedule = ScheduledRuns(self), errors = RepeatedErrors("training runs")
            return {
                errors.log {
                    try runs.supervise()
                    try schedule.startIfDue()
                }
            }
        }
    }

    /// Leaves runs in progress to the next server.
    func stop() { thread.stop() }

    func lookNow() { thread.wake() }
}

/// Logs the errors of work that is repeated. The next round tries again, so the same error is logged once.
struct RepeatedErrors {
    private let subject: String
    private var last = ""

    init(_ subject: String) { self.subject = subject }

    mutating func log(_ work: () throws -> Void) {
        do {
            try work()
            last = ""
        } catch {
            if "\(error)" != last { Log.error("\(subject): \(error)") }
            last = "\(error)"
        }
    }
}

/// Adding runs.
extension TrainingSupervisor {
    /// A run that can be added, and what it would need.
    struct Prepared {
        var new: NewTrainingRun
        var settings: TrainingRunSettings
        let base: TrainingBase
        let estimate: TrainingEstimate
        let data: TrainingDataSet
        /// In bytes, with the data.
        var diskBytes: Int { estimate.diskBytes + 2 * data.bytes }
        var freeDiskBytes: Int
    }

    /// Fills in what the settings leave open, and estimates. Does not change anything.
    func prepare(_ wanted: TrainingRunSettings) throws -> Prepared {
        let base = try configuration.base(wanted.base)
        for path in [base.path] + (base.adapter.map { [$0] } ?? []) where !Folder.contains("", in: path) && access(path, R_OK) != 0 {
            throw APIError.refused("base_missing", "The model \(base.name) is not on this machine any more: \(path) cannot be read.")
        }
        var settings = wanted
        settings.base = wanted.base ?? base.id
        let estimate = try complete(&settings, base)
        let data = try TrainingDataSet(settings, from: configuration.store, to: nil)
        let name = settings.name ?? Self.newName(in: configuration.directory)
        settings.name = name
        try Folder.create(configuration.directory + "/runs")
        let runs = try RelativePath.absolute(configuration.directory + "/runs")
        let new = NewTrainingRun(
            name: name, settings: settings.json, base: base.id, basePath: base.path, machine: configuration.machine,
            folder: "\(runs)/\(name)")
        return Prepared(
            new: new, settings: settings, base: base, estimate: estimate, data: data,
            freeDiskBytes: DiskSpace.free(at: runs) ?? 0)
    }

    /// Throws if a run cannot succeed.
    func check(_ prepared: Prepared) throws(APIError) {
        if let reason = prepared.data.tooFew(prepared.settings.objective) { throw .refused("too_few_chats", reason) }
        let estimate = prepared.estimate
        if !estimate.fits {
            throw .refused("not_enough_memory", "Training needs about \(Self.gigabytes(estimate.memoryBytes)) of memory, and "
                + "\(Self.gigabytes(min(estimate.totalBytes, estimate.availableBytes))) are free."
                + " \(prepared.advice)")
        }
        if prepared.diskBytes > prepared.freeDiskBytes {
            throw .refused("disk_full", "The run needs about \(Self.gigabytes(prepared.diskBytes)) on the disk of "
                + "\(configuration.directory), and \(Self.gigabytes(prepared.freeDiskBytes)) are free: "
                + "\(Self.gigabytes(prepared.diskBytes - prepared.freeDiskBytes)) are missing. Delete older runs or models.")
        }
    }

    /// Adds a run, which starts when no other one is in progress on this machine.
    func add(_ wanted: TrainingRunSettings, by request: AdminRequest) throws -> TrainingRunRecord {
        let prepared = try prepare(wanted)
        try check(prepared)
        let files = RunFiles(prepared.new.folder)
        let taken = APIError.conflict("taken", "Another run has the name \(prepared.new.name). Choose another one.", field: "name")
        // A folder without a run in the database may have belonged to one that was deleted or restored.
        if Folder.contains("", in: files.folder) { throw taken }
        guard let run = try configuration.store.addTrainingRun(prepared.new, by: request) else { throw taken }
        lookNow()
        return run
    }

    /// Chooses a method by memory and size, and older chats to mix in.
    private func complete(_ settings: inout TrainingRunSettings, _ base: TrainingBase) throws -> TrainingEstimate {
        // A run that trains an adapter further keeps its shape.
        if base.adapter != nil { settings.method = .lora } else if settings[.rank] != nil { settings.method = .lora }
        settings.completeRank(base)
        var estimate = try self.estimate(settings, base, data: nil)
        if settings.method == nil {
            // A small model learns all its weights in minutes, and needs no adapter that has to be served with it.
            let isSmall = estimate.parameters <= Self.mostParametersTrainedWhole
            settings.method = isSmall && estimate.memoryBytes < estimate.availableBytes / 2 ? .full : .lora
            if settings.method == .lora {
                settings.completeRank(base)
                estimate = try self.estimate(settings, base, data: nil)
            }
        }
        if RunNumber.lengths.allSatisfy({ settings[$0] == nil }) { settings[.minutes] = Double(RunNumber.defaultMinutes) }
        if settings.objective == .chats {
            let replay = settings.replay ?? (estimate.knownData.isEmpty ? [GeneratedText.replayName] : estimate.knownData)
            settings.replay = try replay.map { path in
                if path == GeneratedText.replayName { return path }
                guard let absolute = try? RelativePath.absolute(path) else {
                    throw APIError.invalid("replay", "\(path) does not exist on the server's machine.")
                }
                return absolute
            }
            // Collected chats are few, and the model must not forget the rest: see `decisions/background-training.md`.
            let share = settings[.replayShare] ?? GeneratedText.replayShare(of: replay, otherwise: RunNumber.defaultReplayShare)
            settings[.replayShare] = replay.isEmpty ? nil : share
        } else {
            settings.replay = nil
            settings[.replayShare] = nil
        }
        return estimate
    }

    static let mostParametersTrainedWhole = 60_000_000

    /// Asks `slm finetune`.
    ///
    /// - Parameter data: A file to measure the time with; nil to measure nothing.
    func estimate(_ settings: TrainingRunSettings, _ base: TrainingBase, data: String?) throws -> TrainingEstimate {
        var arguments = ["finetune"] + RunArguments.model(settings, base) + ["--json", "--quiet", "--out", configuration.directory]
        if let data {
            arguments += ["--data", data, "--background", "--estimate", "time"] + settings.lengthArgument
                + RunArguments.objective(settings)
        } else {
            arguments += ["--estimate", "memory"] + RunArguments.objective(settings)
        }
        let output = try ChildProgram(path: configuration.program).run(arguments, within: .seconds(data == nil ? 30 : 60))
        if let found = output.lines.lazy.compactMap({ TrainingEstimate(line: $0) }).first { return found }
        if let message = output.errorMessage { throw APIError.refused("base_missing", message) }
        throw APIError.serviceUnavailable(
            "busy", "The estimate took too long: the machine is busy. Try again in a moment.", retryAfter: 10)
    }

    static func gigabytes(_ bytes: Int) -> String {
        let megabytes = (bytes + 500_000) / 1_000_000
        return megabytes < 1_000 ? "\(megabytes) MB" : "\(megabytes / 1_000).\(megabytes % 1_000 / 100) GB"
    }

    /// run-20261122-030000, in local time; with a number if a run began in the same second.
    static func newName(in directory: String) -> String {
        let name = "run-" + LocalTime(.now()).compact
        var unique = name, number = 2
        while Folder.contains(unique, in: directory + "/runs") {
            unique = "\(name)-\(number)"
            number += 1
        }
        return unique
    }
}

extension TrainingSupervisor.Prepared {
    /// A smaller setting.
    var advice: String {
        if settings.method == .full { return "Train a LoRA adapter instead, or wait until less memory is in use." }
        return "Use a smaller base model, or wait until less memory is in use."
    }
}

extension APIError {
    /// A run that cannot succeed.
    static func refused(_ code: String, _ message: String) -> APIError {
        APIError(status: .unprocessableContent, code: code, message: message)
    }
}
