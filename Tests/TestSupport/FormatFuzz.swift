import Checkpoint
import Glibc
package import Kernels
import Formats

/// Damages files of a format and reads them. A round depends only on its number, so that a failure can be reproduced alone.
///
///     let fuzz = try FormatFuzz(.gguf, in: folder)
///     fuzz.prepare(17)
///     fuzz.read(on: processor)                                 // .refused("…/a.gguf is not a valid GGUF file: at byte 8 …")
package struct FormatFuzz {
    package enum Outcome: Equatable {
        case read, refused(String)
        /// A failure of the test: an error message without details, or a model larger than its file.
        case wrong(String)
    }

    private let format: FuzzedFormat
    private let seeds: [FuzzSeed]
    private let folder: TemporaryFolder
    private let adapterBase: Checkpoint?
    private var written: [String: [UInt8]] = [:], entry = ""
    /// The size of all files in the folder.
    package private(set) var byteCount = 0

    package init(_ format: FuzzedFormat, in folder: TemporaryFolder) throws {
        self.format = format
        seeds = try format.seeds()
        self.folder = folder
        adapterBase = format == .peft ? try FuzzedFormat.adapterBase() : nil
    }

    /// Writes a damaged model to the folder.
    package mutating func prepare(_ round: Int) {
        var mutator = Mutator(seed: UInt64(round) &+ 0x9E37, words: format.words.map { Array($0.utf8) })
        let seed = seeds[mutator.random.below(seeds.count)]
        var bytes = seed.bytes
        mutator.damage(&bytes, in: seed.range)
        put(seed.files.merging([seed.damaged: seed.whole(bytes)]) { $1 }, entry: seed.entry)
    }

    /// Writes a model to the folder.
    package mutating func put(_ files: [String: [UInt8]], entry: String) {
        for name in written.keys where files[name] == nil { unlink(folder(name)) }
        for (name, bytes) in files where written[name] != bytes { folder.write(bytes, to: name) }
        written = files
        byteCount = files.values.reduce(0) { $0 + $1.count }
        self.entry = entry.isEmpty ? folder.path : folder(entry)
    }

    package func read(on processor: Processor) -> Outcome {
        do {
            if let adapterBase {
                let adapter = try PEFT.read(entry, base: adapterBase, basePath: "", on: processor)
                let bytes = 4 * adapter.weights.elementCount
                return bytes <= 8 * byteCount + 4_096 ? .read : .wrong("\(bytes) bytes of A and B from \(byteCount) of files")
            }
            if format == .imatrix {
                guard let matrix = try ImportanceMatrix(at: entry) else { return .refused("it is another file") }
                _ = try matrix.statistics(for: FuzzedFormat.importanceModel)
                return .read
            }
            let model = try ImportedModel(reading: entry, on: processor), checkpoint = model.checkpoint
            if checkpoint.tokenizer != nil { _ = try checkpoint.vocabulary() }
            if let fault = model.tokenizerError, !hasDetails(fault) { return .wrong(fault) }
            let bytes = 4 * checkpoint.weights.elementCount
            return bytes <= 8 * byteCount + 4_096 ? .read : .wrong("\(bytes) bytes of weights from \(byteCount) of files")
        } catch {
            let message = "\(error)"
            return hasDetails(message) ? .refused(message) : .wrong(message)
        }
    }

    /// Whether a message says where the error is, what was expected and what was found.
    private func hasDetails(_ message: String) -> Bool {
        guard message.contains(folder.path) || message.contains("the checkpoint"), message.utf8.count < 2_000 else { return false }
        let others = ["is not a GGUF file: it is", "is in the format of PyTorch before 1.6", "cannot be read:"]
        return message.contains("expected ") && message.contains("found ") || others.contains { message.contains($0) }
    }
}
