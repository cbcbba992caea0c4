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
        var own: [Double] = []
        for i in stride(from: ranks.rank, to: count, by: ranks.count) {
            let numbers = try work(i).numbers
            own += [Double(numbers.count)] + numbers
        }
        var rests = ranks.gather(own).map { $0[...] }
        return (0..<count).map { i in
            let rank = i % ranks.count
            let length = Int(rests[rank].first ?? 0)
            rests[rank] = rests[rank].dropFirst()
            defer { rests[rank] = rests[rank].dropFirst(length) }
            return Result(rests[rank].prefix(length))
        }
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

/// Of an evaluation on text.
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
                ("data", dataIdentity ?? "none"), ("tokenizer", tokenizer.fingerprint),
            ] + plan.optionTexts + [("model", configuration.text), ("step of the checkpoint", "\(state.step)"), ("weights", weights.text)])
    }
}
