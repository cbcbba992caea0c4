import Autograd
import Distributed
import Kernels
import Model
import Tokenize
import Train

/// The size of a new model when the time of its training is set and its size is not.
extension TrainOptions {
    /// So many tokens of training give `small` a lower loss than `tiny` has after the same time (Documentation/decisions/size.md).
    private static let tokensForSmall = 3_500_000.0

    /// Chooses the preset by how many tokens this machine trains `small` on in the time there is.
    mutating func choosePreset() throws {
        let setsModel = run.plan.has("recipe") || GPTConfiguration.settings.contains { $0.group == .model && run.plan.has($0.name) }
        guard preset == nil, resume == nil, !setsModel, case .seconds(let seconds)? = try run.length(for: "train") else { return }
        preset = "small"
        let ranks = Ranks.current, speed = try tokensPerSecond() * Double(ranks?.count ?? 1)
        let tokens = seconds * (ranks?.fromFirst(speed) ?? speed)
        if tokens < Self.tokensForSmall {
            preset = Self.defaultPreset
            run.opened = nil
        }
        if !run.json, Ranks.isFirst {
            // In a very short time: 0.0 million.
            func text(_ count: Double) -> String { count < 50_000 ? "\(Int(count))" : "\((count / 1e6).fixed(1)) million" }
            let reason = "in \(clockText(seconds)), this machine computes \(text(tokens)) tokens of small, which is better than tiny "
                + "from \(text(Self.tokensForSmall)) on"
            printLine("size     \(presetName): \(reason). Choose another with --preset NAME.")
        }
    }

    /// The speed of a training step of the preset on random tokens.
    private mutating func tokensPerSecond() throws -> Double {
        let configuration = try presetConfiguration
        let (plan, machine, processor, _) = try run.setup(plan(for: configuration), width: configuration.width)
        run.opened = (configuration.width, processor, machine)
        let trainer = Trainer(
            configuration, on: processor, precision: machine.precision, recomputesBlocks: machine.recomputesBlocks, seed: 1)
        if plan.optimizer == .muon { trainer.useMuon(rateRatio: 1) }
        let batch = Batch.random(rows: plan.batch, of: configuration)
        return Double(batch.inputs.count) / max(1e-9, trainer.estimatedStepSeconds(for: batch, clock: now))
    }
}
