import Files
import Glibc
import Platform
import Store

/// What the supervising thread knows of the runs in progress, and what it does about them.
struct RunSupervision {
    private let configuration: TrainingSupervisor.Configuration
    private var watched: [TrainingRunID: WatchedRun] = [:]

    private struct WatchedRun {
        var log: RunLog
        /// The process, if this server started it.
        var child: BackgroundProcess?
        var published: (progress: TrainingRunRecord.Progress, at: ContinuousClock.Instant)?
        var outputAt: ContinuousClock.Instant?
        /// The last saved step when the process started.
        var savedStep = 0
        var hasTokens = false
    }

    /// Attempts without progress, after which a run fails that is killed each time.
    private static let maxAttempts = 3
    /// The least free space to start a run with, in bytes.
    private static let leastFreeSpace = 32_000_000

    private var store: Store { configuration.store }
    private var server: ServerID { configuration.server }

    init(_ configuration: TrainingSupervisor.Configuration) { self.configuration = configuration }

    /// Starts, follows and ends the runs of this machine, once each.
    mutating func supervise() throws {
        let runs = try store.unsupervisedRuns(by: server).filter { isHere($0) }
        let inProgress = runs.filter(\.state.isInProgress)
        for run in inProgress {
            let isMine = run.server == server && run.machine == configuration.machine
            guard let run = isMine ? run : try store.supervise(run.id, by: server, on: configuration.machine) else { continue }
            try supervise(run)
        }
        let ids = Set(inProgress.map(\.id))
        watched = watched.filter { ids.contains($0.key) }
        if inProgress.isEmpty, let next = runs.first(where: { $0.state == .queued }) {
            guard let run = try store.begin(next.id, by: server, on: configuration.machine) else { return }
            try launch(run)
        }
    }

    /// Whether the files of a run are on this machine: it was added here, or on a machine whose server is gone and whose disk this one has,
    /// as after a container was made again.
    private func isHere(_ run: TrainingRunRecord) -> Bool {
        run.machine == configuration.machine || run.startedAt != nil && RunFiles(run).belong(to: run.id)
    }

    private mutating func supervise(_ run: TrainingRunRecord) throws {
        let files = RunFiles(run)
        var run = run, state = watched[run.id] ?? WatchedRun(log: RunLog(run.folder))
        let isRunning = try FileLock.isHeld(files.lock)
        // After the lock: what the process wrote before it ended is read, too.
        let isNew = try state.log.read()
        if watched[run.id] == nil { state.savedStep = state.log.lastSavedStep }
        // Also of a run that ended since the last look.
        if !state.hasTokens, let tokens = state.log.tokens {
            state.hasTokens = try store.setTokens(tokens, of: run.id, by: server)
            run = try store.trainingRun(run.id)
        }
        if !isRunning {
            // A process that ends releases its lock a moment before the system knows how it has ended.
            let ending = state.child?.end(within: .seconds(5))
            state.child = nil
            watched[run.id] = state                              // before another process takes its place
            return try resolve(run, files, state.log, ending)
        }
        defer { watched[run.id] = state }
        if run.process == nil, let process = BackgroundProcess.holder(of: files.lock) {
            let id = TrainingRunRecord.ProcessID(id: Int(process.id), ticks: process.startTicks)
            guard try store.setProcess(id, of: run.id, by: server) else { return }
            run = try store.trainingRun(run.id)
        }
        if run.state == .stopping { try stop(run) }
        if isNew || state.published == nil { try publish(run, files, &state) }
    }

    /// Asks the process once to save and end: it takes a second request as one to end at once. After a while it is killed.
    private func stop(_ run: TrainingRunRecord) throws {
        guard let id = run.process else { return }
        let process = BackgroundProcess(id: Int32(id.id), startTicks: id.ticks)
        if let sent = run.stopSentAt {
            if sent.advanced(by: configuration.stopTimeout) < store.options.now() { process.send(SIGKILL) }
        } else {
            process.send(SIGINT)
            _ = try store.setStopSent(of: run.id, by: server)
        }
    }

    private func publish(_ run: TrainingRunRecord, _ files: RunFiles, _ state: inout WatchedRun) throws {
        let now = ContinuousClock.now, progress = state.log.progress(hasEnded: false)
        if let last = state.published, last.progress == progress || last.at + .seconds(1) > now { return }
        var output: TrainingRunOutput?
        if state.outputAt.map({ $0 + .seconds(2) <= now }) ?? true {
            output = self.output(files, state.log)
            state.outputAt = now
        }
        let saved = state.log.lastSavedStep
        let hasProgressed = saved > state.savedStep && run.attempts > 1
        guard try store.setProgress(progress, output, of: run.id, by: server, hasProgressed: hasProgressed) else { return }
        state.savedStep = max(state.savedStep, saved)
        state.published = (progress, now)
    }

    private func output(_ files: RunFiles, _ log: RunLog) -> TrainingRunOutput {
        var output = log.output
        output.log = FileTail.lines(of: files.output, 100).joined(separator: "\n")
        return output
    }

    /// Decides what becomes of a run whose process has ended, or does not exist yet.
    private mutating func resolve(
        _ run: TrainingRunRecord, _ files: RunFiles, _ log: RunLog, _ ending: BackgroundProcess.Ending?
    ) throws {
        let lines = FileTail.lines(of: files.output, 100, from: run.outputBytes)
        switch (log.ending(after: run.logBytes), ending) {
        case (.finished?, _): try finish(run, files, log)
        case (.diverged?, _):
            let message = ChildProgram.errorMessage(in: lines)
            try end(run, files, log, as: .failed, message ?? "The loss was not finite in three steps in a row. Use a lower learning rate.")
        case (_, _) where run.state == .stopping: try end(run, files, log, as: .stopped)
        case (nil, .status(let status)?) where status != 0:
            try end(run, files, log, as: .failed, failure(lines, "slm finetune ended with the exit status \(status)."))
        case (nil, _) where run.attempts >= Self.maxAttempts:
            let signal = if case .signal(let number)? = ending { " the last time by signal \(number)" } else { "" }
            try end(run, files, log, as: .failed, "The process of the run was ended \(run.attempts) times without an error message,"
                + (signal.isEmpty ? " perhaps because memory ran out." : signal + ", perhaps because memory ran out."))
        // The machine or the service was stopped, and the run with it; or it was killed.
        default: try launch(run)
        }
    }

    /// The error message of a run; what is known of the disk otherwise, which may have been too full for the message.
    private func failure(_ lines: [String], _ other: String) -> String {
        if let message = ChildProgram.errorMessage(in: lines) { return message }
        return (DiskSpace.free(at: configuration.directory) ?? .max) < Self.leastFreeSpace ? diskFull : other
    }

    private var diskFull: String { "The disk of \(configuration.directory) is full. Free some space, then resume the run." }

    /// Starts the process of a run, from its last checkpoint if it has one.
    private mutating func launch(_ run: TrainingRunRecord) throws {
        let files = RunFiles(run)
        do {
            try files.create(for: run.id.description)
            try start(run, files)
        } catch let error as StoreError {
            throw error
        } catch let error as RunRefusal {
            try end(run, files, RunLog(run.folder), as: .failed, error.description)
        } catch FileError.diskFull {
            try end(run, files, RunLog(run.folder), as: .failed, diskFull)
        } catch {
            try end(run, files, RunLog(run.folder), as: .failed, "\(error)".asSentence)
        }
    }

    private mutating func start(_ run: TrainingRunRecord, _ files: RunFiles) throws {
        let settings = try TrainingRunSettings(json: run.settings)
        if access(run.basePath, R_OK) != 0 {
            throw RunRefusal(description: "The base model \(run.basePath) cannot be read: \(systemErrorMessage()).")
        }
        if let free = DiskSpace.free(at: run.folder), free < Self.leastFreeSpace {
            let missing = TrainingSupervisor.gigabytes(Self.leastFreeSpace - free)
            throw RunRefusal(description: "The disk of \(configuration.directory) is full: at least \(missing) are missing. Free some "
                + "space, then resume the run.")
        }
        // Another server may be starting it.
        guard let lock = try FileLock(files.lock) else { return }
        var arguments = RunArguments.resume(run)
        if !files.hasCheckpoint {
            let path = files.data(settings.objective)
            let data = try TrainingDataSet(settings, from: store, to: path)
            if let reason = data.tooFew(settings.objective) { throw RunRefusal(description: reason) }
            guard try store.setData(data.record, of: run.id, by: server) else { return }
            let base = try configuration.base(run.base)
            arguments = RunArguments.start(run, settings, base, data: path)
        }
        var state = WatchedRun(log: RunLog(run.folder))
        _ = try state.log.read()
        state.savedStep = state.log.lastSavedStep
        let isCounted = try store.countAttempt(of: run.id, by: server, logBytes: files.logBytes, outputBytes: files.outputBytes)
        // The owner may have stopped it in the meantime.
        guard isCounted, try store.trainingRun(run.id).state == .running else { return }
        let process = try ChildProgram(path: configuration.program).start(arguments, output: files.output, holding: lock)
        state.child = process
        watched[run.id] = state
        Log.info(.note, "started the training run \(run.name) as process \(process.id).")
        _ = try store.setProcess(.init(id: Int(process.id), ticks: process.startTicks), of: run.id, by: server)
    }

    private func finish(_ run: TrainingRunRecord, _ files: RunFiles, _ log: RunLog) throws {
        guard Folder.contains("best.h5", in: run.folder) else {
            return try end(run, files, log, as: .failed, "The run has finished, but its file \(files.best) is missing.")
        }
        // Its best checkpoint is the base, of which a copy would be no better.
        if let reason = log.whyNothingWasLearned { return try end(run, files, log, as: .finished, reason) }
        // A run registers one model, however often this is repeated after a kill.
        let model: ModelID
        do {
            model = try ModelRegistry.register(
                files.best, name: run.name, base: run.base.flatMap { ModelID($0) }, run: run.id.description, data: run.data?.json,
                metrics: log.metrics, in: store, by: AdminRequest(actor: run.createdBy, address: ""))
        } catch let error as StoreError {
            throw error
        } catch {
            return try end(run, files, log, as: .failed, "The run has finished, but its model cannot be opened: \(error)".asSentence)
        }
        let isEnded = try store.end(
            run.id, as: .finished, log.progress(hasEnded: true), output(files, log), model: model, by: server)
        guard isEnded else { return }
        Log.info(.note, "the training run \(run.name) has finished. Its model is a candidate now.")
    }

    private func end(
        _ run: TrainingRunRecord, _ files: RunFiles, _ log: RunLog, as state: TrainingRunRecord.State, _ message: String? = nil
    ) throws {
        var log = log
        _ = try? log.read()
        let isEnded = try store.end(
            run.id, as: state, message: message, log.progress(hasEnded: true), output(files, log), by: server)
        guard isEnded else { return }
        let ending = switch state {
        case .failed: "failed: \(message ?? "")"
        case .finished: "finished without a model. \(message ?? "")"
        default: "stopped."
        }
        Log.info(.note, "the training run \(run.name) has \(ending)")
    }
}

/// Why a run cannot start, as a sentence.
private struct RunRefusal: Error { let description: String }
