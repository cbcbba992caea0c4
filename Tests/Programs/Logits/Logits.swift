import Autograd
import Checkpoint
import Files
import Glibc
import Kernels
import Model

/// Prints the logits of a checkpoint in f32, for comparison with other implementations.
///
///     echo "3 1 4" | Logits CHECKPOINT          // one row of ids per line; prints 3 × V little-endian f32 numbers
@main
struct Logits {
    static func main() throws {
        guard CommandLine.arguments.count == 2 else { return print("usage: Logits CHECKPOINT < rows of token ids") }
        let processor = try Processor(), (model, parameters) = try Checkpoint(reading: CommandLine.arguments[1]).model(on: processor)
        let tape = Tape(processor, parameters: parameters)
        while let line = readLine() {
            let ids = line.split(separator: " ").compactMap { Int32($0) }
            tape.reset()
            let logits = tape.withoutRecording { model.logits(of: tape.ids(ids, [1, ids.count]), on: tape) }.floats      // [1, T, V]
            guard writeAll(logits.withUnsafeBytes { Array($0) }, by: { write(STDOUT_FILENO, $0, $1) }) else { exit(1) }
        }
    }
}
