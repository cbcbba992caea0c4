import Glibc
import ResourceWatch

/// Damages values in whole model folders and GGUF files, and answers with those that can be read, as `slm generate` does and through a
/// server.
///
///     FolderFuzzer ROUNDS [FIRST]      rounds, optionally starting at round FIRST
///
/// A crash is printed with its round. So is an answer that takes more than 20 seconds of CPU time, and a request without a response or
/// with an internal error; the exit status is then not 0.
@main
struct FolderFuzzer {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard let rounds = arguments.dropFirst().first.flatMap({ Int($0) }) else { return print("usage: FolderFuzzer ROUNDS [FIRST]") }
        let first = arguments.count > 2 ? Int(arguments[2]) ?? 0 : 0
        var folder = try FuzzedFolder(), served = try FuzzedServer()
        var counts = (read: 0, refused: 0, responses: [Int: Int](), faults: 0)
        for round in first..<first + rounds {
            let path = folder.prepare(round)
            resource_watch_begin("folder", round, 20)
            let faults: [String]
            if try served.load(path) {
                counts.read += 1
                served.generate()
                faults = served.answer { counts.responses[$0, default: 0] += 1 }
            } else {
                counts.refused += 1
                faults = []
            }
            _ = resource_watch_end()
            counts.faults += faults.count
            for fault in faults where counts.faults < 50 {
                print("round \(round): \(fault)")
                fflush(nil)
            }
        }
        let responses = counts.responses.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
        print("\(rounds) models, \(counts.read) read, \(counts.refused) rejected, responses: \(responses); \(counts.faults) faults")
        exit(counts.faults == 0 && (rounds < 100 || counts.read > 0 && counts.refused > 0) ? 0 : 1)
    }
}
