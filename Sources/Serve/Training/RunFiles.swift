import Files
import Secrets
import Store

/// The files of a run on this machine.
///
///     training/runs/NAME/best.h5, last.h5, log.jsonl, report.html      as slm finetune writes them
///     training/runs/NAME/data/chats.jsonl or preferences.jsonl         what it is trained on
///     training/runs/NAME/output.log                                    what it prints
///     training/runs/NAME/run.lock                                      held by its process
///     training/runs/NAME/run.id                                        the id of the run
struct RunFiles {
    let folder: String

    init(_ folder: String) { self.folder = folder }

    init(_ run: TrainingRunRecord) { folder = run.folder }

    var lock: String { folder + "/run.lock" }
    var output: String { folder + "/output.log" }
    var log: String { folder + "/log.jsonl" }
    var best: String { folder + "/best.h5" }
    var hasCheckpoint: Bool { ["last.h5", "best.h5"].contains { Folder.contains($0, in: folder) } }
    var logBytes: Int { (try? InputFile(log).size) ?? 0 }
    var outputBytes: Int { (try? InputFile(output).size) ?? 0 }

    func data(_ objective: TrainingRunSettings.Objective) -> String { "\(folder)/data/\(objective.rawValue).jsonl" }

    /// Creates the folder of a run that is added.
    func create(for id: String) throws(FileError) {
        try Folder.create(folder + "/data")
        try AtomicFile.write(id + "\n", to: folder + "/run.id")
    }

    /// Whether these are the files of a run.
    func belong(to id: TrainingRunID) -> Bool {
        guard let text = try? InputFile.contents(of: folder + "/run.id") else { return false }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").first.map(String.init) == id.description
    }
}

/// What a run is trained on, written from the database.
struct TrainingDataSet {
    private(set) var record: TrainingRunRecord.DataSet
    /// Lines of the file: exchanges or preferences.
    private(set) var lines: Int
    private(set) var bytes: Int

    /// Writes the included chats that are not held out, in the format of `slm finetune`.
    ///
    /// - Parameter path: nil to count only.
    init(_ settings: TrainingRunSettings, from store: Store, to path: String?) throws {
        let formats: [TrainingLines] = settings.objective == .chats ? [.chats] : [.pairs, .ratings]
        var digest = SHA256.Stream()
        var chats = 0, lines = 0, bytes = 0
        var file: AtomicFile?
        if let path { file = try AtomicFile(path, isPrivate: true) }
        let filter = try settings.trainingFilter
        try store.forEachTrainingChat(filter) { chat in
            let text = formats.flatMap { $0.lines(of: chat, passages: settings.passages) }
            if text.isEmpty { return }
            chats += 1
            lines += text.count { $0 == UInt8(ascii: "\n") }
            bytes += text.count
            digest.add(text)
            try file?.write(text)
        }
        if let file = file.take() { try file.commit() }
        self.lines = lines
        self.bytes = bytes
        let heldOut = try store.trainingSetCounts(filter).heldOut
        record = TrainingRunRecord.DataSet(
            chats: chats, heldOut: heldOut, preferences: settings.objective == .preferences ? lines : 0, digest: digest.finish())
    }

    /// The fewest lines that `slm finetune` accepts.
    static let minimumLines = 10

    /// Why they are too few, as a sentence; nil if they are not.
    func tooFew(_ objective: TrainingRunSettings.Objective) -> String? {
        guard lines < Self.minimumLines else { return nil }
        let found = objective == .chats
            ? "\(lines.counted("answer")) to train on in \(record.chats.counted("included chat"))"
            : lines.counted("preference")
        return "A run needs at least \(Self.minimumLines) \(objective == .chats ? "answers" : "preferences"), and there "
            + "\(lines == 1 ? "is" : "are") \(found) that \(lines == 1 ? "is" : "are") not held out. "
            + (objective == .chats ? "Include more chats." : "Rate, correct or choose more answers.")
    }
}
