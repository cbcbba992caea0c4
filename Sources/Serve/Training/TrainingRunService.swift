import Files
import HTTPServer
import JSON
import Store
import Synchronization
import Threads

/// Fine-tuning runs and their schedule, for owners.
struct TrainingRunService: Sendable {
    let store: Store
    let supervisor: TrainingSupervisor
    let replicas: Replicas

    static let routes: [Route] = [
        Route("GET", "/api/training/runs", access: .owner) { try $0.trainingRuns.list($1) },
        Route("POST", "/api/training/runs", access: .owner) { try $0.trainingRuns.add($1) },
        Route("GET", "/api/training/runs/{id}", access: .owner) { try $0.trainingRuns.show($1) },
        Route("DELETE", "/api/training/runs/{id}", access: .owner) { try $0.trainingRuns.delete($1) },
        Route("POST", "/api/training/runs/{id}/stop", access: .owner) { try $0.trainingRuns.stop($1) },
        Route("POST", "/api/training/runs/{id}/resume", access: .owner) { try $0.trainingRuns.resume($1) },
        Route("POST", "/api/training/estimate", access: .owner) { try $0.trainingRuns.estimate($1) },
        Route("GET", "/api/training/schedule", access: .owner) { app, _ in try app.trainingRuns.showSchedule() },
        Route("PUT", "/api/training/schedule", access: .owner) { try $0.trainingRuns.setSchedule($1) },
    ]

    private func list(_ context: RequestContext) throws -> Response {
        let after: TrainingRunID? = try context.request.id("after", of: "a run")
        let limit = try context.request.integer("limit", 1...200, default: 50)
        let (runs, next, total) = try store.trainingRuns(after: after, limit: limit)
        return Response.json { list in
            list.objects("items", runs) { $0.write(to: &$1) }
            list["next"] = next?.description
            list["total"] = total
        }
    }

    private func add(_ context: RequestContext) throws -> Response {
        let settings = try TrainingRunSettings(Self.settingsFields(context))
        let run = try supervisor.add(settings, by: context.adminRequest)
        return Response.json(.created) { run.write(to: &$0) }
    }

    private static func settingsFields(_ context: RequestContext) throws(APIError) -> RequestFields {
        try RequestFields(of: context.request, known: TrainingRunSettings.members, mayBeEmpty: true)
    }

    private func show(_ context: RequestContext) throws -> Response {
        let id: TrainingRunID = try context.id(of: "run")
        let run = try store.trainingRun(id), output = try store.trainingRunOutput(id)
        return Response.json { object in
            run.write(to: &object)
            object.json("curve", output.curve)
            object.json("samples", output.samples)
            object["log"] = output.log
        }
    }

    private func stop(_ context: RequestContext) throws -> Response {
        let servers = Set(replicas.servers.map(\.id)), machine = supervisor.configuration.machine
        // No server can stop the process of a machine without one: it has ended with the machine.
        let run = try store.requestStop(ofRun: context.id(of: "run"), by: context.adminRequest) { run in
            run.machine != machine && !(run.server.map { servers.contains($0) } ?? false)
        }
        supervisor.lookNow()
        return Response.json { run.write(to: &$0) }
    }

    private func resume(_ context: RequestContext) throws -> Response {
        let id: TrainingRunID = try context.id(of: "run"), found = try store.trainingRun(id)
        if found.state == .failed, !found.canResume {
            throw APIError.conflict("run_not_prepared", "This run could not be prepared, so there is nothing to resume. Start a new run.")
        }
        guard let run = try store.resumeTrainingRun(id, by: context.adminRequest) else {
            let state = try store.trainingRun(id).state
            throw state == .finished
                ? APIError.conflict("run_finished", "This run has finished. Start another one.")
                : APIError.conflict("run_in_progress", "This run is in progress.")
        }
        supervisor.lookNow()
        return Response.json { run.write(to: &$0) }
    }

    /// Deletes a run with its files, unless it has made a model, whose files are the registry's.
    private func delete(_ context: RequestContext) throws -> Response {
        guard let run = try store.deleteTrainingRun(context.id(of: "run"), by: context.adminRequest) else {
            throw APIError.conflict("run_in_progress", "This run is in progress. Stop it first.")
        }
        let files = RunFiles(run)
        if run.machine == supervisor.configuration.machine, files.belong(to: run.id) { files.delete(keepingModel: run.model != nil) }
        return .noContent
    }

    private func estimate(_ context: RequestContext) throws -> Response? {
        let settings = try TrainingRunSettings(Self.settingsFields(context))
        guard !supervisor.isEstimating.exchange(true, ordering: .acquiringAndReleasing) else {
            throw APIError.serviceUnavailable("busy", "Another estimate is being made. Try again in a moment.", retryAfter: 5)
        }
        // A measured step takes seconds, so it has a thread of its own.
        do {
            try BackgroundThread.run { [self] in
                let result = Result { try response(toEstimateOf: settings) }
                // Before the response: a client that has it may ask for another estimate at once.
                supervisor.isEstimating.store(false, ordering: .releasing)
                do { context.respond(try result.get()) } catch {
                    context.respond(APIError(any: error).response(to: context.request))
                }
            }
        } catch {
            supervisor.isEstimating.store(false, ordering: .releasing)
            throw error
        }
        return nil
    }

    private static let noReplay = "No older chats are mixed in, so the model will forget much of what it knew. Mix in files of "
        + "general chats, or generated ones."

    private func response(toEstimateOf settings: TrainingRunSettings) throws -> Response {
        let prepared = try supervisor.prepare(settings), estimate = prepared.estimate
        var advice: String?
        do throws(APIError) { try supervisor.check(prepared) } catch { advice = error.message }
        if advice == nil, prepared.settings.objective == .chats, prepared.settings.replay?.isEmpty ?? true { advice = Self.noReplay }
        let seconds = try supervisor.seconds(prepared, store)
        return Response.json { object in
            object["memory_bytes"] = estimate.memoryBytes
            object["available_bytes"] = min(estimate.availableBytes, estimate.totalBytes)
            object["disk_bytes"] = prepared.diskBytes
            object["free_disk_bytes"] = prepared.freeDiskBytes
            object["seconds"] = seconds
            object["chats"] = prepared.data.record.chats
            object["held_out"] = prepared.data.record.heldOut
            object["preferences"] = prepared.data.record.preferences
            object["fits"] = estimate.fits && prepared.diskBytes <= prepared.freeDiskBytes
            object["advice"] = advice
            object.object("settings") { prepared.settings.write(to: &$0) }
        }
    }

    private func showSchedule() throws -> Response {
        let schedule = try store.trainingSchedule()
        return Response.json { schedule.write(to: &$0) }
    }

    private func setSchedule(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["enabled", "at", "new_chats", "settings", "last_run", "next_at"])
        let isEnabled = try fields.boolean("enabled") ?? false
        let startMinute = try fields.optionalText("at", 5...5).map { text throws(APIError) in
            guard let minute = TrainingSchedule.minute(of: text) else {
                throw .invalid("at", "expected a time such as 03:00.")
            }
            return minute
        }
        let newChats = try fields.integer("new_chats", 1...1_000_000)
        if isEnabled, startMinute == nil, newChats == nil {
            throw APIError.invalid("at", "expected a time, a number of new chats, or both, found nothing.")
        }
        var settings = try fields.object("settings", known: TrainingRunSettings.members).map { try TrainingRunSettings($0) }
        settings?.name = nil
        let now = store.options.now(), machine = supervisor.configuration.machine
        let stored = try store.changeTrainingSchedule(by: context.adminRequest) { schedule in
            // Chats that were included while there was no schedule are not new.
            if isEnabled, !schedule.isEnabled { schedule.countedFrom = now }
            schedule.isEnabled = isEnabled
            schedule.startMinute = startMinute
            schedule.newChats = newChats
            if let settings { schedule.settings = settings.json }
            schedule.machine = machine
            schedule.nextAt = isEnabled ? startMinute.map { LocalTime(now).next(minuteOfDay: $0) } : nil
        }
        supervisor.lookNow()
        return Response.json { stored.write(to: &$0) }
    }
}

extension TrainingSupervisor {
    /// How long a run would take: its time, or what a measured step or an earlier run suggests. nil if the measurement took too long.
    func seconds(_ prepared: Prepared, _ store: Store) throws -> Double? {
        if let minutes = prepared.settings[.minutes] { return minutes * 60 }
        if prepared.data.tooFew(prepared.settings.objective) != nil || !prepared.estimate.fits { return nil }
        let scratch = try ScratchFolder(), path = scratch.path + "/data.jsonl"
        _ = try TrainingDataSet(prepared.settings, from: store, to: path)
        do {
            return try estimate(prepared.settings, prepared.base, data: path).seconds
        } catch let error as APIError where error.code == "busy" {
            return nil
        }
    }
}

extension RunFiles {
    /// Deletes the folder, or all but the model and its reports.
    func delete(keepingModel: Bool) {
        guard keepingModel else { return Folder.removeAll(folder) }
        Folder.removeAll(folder + "/data")
        for name in ["last.h5", "output.log", "run.lock"] { Folder.removeAll(folder + "/" + name) }
    }
}

extension TrainingRunRecord {
    func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["name"] = name
        object["state"] = state.rawValue
        object.json("settings", settings)
        object["base"] = base
        object.json("data", data?.json)
        object["scheduled"] = isScheduled
        object["machine"] = machine
        object["created_at"] = createdAt.description
        object["created_by"] = createdBy
        object["started_at"] = startedAt?.description
        object["finished_at"] = finishedAt?.description
        object["step"] = progress.step
        object["steps"] = progress.steps
        object["seconds_left"] = progress.secondsLeft
        object["tokens_per_s"] = progress.tokensPerSecond
        object["loss"] = progress.loss
        object["val_loss"] = progress.validationLoss
        object["best_val_loss"] = progress.bestValidationLoss
        object["message"] = message
        object["model"] = model
        object["can_resume"] = canResume
    }
}

extension TrainingRunRecord.DataSet {
    var json: String {
        return JSONWriter.text { object in
            object["chats"] = chats
            object["held_out"] = heldOut
            object["preferences"] = preferences
            object["tokens"] = tokens
            object["digest"] = digest
        }
    }
}

extension TrainingSchedule {
    /// 03:00 as minutes.
    static func minute(of text: String) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy(\.isDigit) }),
              let hours = Int(parts[0]), let minutes = Int(parts[1]), hours < 24, minutes < 60 else { return nil }
        return hours * 60 + minutes
    }

    func write(to object: inout JSONWriter) {
        object["enabled"] = isEnabled
        object.key("at")
        if let startMinute {
            func digits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
            object.string("\(digits(startMinute / 60)):\(digits(startMinute % 60))")
        } else {
            object.null()
        }
        object["new_chats"] = newChats
        object.json("settings", settings)
        object["last_run"] = lastRun?.description
        object["next_at"] = nextAt?.description
    }
}
