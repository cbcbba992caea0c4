import Autograd
import Checkpoint
package import Distributed
import Files
import Hashing
import Kernels
import Model

/// A result that ranks send to each other.
protocol SharedResult {
    var numbers: [Double] { get }
    init(_ numbers: ArraySlice<Double>)
}

extension RankGroup? {
    /// The results of `count` pieces of work, in order. Each piece is done by one of the ranks; without ranks, by this process.
    func shared<Result: SharedResult>(_ count: Int, _ work: (Int) throws -> Result) rethrows -> [Result] {
        guard let ranks = self else { return try (0..<count).map(work) }
        let all = ranks.gatherResults(try stride(from: ranks.rank, to: count, by: ranks.count).map(work))
        return (0..<count).map { all[$0 % ranks.count][$0 / ranks.count] }
    }
}

extension RankGroup {
    /// The results of all ranks, whose numbers may differ.
    func gatherResults<Result: SharedResult>(_ results: [Result]) -> [[Result]] {
        gather(results.flatMap { [Double($0.numbers.count)] + $0.numbers }).map { numbers in
            var rest = numbers[...], found: [Result] = []
            while let count = rest.popFirst() {
                found.append(Result(rest.prefix(Int(count))))
                rest = rest.dropFirst(Int(count))
            }
            return found
        }
    }
}

extension RankGroup? {
    /// Opens files that the first rank of each machine writes, on all of its ranks.
    ///
    /// - Parameters:
    ///   - identity: Names the files' sources and settings. A rank that has others writes files of its own; the difference is reported
    ///     later.
    ///   - write: Writes or finds the files for a number of ranks, and returns their folder.
    ///   - open: Opens the files of a folder, which the rank that has written them may delete afterwards.
    func writingOnce<Result>(
        _ identity: String, write: (_ ranks: Int) throws -> String, open: (_ folder: String) throws -> Result
    ) throws -> Result {
        guard let ranks = self else { return try open(write(1)) }
        let all = ranks.gather(Array(identity.utf8))
        let members = ranks.hosts.indices.filter { ranks.hosts[$0] == ranks.hosts[ranks.rank] && all[$0] == all[ranks.rank] }
        let own = try ranks.rank == members[0] ? write(members.count) : ""
        let result = try open(String(decoding: ranks.gather(Array(own.utf8))[members[0]], as: UTF8.self))
        ranks.wait()
        return result
    }
}

extension Float: SharedResult {
    var numbers: [Double] { [Double(self)] }

    init(_ numbers: ArraySlice<Double>) { self = numbers.first.map { Float($0) } ?? .nan }
}

extension [Double]: SharedResult {
    var numbers: [Double] { self }
}

/// A result that consists of sums.
protocol SummedResult: SharedResult {
    init()
    static var sums: [WritableKeyPath<Self, Double>] { get }
    static var counts: [WritableKeyPath<Self, Int>] { get }
}

extension SummedResult {
    mutating func addSums(of other: Self) {
        for path in Self.sums { self[keyPath: path] += other[keyPath: path] }
        for path in Self.counts { self[keyPath: path] += other[keyPath: path] }
    }

    var numbers: [Double] { Self.sums.map { self[keyPath: $0] } + Self.counts.map { Double(self[keyPath: $0]) } }

    init(_ numbers: ArraySlice<Double>) {
        self.init()
        for (path, sum) in zip(Self.sums, numbers) { self[keyPath: path] = sum }
        for (path, count) in zip(Self.counts, numbers.dropFirst(Self.sums.count)) { self[keyPath: path] = Int(count) }
    }
}

extension TokenLosses: SharedResult {
    var numbers: [Double] { zip(nats, isTopPrediction).flatMap { [Double($0), $1 ? 1 : 0] } }

    init(_ numbers: ArraySlice<Double>) {
        self.init()
        for i in stride(from: numbers.startIndex, to: numbers.endIndex, by: 2) {
            nats.append(Float(numbers[i]))
            isTopPrediction.append(numbers[i + 1] == 1)
        }
    }
}

extension RankGroup {
    /// Throws on all ranks if one runs another program.
    package func checkProgram(version: String) throws {
        let digest = Digest()
        let program = try MappedFile("/proc/self/exe")
        program.read(as: UInt8.self) { bytes in digest.add(bytes) }
        try check([("version of slm", "\(version), \(digest.text.prefix(8))")])
    }
}

extension TrainingRun {
    /// Throws on all ranks if one has other data, another plan or other kernels: then their sums would mean nothing.
    package func checkRanks() throws {
        guard let ranks else { return }
        let weights = Digest()
        trainer.parameters.values.read { span in
            for start in stride(from: 0, to: span.count, by: 1 << 16) {
                weights.add((start..<min(start + 1 << 16, span.count)).map { Int32(bitPattern: span[$0].bitPattern) })
            }
        }
        let configuration = Digest()
        configuration.add(Array("\(trainer.model.configuration)".utf8).span)
        try ranks.check(
            [
                ("data", dataIdentity ?? digestsOfChats), ("tokenizer", tokenizer.fingerprint),
            ] + plan.optionTexts + [("model", configuration.text), ("step of the checkpoint", "\(state.step)"), ("weights", weights.text)])
    }

    /// The digests of the chats of a fine-tuning run.
    private var digestsOfChats: String {
        let texts = extraFields.compactMap { name, value -> String? in
            if name.hasSuffix("digest"), case .text(let digest) = value { String(digest.prefix(16)) } else { nil }
        }
        return texts.isEmpty ? "none" : texts.joined(separator: ", ")
    }
}
