import Files
import Glibc
import Platform

/// This program as another process: `slm finetune`, `slm gate`, `slm index`.
struct ChildProgram {
    /// `/proc/self/exe` is this program also when its file was replaced by a new version.
    let path: String

    /// What it may inherit. Options of the server, such as SLM_THREADS, would be taken for its own, and it needs no keys.
    private static let variables = [
        "PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "SLM_AUTOTUNE", "SLM_CPU",
        "SLM_BLAS",
    ]

    private var environment: [String: String] {
        var result: [String: String] = [:]
        for name in Self.variables { if let value = getenv(name) { result[name] = String(cString: value) } }
        return result
    }

    /// Starts a run in the background.
    func start(
        _ arguments: [String], output: String, holding lock: borrowing FileLock, memory: Int? = nil
    ) throws(FileError) -> BackgroundProcess {
        try BackgroundProcess(path, arguments, environment: environment, output: output, holding: lock, memory: memory)
    }

    /// The result of a command that ends soon.
    struct Output {
        let lines: [String]
        /// nil if it did not end in time.
        let ending: BackgroundProcess.Ending?

        /// The error message, as a sentence.
        var errorMessage: String? { ChildProgram.errorMessage(in: lines) }
    }

    /// Runs a command, and kills it after `time`, or when `isCancelled` says so.
    func run(
        _ arguments: [String], within time: Duration, unless isCancelled: () -> Bool = { false }
    ) throws(FileError) -> Output {
        let folder = try ScratchFolder()
        guard let lock = try FileLock(folder.path + "/lock") else {
            throw .notWritten(path: folder.path + "/lock", reason: "another process holds its lock")
        }
        return try run(arguments, within: time, memory: nil, holding: lock, unless: isCancelled)
    }

    /// - Parameters:
    ///   - memory: See ``BackgroundProcess``.
    ///   - lock: Held by the command until it ends, also if this program ends before.
    func run(
        _ arguments: [String], within time: Duration, memory: Int?, holding lock: borrowing FileLock, unless isCancelled: () -> Bool
    ) throws(FileError) -> Output {
        let folder = try ScratchFolder(), path = folder.path + "/output"
        let ending = try start(arguments, output: path, holding: lock, memory: memory).end(within: time, unless: isCancelled)
        return Output(lines: FileTail.lines(of: path, 1_000), ending: ending)
    }

    /// The last message of `slm` in its output: "slm: the disk is full." becomes "The disk is full."
    static func errorMessage(in lines: [String]) -> String? {
        guard let line = lines.last(where: { $0.hasPrefix("slm") && $0.contains(": ") }) else { return nil }
        let text = line.hasPrefix("slm: ") ? String(line.dropFirst(5)) : line
        return text.isEmpty ? nil : String(text.prefix(1_000)).asSentence
    }
}

extension String {
    /// Begins with a capital, unless it begins with a path or an option, and ends with a full stop.
    var asSentence: String {
        let isPath = prefix { !$0.isWhitespace }.contains { "/-:".contains($0) }
        let text = isPath ? self : capitalizedFirst
        return text.hasSuffix(".") || text.hasSuffix("!") || text.hasSuffix("?") ? text : text + "."
    }
}
