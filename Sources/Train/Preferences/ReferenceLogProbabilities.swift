import Distributed
import Files
import Glibc

/// The log-probabilities of the answers by the reference model: the model before the first step.
///
/// They are computed once and stored with the run, because the weights change.
struct ReferenceLogProbabilities {
    /// One for each sequence.
    let values: [Double]

    private static let name = "reference.txt"
    private static let title = "slm reference log-probabilities 1"

    /// - Parameter progress: Called with the share that is done.
    init(
        of data: PreferenceData, _ objective: PreferenceObjective, by trainer: Trainer, over ranks: RankGroup?,
        progress: (_ share: Double) -> Void
    ) {
        if objective.isReferenceFree {
            values = Array(repeating: 0, count: data.sequences.count)
            return
        }
        let all = data.sequences.reduce(0) { $0 + $1.inputs.count }
        let found = data.logProbabilities(
            of: Array(data.sequences.indices), tokens: trainer.microBatchTokens, over: ranks,
            progress: { progress(Double($0) / Double(max(all, 1))) }, trainer.tokenLosses(of:))
        values = data.sequences.indices.map { found[$0] ?? .nan }
    }

    /// Reads the file that ``write(to:digest:)`` wrote. The first rank reads it for all.
    ///
    /// - Parameter digest: Identifies the data.
    init(in folder: String, digest: String, count: Int, over ranks: RankGroup?) throws {
        if let ranks {
            let own = ranks.isFirst ? try Self(in: folder, digest: digest, count: count, over: nil).values : []
            values = ranks.gather(own)[0]
            return
        }
        let path = folder + "/" + Self.name
        let lines = String(decoding: try InputFile.contents(of: path), as: UTF8.self).split(separator: "\n")
        guard lines.first.map(String.init) == "\(Self.title) \(digest)" else {
            throw PreferenceError.damagedReference(path: path, reason: "those of other data")
        }
        let values = lines.dropFirst().compactMap { Double($0) }.filter(\.isFinite)
        guard values.count == count, lines.count == count + 1 else {
            throw PreferenceError.damagedReference(path: path, reason: "\(values.count) numbers instead of \(count)")
        }
        self.values = values
    }

    /// One number per line, each with all of its digits.
    func write(to folder: String, digest: String) throws(FileError) {
        try AtomicFile.write("\(Self.title) \(digest)\n" + values.map { "\($0)\n" }.joined(), to: folder + "/" + Self.name)
    }
}
