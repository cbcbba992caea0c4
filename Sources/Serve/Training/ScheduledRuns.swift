import Files
package import Store

/// Starts the runs of the schedule. Servers that share a database all look; the database lets one of them start a run.
package struct ScheduledRuns {
    private let supervisor: TrainingSupervisor
    private var configuration: TrainingSupervisor.Configuration { supervisor.configuration }
    private var nextCheck = ContinuousClock.now
    /// Since when a run is due; nil if none is.
    private var dueSince: ContinuousClock.Instant?

    /// A run that was missed by longer waits for the next night: it should not disturb the day.
    static let longestDelay = Duration.seconds(3_600)
    static let interval = Duration.seconds(5)
    /// After this, a server of another machine than the schedule's starts the run: that one may be gone.
    package static let patience = Duration.seconds(60)

    init(_ supervisor: TrainingSupervisor) { self.supervisor = supervisor }

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

    /// Whether a run that is due is left to the schedule's machine.
    package static func waits(
        for schedule: TrainingSchedule, on machine: String, since dueSince: ContinuousClock.Instant, at now: ContinuousClock.Instant
    ) -> Bool { schedule.machine != machine && dueSince + patience > now }

    mutating func startIfDue() throws {
        guard nextCheck <= .now else { return }
        nextCheck = .now + Self.interval
        let store = configuration.store, schedule = try store.trainingSchedule()
        guard schedule.isEnabled else { return }
        let isFree = try store.trainingRuns(limit: 50).runs.allSatisfy(\.state.hasEnded)
        let now = store.options.now()
        let step = try Self.step(schedule, at: now, newChats: {
            try store.includedChatCount(since: schedule.countedFrom ?? Timestamp(milliseconds: 0))
        }, isFree: isFree)
        if case .run = step { dueSince = dueSince ?? .now } else { dueSince = nil }
        if let dueSince, Self.waits(for: schedule, on: configuration.machine, since: dueSince, at: .now) { return }
        dueSince = nil
        switch step {
        case .nothing: return
        case .wait(let until):
            var later = schedule
            later.nextAt = until
            _ = try store.advance(schedule, to: later, starting: nil)
        case .run(let next): try start(schedule, next: next, at: now)
        }
    }

    private func start(_ schedule: TrainingSchedule, next: Timestamp?, at now: Timestamp) throws {
        let new = try newRun(schedule)
        var later = schedule
        later.nextAt = next
        // After a failure, the chats are still new at the next time. Without one, each look would add a failed run.
        if new.failure == nil || next == nil { later.countedFrom = now }
        guard let run = try configuration.store.advance(schedule, to: later, starting: new) else { return }
        if let reason = new.failure {
            Log.error("the schedule could not start the training run \(run.name): \(reason)")
        } else {
            Log.info(.note, "the schedule started the training run \(run.name).")
        }
    }

    /// The run to add. One that cannot start is added as failed, so that the owner sees why there is none.
    private func newRun(_ schedule: TrainingSchedule) throws -> NewTrainingRun {
        var new: NewTrainingRun?, settings = TrainingRunSettings(), failure: String?
        do {
            settings = try TrainingRunSettings(json: schedule.settings)
            settings.name = nil
            let prepared = try supervisor.prepare(settings)
            new = prepared.new
            try supervisor.check(prepared)
        } catch let error as StoreError {
            // Without the database, nothing can be added. The next look tries again.
            throw error
        } catch let error as APIError {
            failure = error.message
        } catch {
            failure = "\(error)".asSentence
        }
        var run = new ?? unprepared(settings)
        run.isScheduled = true
        run.failure = failure
        return run
    }

    /// A run whose base, method or length is not known. It cannot be resumed (`TrainingRunRecord.canResume`).
    private func unprepared(_ settings: TrainingRunSettings) -> NewTrainingRun {
        let runs = configuration.directory + "/runs", name = TrainingSupervisor.newName(in: configuration.directory)
        return NewTrainingRun(
            name: name, settings: settings.json, base: settings.base, basePath: "", machine: configuration.machine,
            folder: "\((try? RelativePath.absolute(runs)) ?? runs)/\(name)")
    }
}
