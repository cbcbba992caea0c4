import Checkpoint

/// The losses of an evaluation by conversation, to compare it with another one of the same held-out data.
///
/// A set of more than 64 conversations or pieces of text is summed up in 64 groups, so that a checkpoint stays small.
package struct LossSamples: Sendable, Equatable {
    private static let mostGroups = 64
    /// The sums of the losses, and the numbers of targets.
    private let nats, targets: [Double]

    init(_ pieces: [Evaluation]) {
        let counted = pieces.filter { $0.targets > 0 }
        let groups = min(counted.count, Self.mostGroups)
        let sums = (0..<groups).map { group in
            counted[group * counted.count / groups..<(group + 1) * counted.count / groups].reduce(into: Evaluation(), +=)
        }
        nats = sums.map(\.nats)
        targets = sums.map { Double($0.targets) }
    }

    /// The mean loss per target minus that of another evaluation; nil if it was of other data.
    func difference(from other: LossSamples) -> PairedDifference? {
        if targets != other.targets { return nil }
        return PairedDifference(zip(nats, other.nats).map { $0 - $1 }, per: targets)
    }
}

extension LossSamples {
    func write(to values: inout OrderedDictionary<CheckpointValue>, _ name: String) {
        values["\(name)_nats"] = .numbers(nats)
        values["\(name)_targets"] = .numbers(targets)
    }

    /// nil if the checkpoint has none.
    init?(from checkpoint: Checkpoint, _ name: String) throws(CheckpointError) {
        guard checkpoint.training["\(name)_nats"] != nil else { return nil }
        nats = try checkpoint.numbers("\(name)_nats")
        targets = try checkpoint.numbers("\(name)_targets")
        func mismatch(_ field: String, _ expected: String, _ found: String) -> CheckpointError {
            .mismatch(path: checkpoint.name, name: "training/\(name)_\(field)", expected: expected, found: found)
        }
        guard nats.count <= Self.mostGroups else { throw mismatch("nats", "at most \(Self.mostGroups) sums", "\(nats.count)") }
        guard nats.count == targets.count else { throw mismatch("targets", "\(nats.count) numbers", "\(targets.count)") }
        if let sum = nats.first(where: { !$0.isFinite }) { throw mismatch("nats", "sums of losses", "\(sum)") }
        if let count = targets.first(where: { !$0.isFinite || $0 < 1 }) { throw mismatch("targets", "numbers from 1", "\(count)") }
    }
}
