import Checkpoint
import Glibc
package import Kernels
import Formats

/// Damages the files of a format, one round after the other, and reads them. A round is the same whenever it runs: what one finds is found
/// again alone.
///
///     let fuzz = try FormatFuzz(.gguf, in: folder)
///     fuzz.prepare(17)
///     fuzz.read(on: processor)                                 // .refused("…/a.gguf is no sound GGUF file: at byte 8 …")
package struct FormatFuzz {
    package enum Outcome: Equatable {
        case read, refused(String)
        /// What must not be: a sentence that does not say enough, or a model of more than its file.
        case wrong(String)
    }

    private let format: FuzzedFormat
    private let seeds: [FuzzSeed]
    private let folder: TemporaryFolder
    private var written: [String: [UInt8]] = [:], entry = ""
    /// Of what lies in the folder.
    package private(set) var byteCount = 0

    package init(_ format: FuzzedFormat, in folder: TemporaryFolder) throws {
        self.format = format
        seeds = try format.seeds()
        self.folder = folder
    }

    /// Puts a damaged model into the folder.
    package mutating func prepare(_ round: Int) {
        var mutator = Mutator(seed: UInt64(round) &+ 0x9E37, words: format.words.map { Array($0.utf8) })
        let seed = seeds[mutator.random.below(seeds.count)]
        var bytes = seed.bytes
        mutator.damage(&bytes, in: seed.range)
        put(seed.files.merging([seed.damaged: seed.whole(bytes)]) { $1 }, entry: seed.entry)
    }

    /// Puts a model into the folder as it is.
    package mutating func put(_ files: [String: [UInt8]], entry: String) {
        for name in written.keys where files[name] == nil { unlink(folder(name)) }
        for (name, bytes) in files where written[name] != bytes { folder.write(bytes, to: name) }
        written = files
        byteCount = files.values.reduce(0) { $0 + $1.count }
        self.entry = entry.isEmpty ? folder.path : folder(entry)
    }

    package func read(on processor: Processor) -> Outcome {
        do {
            let model = try ImportedModel(reading: entry, on: processor), checkpoint = model.checkpoint
            if checkpoint.tokenizer != nil { _ = try checkpoint.vocabulary() }
            if let fault = model.tokenizerError, !saysEnough(fault) { return .wrong(fault) }
            let bytes = 4 * checkpoint.weights.elementCount
            return bytes <= 8 * byteCount + 4_096 ? .read : .wrong("\(bytes) bytes of weights from \(byteCount) of files")
        } catch {
            let sentence = "\(error)"
            return saysEnough(sentence) ? .refused(sentence) : .wrong(sentence)
        }
    }

    /// Where, what was expected, and what was found.
    private func saysEnough(_ sentence: String) -> Bool {
        guard sentence.contains(folder.path) || sentence.contains("the checkpoint"), sentence.utf8.count < 2_000 else { return false }
        let others = ["is not a GGUF file: it is", "is in the format of PyTorch before 1.6", "cannot be read:"]
        return sentence.contains("expected ") && sentence.contains("found ") || others.contains { sentence.contains($0) }
    }
}
