import Autograd
import Checkpoint
import Files
import Formats
import Glibc
import Infer
import Kernels
import Model

/// Prints the logits of a checkpoint, a Hugging Face folder or a GGUF file in f32, for comparison with other implementations.
///
///     echo "3 1 4" | Logits CHECKPOINT          // one row of ids per line; prints 3 × V little-endian f32 numbers
///     Logits CHECKPOINT batch                   // all rows together, padded, and the logits of each row without the padding
///     Logits CHECKPOINT cache                   // with KV caches: half of all rows together, then token after token
@main
struct Logits {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard (2...3).contains(arguments.count) else { return print("usage: Logits CHECKPOINT [batch | cache] < rows of token ids") }
        let processor = try Processor(), (model, parameters) = try ModelFile(arguments[1]).model(on: processor)
        guard arguments.count == 3 else {
            while let row = readRow() { write(logits(of: [row], model, parameters, processor)[0]) }
            return
        }
        var rows: [[Int32]] = []
        while let row = readRow() { rows.append(row) }
        let isCached = arguments[2] == "cache"
        let logits = isCached ? cachedLogits(of: rows, model, parameters, processor) : logits(of: rows, model, parameters, processor)
        logits.forEach(write)
    }

    private static func readRow() -> [Int32]? { readLine().map { $0.split(separator: " ").compactMap { Int32($0) } } }

    private static func write(_ logits: [Float]) {
        guard writeAll(logits.withUnsafeBytes { Array($0) }, by: { Glibc.write(STDOUT_FILENO, $0, $1) }) else { exit(1) }
    }

    private static func logits(of rows: [[Int32]], _ model: GPT, _ parameters: Parameters, _ processor: Processor) -> [[Float]] {
        let tape = Tape(processor, parameters: parameters), V = model.configuration.vocabulary
        let T = rows.map(\.count).max() ?? 0
        let padded = rows.flatMap { $0 + [Int32](repeating: 0, count: T - $0.count) }
        let all = tape.withoutRecording { model.logits(of: tape.ids(padded, [rows.count, T]), on: tape) }.floats       // [B, T, V]
        return rows.indices.map { Array(all[$0 * T * V..<($0 * T + rows[$0].count) * V]) }
    }

    private static func cachedLogits(of rows: [[Int32]], _ model: GPT, _ parameters: Parameters, _ processor: Processor) -> [[Float]] {
        let V = model.configuration.vocabulary, longest = rows.map(\.count).max()
        let runner = ModelRunner(of: model, parameters, on: processor, precision: .float32, context: longest)
        let caches = rows.map { _ in runner.makeKVCache() }
        var logits = rows.map { _ in [Float]() }, done = rows.map { _ in 0 }
        while let step = Optional(rows.indices.filter({ done[$0] < rows[$0].count })), !step.isEmpty {
            let counts = step.map { done[$0] == 0 ? (rows[$0].count + 1) / 2 : 1 }
            let segments = zip(step, counts).map { row, count in
                ModelRunner.Segment(caches[row], from: done[row], ids: Array(rows[row][done[row]..<done[row] + count]), logits: .all)
            }
            let floats = runner.logits(for: segments).floats
            var start = 0
            for (row, count) in zip(step, counts) {
                logits[row] += floats[start * V..<(start + count) * V]
                start += count
                done[row] += count
            }
        }
        return logits
    }
}
