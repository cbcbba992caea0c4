import Files
import Glibc
import Infer
import JSON
import Platform
import Store
import Threads

/// Compares candidates with the active model: writes the held-out chats and the owner's questions to files, runs `slm gate` as a process of
/// low priority, and stores its verdict.
///
/// A candidate that a run has made is compared without being asked for. A comparison changes nothing but its own rows, so one that was cut
/// off, by whatever, is made again from the beginning.
final class ComparisonRunner: Sendable {
    private let configuration: TrainingSupervisor.Configuration
    private let thread = PeriodicThread(every: .milliseconds(500))

    /// A file that makes `slm gate` crash must not be tried for ever.
    private static let maxAttempts = 3
    private static let timeLimit = Duration.seconds(3_600)

    init(_ configuration: TrainingSupervisor.Configuration) { self.configuration = configuration }

    private var store: Store { configuration.store }

    func start() throws(ThreadError) {
        try thread.start { [self] in
            var errors = RepeatedErrors("comparisons")
            return { errors.log { try self.compareWaiting() } }
        }
    }

    /// Leaves a comparison in progress to the next server.
    func stop() { thread.stop() }

    /// Asks for a comparison.
    func add(_ candidate: ModelID, by request: AdminRequest) throws -> ModelComparisonRecord {
        let gate = GateThresholds(json: try store.gateThresholds())
        let comparison = try store.addComparison(of: candidate, gate: gate.json, on: configuration.machine, by: request)
        thread.wake()
        return comparison
    }

    private func compareWaiting() throws {
        try removeLeftovers()
        for model in try store.candidatesToCompare() {
            _ = try add(model.id, by: AdminRequest(actor: model.createdBy, address: "server"))
        }
        while !thread.isStopped, let comparison = try store.beginComparison(by: configuration.server, on: configuration.machine) {
            try compare(comparison)
        }
    }

    /// Removes the texts of comparisons that a killed server has left after it had stored the result, or whose candidate was deleted.
    private func removeLeftovers() throws {
        for name in Folder.names(in: folder) ?? [] {
            // The process of a server that was killed may still read them.
            guard let id = ComparisonID(name), try !FileLock.isHeld("\(folder)/\(name)/lock"), try !isRunning(id) else { continue }
            Folder.removeAll("\(folder)/\(name)")
        }
    }

    private func isRunning(_ id: ComparisonID) throws(StoreError) -> Bool {
        do throws(StoreError) {
            return try store.comparison(id).state == .running
        } catch {
            if case .notFound = error { return false }
            throw error
        }
    }

    private func compare(_ comparison: ModelComparisonRecord) throws {
        // The files have texts of users, so they do not stay, also not those of a server that was killed.
        defer { Folder.removeAll(folder(of: comparison)) }
        do {
            if comparison.attempts > Self.maxAttempts { throw ComparisonFailure.killed }
            guard let output = try run(comparison) else { return }
            guard let line = output.last(where: { $0.hasPrefix("{") }), let result = try? JSONElement(parsing: line),
                  let verdict = result["verdict"]?.string.flatMap({ RegisteredModel.Verdict(rawValue: $0) }) else {
                throw ComparisonFailure(ChildProgram.errorMessage(in: output) ?? noResult)
            }
            try store.finish(
                comparison.id, by: configuration.server, verdict: verdict, isPassed: result["passed"]?.boolean ?? false, result: line)
            Log.info(.note, "compared \(try store.model(comparison.candidate).name) with the active model: \(verdict.rawValue).")
        } catch let error as StoreError {
            throw error
        } catch FileError.diskFull {
            try store.fail(comparison.id, by: configuration.server, message: diskFull)
            Log.error("the comparison of a candidate has failed: \(diskFull)")
        } catch {
            let message = "\(error)".asSentence
            try store.fail(comparison.id, by: configuration.server, message: message)
            Log.error("the comparison of a candidate has failed: \(message)")
        }
    }

    private var folder: String { configuration.directory + "/comparisons" }

    private func folder(of comparison: ModelComparisonRecord) -> String { "\(folder)/\(comparison.id)" }

    /// The message of a comparison that has printed none. The disk may have been too full for one.
    private var noResult: String {
        (DiskSpace.free(at: configuration.directory) ?? .max) < 1_000_000 ? diskFull : "The comparison has ended without a result."
    }

    private var diskFull: String { "The disk of \(configuration.directory) is full. Free some space, then compare again." }

    /// Runs `slm gate`.
    ///
    /// - Returns: The lines that it printed; nil if this server stops.
    private func run(_ comparison: ModelComparisonRecord) throws -> [String]? {
        let candidate = try store.model(comparison.candidate), active = try store.model(comparison.active)
        let gate = GateThresholds(json: comparison.gate)
        let folder = self.folder(of: comparison)
        try Folder.create(folder)
        var lock = try FileLock(folder + "/lock")
        // The process of a server that was killed may still compute. What it finds is not read.
        while lock == nil {
            if thread.isStopped { return nil }
            usleep(200_000)
            lock = try FileLock(folder + "/lock")
        }
        guard let lock = lock.take() else { return nil }
        var arguments = ["gate", candidate.path, "--against", active.path, "--json", "--quiet", "--background"] + gate.arguments
        let data = folder + "/held-out.jsonl", questions = folder + "/questions.jsonl"
        let hasData = try writeHeldOut(to: data), hasQuestions = try writeQuestions(to: questions)
        let general = try self.general(gate, candidate)
        if hasData { arguments += ["--data", data] }
        if hasQuestions { arguments += ["--questions", questions] }
        arguments += general.flatMap { ["--replay", $0] }
        return try lines(of: arguments, to: "\(folder)/output-\(comparison.attempts)", holding: lock)
    }

    /// Runs a command, again if it is killed, as by the system when memory runs out.
    ///
    /// - Returns: The lines that it printed; nil if this server stops.
    private func lines(of arguments: [String], to output: String, holding lock: borrowing FileLock) throws -> [String]? {
        for attempt in 1...Self.maxAttempts {
            let path = "\(output)-\(attempt)"
            let process = try ChildProgram(path: configuration.program).start(arguments, output: path, holding: lock)
            let ending = process.end(within: Self.timeLimit, unless: { thread.isStopped })
            if thread.isStopped { return nil }
            guard let ending else { throw ComparisonFailure("The comparison took longer than an hour.") }
            if case .status = ending { return try LineBlocks.nonEmptyLines(of: path) }
        }
        throw ComparisonFailure.killed
    }

    /// The general chats: the owner's files, or those that the run mixed in. Without any, `slm gate` generates some.
    private func general(_ gate: GateThresholds, _ candidate: RegisteredModel) throws -> [String] {
        if let general = gate.general { return general }
        guard let id = candidate.run.flatMap({ TrainingRunID($0) }), let run = try? store.trainingRun(id) else { return [] }
        let settings = try JSONElement(parsing: run.settings)
        let replay = settings["replay"]?.elements?.compactMap(\.string) ?? []
        return replay.filter { $0 != GeneratedText.replayName }
    }

    /// - Returns: Whether there are any.
    private func writeHeldOut(to path: String) throws -> Bool {
        var file = try AtomicFile(path, isPrivate: true)
        var isEmpty = true
        try store.forEachTrainingChat(heldOut: true) { chat in
            let lines = TrainingLines.chats.lines(of: chat, passages: true)
            isEmpty = isEmpty && lines.isEmpty
            try file.write(lines)
        }
        try file.commit()
        return !isEmpty
    }

    private func writeQuestions(to path: String) throws -> Bool {
        let questions = try store.gateQuestions()
        var file = try AtomicFile(path, isPrivate: true)
        for question in questions {
            var writer = JSONWriter(.oneLine)
            writer.object {
                $0["id"] = question.id.description
                $0["text"] = question.text
                if let expected = question.expected { $0["expected"] = expected }
            }
            try file.write(writer.bytes + [UInt8(ascii: "\n")])
        }
        try file.commit()
        return !questions.isEmpty
    }
}

/// Why a comparison cannot be made, as a sentence.
private struct ComparisonFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    static let killed = ComparisonFailure(
        "The comparison was ended several times without a message, perhaps because memory ran out. Compare again later.")
}
