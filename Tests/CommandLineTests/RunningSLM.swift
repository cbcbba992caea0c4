import Foundation
import TestSupport
import Testing

/// The exit status and the output of a run of the binary.
struct Outcome {
    let status: Int32
    let output, errors: String

    @discardableResult
    func succeeded(sourceLocation: SourceLocation = #_sourceLocation) -> Outcome {
        #expect(status == 0, "\(errors)", sourceLocation: sourceLocation)
        return self
    }
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
    let command = launcher + [builtProgram("slm")] + arguments
    // Results must not depend on what is the fastest on the machine that runs the tests.
    let own = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SLM_") }.merging(["SLM_AUTOTUNE": "off"]) { $1 }
    let (status, output, errors) = try runProgram(
        command[0], Array(command.dropFirst()), environment: own.merging(environment) { $1 }, input: input, in: folder)
    return Outcome(status: status, output: output, errors: errors)
}
