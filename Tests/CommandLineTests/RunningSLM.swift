import Foundation
import Testing

/// The exit status and the output of a run of the binary.
struct Outcome {
    let status: Int32
    let output, errors: String
}

/// The JSON objects that a command has printed, one a line.
func objects(_ outcome: Outcome) throws -> [[String: Any]] { try objects(in: outcome.output) }

func objects(in lines: String) throws -> [[String: Any]] {
    try lines.split(separator: "\n").map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
}

/// Runs the binary beside the tests.
func slm(_ arguments: String..., environment: [String: String] = [:], input: String? = nil) throws -> Outcome {
    try slm(arguments, environment, input: input.map { Data($0.utf8) })
}

/// - Parameter launcher: A program that starts the binary, with its arguments.
func slm(
    _ arguments: [String], _ environment: [String: String] = [:], input: Data? = nil, in folder: String? = nil, launcher: [String] = []
) throws -> Outcome {
    let process = Process()
    let binary = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("slm")
    process.executableURL = launcher.first.map { URL(fileURLWithPath: $0) } ?? binary
    process.arguments = launcher.isEmpty ? arguments : launcher.dropFirst() + [binary.path] + arguments
    // Results must not depend on what is the fastest on the machine that runs the tests.
    let own = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SLM_") }.merging(["SLM_AUTOTUNE": "off"]) { $1 }
    process.environment = own.merging(environment) { $1 }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    if let input {
        let pipe = Pipe()
        process.standardInput = pipe
        // Less than a pipe holds, so that the write does not block.
        precondition(input.count < 60_000)
        pipe.fileHandleForWriting.write(input)
        try pipe.fileHandleForWriting.close()
    } else {
        process.standardInput = FileHandle.nullDevice
    }
    try process.run()
    let texts = [output, errors].map { String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
    process.waitUntilExit()
    return Outcome(status: process.terminationStatus, output: texts[0], errors: texts[1])
}
