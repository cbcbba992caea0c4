import Autograd
package import Checkpoint
import Model

/// How fine-tuning makes a new LoRA adapter. Its checkpoint stores what follows from it: ``LoRAConfiguration``.
package struct AdapterSettings: Sendable {
    /// The initial weights: B = 0, or the largest singular values of the adapted matrix (PiSSA).
    package enum Initialization: String, CaseIterable, Sendable { case plain, pissa }

    /// nil to train the whole model.
    package var rank: Int?
    private var alpha: Float?
    private var isRankStabilized = false
    package var usesDoRA = false
    package var dropout: Float = 0
    /// nil for all linear layers.
    package var targets: String?
    package var initialization = Initialization.plain

    package init() {}

    /// Those of a run, which its checkpoint stores.
    ///
    /// - Parameter isRankStabilized: Whether α is that of a rank-stabilized adapter, which is √r times smaller than the stored one.
    package init(of adapter: LoRAAdapter?, isRankStabilized: Bool) {
        guard let adapter else { return }
        let shape = adapter.shape
        rank = shape.rank
        self.isRankStabilized = isRankStabilized
        // √r was rounded when it was multiplied by α.
        alpha = isRankStabilized ? (shape.alpha / Float(shape.rank).squareRoot() * 1e4).rounded() / 1e4 : shape.alpha
        usesDoRA = shape.usesDoRA
        dropout = shape.dropout
        targets = shape.targetNames.joined(separator: ",")
        initialization = adapter.initialization
    }

    /// α of an adapter whose scale is α/r: of a rank-stabilized one √r times the option. nil for the rank.
    package var scaledAlpha: Float? {
        guard isRankStabilized, let rank else { return alpha }
        return (alpha ?? Float(rank)) * Float(rank).squareRoot()
    }
}

extension LoRAAdapter {
    /// How it was initialized.
    package var initialization: AdapterSettings.Initialization { principals.count == 0 ? .plain : .pissa }
}

extension AdapterSettings: Configurable {
    private static let initial = AdapterSettings()
    package static let settings: [Setting<AdapterSettings>] = [
        .integer("lora", .fixed, .rank, \.rank, in: 1...65_536, "Train a LoRA adapter of rank N, in less than half the memory."),
        .number("lora-alpha", .fixed, .newAdapter, \.alpha, in: 0.001...1e6, "Scale the adapter by X / rank.", default: "the rank"),
        .flag("rslora", .fixed, .newAdapter, \.isRankStabilized, "Scale the adapter by X / √rank instead (rank-stabilized LoRA)."),
        .flag("dora", .fixed, .newAdapter, \.usesDoRA,
              "Train the norms of the adapted rows as well (DoRA): slower, closer to full fine-tuning."),
        .text("lora-targets", .fixed, .newAdapter, \.targets,
              "Adapt these of \(GPT.loraTargetNames.joined(separator: ",")); q, k and v are parts of qkv.",
              default: GPT.loraTargets.joined(separator: ",")),
        .number("lora-dropout", .fixed, .newAdapter, \.dropout, in: 0...0.99, "Drop this share of the adapter's inputs in training.",
                default: initial.dropout.defaultText),
        .choice("lora-init", .fixed, .newAdapter, \.initialization,
                "Initialize the adapter at zero, or with the largest singular values (PiSSA).", default: initial.initialization.rawValue),
    ]
}
