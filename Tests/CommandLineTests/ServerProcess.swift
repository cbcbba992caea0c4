import Foundation
import TestSupport
import Testing

/// `slm serve`, whose standard error is read line by line. It is stopped at the end of the test.
final class ServerProcess {
    let process = Process()
    private let errors = Pipe()
    private let output = Pipe()
    private var received = ""

    init(_ arguments: [String], in folder: String) throws {
        process.executableURL = URL(filePath: builtProgram("slm"))
        process.arguments = ["serve", "--port", "0", "--database", "sqlite:chats.db", "--threads", "1"] + arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SLM_") }
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    /// Reads standard error until it contains a text.
    func waits(for text: String) -> Bool {
        while !received.contains(text) {
            let data = errors.fileHandleForReading.availableData
            if data.isEmpty { return false }
            received += String(decoding: data, as: UTF8.self)
        }
        return true
    }

    /// The first line of standard output.
    func port() throws -> UInt16 {
        var line = ""
        while !line.contains("\n") {
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { break }
            line += String(decoding: data, as: UTF8.self)
        }
        return try #require(line.split(separator: ":").last.flatMap { UInt16($0.trimmingCharacters(in: .whitespacesAndNewlines)) })
    }

    /// Closes the reading ends of the pipes, as a log reader that has crashed.
    func stopReading() throws {
        try errors.fileHandleForReading.close()
        try output.fileHandleForReading.close()
    }
}
