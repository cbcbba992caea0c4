import Autograd
import Checkpoint
import Corpus
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
    /// Encodes chats to token files on all ranks of each machine. The first rank of a machine writes the files.
    ///
    /// - Parameters:
    ///   - identity: Names the chats and the settings. A rank that has others makes files of its own; the difference is reported later.
    ///   - isWritten: Whether the files exist already.
    ///   - encodePart: The work of the other ranks of the machine.
    ///   - write: Writes or finds the files, and returns their folder.
    ///   - open: Opens the files of a folder, which the first rank may delete afterwards.
    func encodingTogether<Result>(
        _ identity: String, isWritten: () throws -> Bool, encodePart: (SharedEncoding) throws -> Void,
        write: (SharedEncoding?) throws -> String, open: (_ folder: String) throws -> Result
    ) throws -> Result {
        guard let ranks = self else { return try open(write(nil)) }
        let all = ranks.gather(Array(identity.utf8))
        let members = ranks.hosts.indices.filter { ranks.hosts[$0] == ranks.hosts[ranks.rank] && all[$0] == all[ranks.rank] }
        let first = members[0]
        func path(_ own: String) -> String { String(decoding: ranks.gather(Array(own.utf8))[first], as: UTF8.self) }

        func result(in own: String) throws -> Result {
            let result = try open(path(own))
            ranks.wait()
            return result
        }

        if ranks.rank == first {
            guard try members.count > 1 && !isWritten() else {
                _ = path("")
                return try result(in: write(nil))
            }
            let pipes = try ScratchFolder()
            try SharedEncoding.createPipes(in: pipes.path, count: members.count)
            _ = path(pipes.path)
            return try result(in: write(SharedEncoding(0, of: members.count, in: pipes.path)))
        }
        let pipes = path("")
        if !pipes.isEmpty, let index = members.firstIndex(of: ranks.rank) {
            try encodePart(SharedEncoding(index, of: members.count, in: pipes))
        }
        return try result(in: "")
    }
}

extension Float: SharedResult {
    var numbers: [Double] { [Double(self)] }

    init(_ numbers: ArraySlice<Double>) { self = numbers.first.map { Float($0) } ?? .nan }
}

extension [Double]: SharedResult {
    var numbers: [Double] { self }
}

extension PreferenceMetrics: SharedResult {
    var numbers: [Double] {
        [lossSum, correct, chosenRewards, rejectedRewards, mismatchedLogRatios]
            + [examples, chosen, rejected, mismatched].map(Double.init)
    }

    init(_ numbers: ArraySlice<Double>) {
        self.init()
        let numbers = Array(numbers)
        lossSum = numbers[0]
        correct = numbers[1]
        chosenRewards = numbers[2]
        rejectedRewards = numbers[3]
        mismatchedLogRatios = numbers[4]
        examples = Int(numbers[5])
        chosen = Int(numbers[6])
        rejected = Int(numbers[7])
        mismatched = Int(numbers[8])
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

/// The result of an evaluation on text.
extension Evaluation: SharedResult {
    var numbers: [Double] { [nats, turnEndNats] + [targets, correct, bytes, turnEnds].map(Double.init) }

    init(_ numbers: ArraySlice<Double>) {
        self.init()
        let numbers = Array(numbers)
        nats = numbers[0]
        turnEndNats = numbers[1]
        targets = Int(numbers[2])
        correct = Int(numbers[3])
        bytes = Int(numbers[4])
        turnEnds = Int(numbers[5])
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
