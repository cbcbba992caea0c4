package import Checkpoint
package import Model

/// A small model that a GGUF file can hold, with nonzero weights.
package struct SampleGGUF {
    package let checkpoint: Checkpoint

    package init(tied: Bool = false, _ change: (inout GPTConfiguration) -> Void = { _ in }) throws {
        var configuration = GPTConfiguration(layers: 2, heads: 2, width: 64, context: 96, vocabulary: 260)
        configuration.isTied = tied
        change(&configuration)
        checkpoint = try Checkpoint(configuration, seed: 11)
    }
}
