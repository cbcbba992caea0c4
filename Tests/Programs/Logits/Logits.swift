import Autograd
import Checkpoint
import Files
import Glibc
import Kernels
import Model

/// What a checkpoint scores each token after each of some rows of ids, in f32, for peers to compare with theirs.
///
///     echo "3 1 4" | Logits CHECKPOINT          3 × V little-endian f32 numbers; a row of ids a line
@main
struct Logits {
    static func main() throws {
        guard CommandLine.arguments.count == 2 else { return print("usage: see Logits.swift") }
        let processor = try Processor(), (model, parameters) = try Checkpoint(reading: CommandLine.arguments[1]).model(on: processor)
        let tape = Tape(processor, parameters: parameters)
        while let line = readLine() {
            let ids = line.split(separator: " ").compactMap { Int32($0) }
            tape.reset()
            let scores = tape.withoutRecording { model.logits(of: tape.ids(ids, [1, ids.count]), on: tape) }.floats      // [1, T, V]
            guard writeAll(scores.withUnsafeBytes { Array($0) }, by: { write(STDOUT_FILENO, $0, $1) }) else { exit(1) }
        }
    }
}
