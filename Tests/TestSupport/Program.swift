package import Foundation

/// The path of a program of the package. It is built into the folder of the tests.
package func builtProgram(_ name: String) -> String {
    URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: name).path
}

/// Starts a program with pipes as its input and its output.
package func startProgram(_ path: String, _ arguments: [String]) throws -> (process: Process, input: Pipe, output: FileHandle) {
    let process = Process(), input = Pipe(), output = Pipe()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    return (process, input, output.fileHandleForReading)
}

/// Runs a program to its end.
///
/// - Parameters:
///   - environment: nil for that of the tests.
///   - input: What the program can read. It has less than a pipe holds, so that the write does not block.
package func runProgram(
    _ path: String, _ arguments: [String], environment: [String: String]? = nil, input: Data? = nil, in folder: String? = nil
) throws -> (status: Int32, output: String, errors: String) {
    let process = Process(), output = Pipe(), errors = Pipe()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    if let environment { process.environment = environment }
    if let folder { process.currentDirectoryURL = URL(filePath: folder) }
    process.standardOutput = output
    process.standardError = errors
    if let input {
        let pipe = Pipe()
        process.standardInput = pipe
        precondition(input.count < 60_000)
        pipe.fileHandleForWriting.write(input)
        try pipe.fileHandleForWriting.close()
    } else {
        process.standardInput = FileHandle.nullDevice
    }
    try process.run()
    let texts = [output, errors].map { String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
    process.waitUntilExit()
    return (process.terminationStatus, texts[0], texts[1])
}
