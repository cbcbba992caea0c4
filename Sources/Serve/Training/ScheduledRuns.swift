package import Store

/// Starts the runs of the schedule. Servers that share a database all look; the database lets one of them start a run.
package struct ScheduledRuns {
    private let configuration: TrainingSupervisor.Configuration
    private var nextLook = ContinuousClock.now
    /// Since when a run is due; nil if none is.
    private var dueSince: ContinuousClock.Instant?

    /// A run that was missed by longer waits for the next night: it should not disturb the day.
    static let longestDelay = Duration.seconds(3_600)
    static let interval = Duration.seconds(5)
    /// After this, a server of another machine than the schedule's starts the run: that one may be gone.
    static let patience = Duration.seconds(60)

    init(_ configuration: TrainingSupervisor.Configuration) { self.configuration = configuration }

    /// What is due.
    package enum Step: Equatable {
        case nothing
        /// Sets a later time.
        case wait(until: Timestamp)
        case run(next: Timestamp?)
    }

    /// - Parameters:
    ///   - newChats: The number of chats that were included since the last scheduled run.
    ///   - isFree: Whether no run waits or is in progress.
    package static func step(_ schedule: TrainingSchedule, at now: Timestamp, newChats: () throws -> Int, isFree: Bool) rethrows -> Step {
        guard schedule.isEnabled else { return .nothing }
        var next: Timestamp?
        if let minute = schedule.startMinute {
            let following = LocalTime(now).next(minuteOfDay: minute)
            guard let due = schedule.nextAt else { return .wait(until: following) }
            if due > now { return .nothing }
            if due.advanced(by: longestDelay) < now { return .wait(until: following) }
            next = following
        } else if schedule.newChats == nil {
            return .nothing
        }
        guard isFree else { return .nothing }
        guard try newChats() >= schedule.newChats ?? 1 else {
            return next.map { .wait(until: $0) } ?? .nothing
        }
        return .run(next: next)
    }

    mutating func look(_ prepare: (TrainingRunSettings) throws -> TrainingSupervisor.Prepared) throws {
        guard nextLook <= .now else { return }
        nextLook = .now + Self.interval
        let store = configuration.store, schedule = try store.trainingSchedule()
        guard schedule.isEnabled else { return }
        let isFree = try store.trainingRuns(limit: 50).runs.allSatisfy(\.state.hasEnded)
        let now = store.options.now()
        let step = try Self.step(schedule, at: now, newChats: {
            try store.includedChatCount(since: schedule.countedFrom ?? Timestamp(milliseconds: 0))
        }, isFree: isFree)
        if case .run = step { dueSince = dueSince ?? .now } else { dueSince = nil }
        if let dueSince, schedule.machine != configuration.machine, dueSince + Self.patience > .now { return }
        dueSince = nil
        var later = schedule
        switch step {
        case .nothing: return
        case .wait(let until):
            later.nextAt = until
            _ = try store.advance(schedule, to: later, starting: nil)
        case .run(let next):
            later.nextAt = next
            later.countedFrom = now
            try start(schedule, later, prepare)
        }
    }

    private func start(
        _ schedule: TrainingSchedule, _ later: TrainingSchedule, _ prepare: (TrainingRunSettings) throws -> TrainingSupervisor.Prepared
    ) throws {
        let store = configuration.store
        var settings = try TrainingRunSettings(json: schedule.settings)
        settings.name = nil
        do {
            var new = try prepare(settings).new
            new.isScheduled = true
            guard let run = try store.advance(schedule, to: later, starting: new) else { return }
            Log.info(.note, "the schedule started the training run \(run.name).")
        } catch let error as APIError {
            try fail(schedule, later, settings, error.message)
        }
    }

    /// Adds a run that has failed, so that the owner sees why there is none.
    private func fail(
        _ schedule: TrainingSchedule, _ later: TrainingSchedule, _ settings: TrainingRunSettings, _ reason: String
    ) throws {
        let name = TrainingSupervisor.newName(in: configuration.directory)
        var new = NewTrainingRun(
            name: name, settings: settings.json, base: settings.base, basePath: "", machine: configuration.machine,
            folder: "\(configuration.directory)/runs/\(name)")
        new.isScheduled = true
        let store = configuration.store
        guard let run = try store.advance(schedule, to: later, starting: new),
              try store.begin(run.id, by: configuration.server, on: configuration.machine) != nil else { return }
        _ = try store.end(
            run.id, as: .failed, message: reason, TrainingRunRecord.Progress(), TrainingRunOutput(), by: configuration.server)
        Log.error("the schedule could not start a training run: \(reason)")
    }
}
