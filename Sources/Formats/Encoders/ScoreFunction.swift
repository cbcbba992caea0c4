import Checkpoint
import Glibc
import JSON

/// What makes the score of a reranker out of its only logit.
package enum ScoreFunction: Sendable {
    /// Scores from 0 to 1.
    case sigmoid
    /// Scores are the logits.
    case identity

    /// Reads what sentence-transformers calls the activation of a cross-encoder, under the key of its version 4 or of those before.
    init(_ configuration: JSONElement, _ file: ImportedFile) throws(CheckpointError) {
        let name = configuration["sentence_transformers"]?["activation_fn"] ?? configuration["sbert_ce_default_activation_function"]
        guard let name = name?.string else {
            self = .sigmoid
            return
        }
        switch name.split(separator: ".").last {
        case "Identity"?: self = .identity
        case "Sigmoid"?: self = .sigmoid
        default: throw file.mismatch("activation_fn", "torch.nn.Identity or torch.nn.Sigmoid", String(name.prefix(100)).quoted)
        }
    }

    package func score(of logit: Float) -> Float { self == .sigmoid ? Self.probability(of: logit) : logit }

    /// From 0 to 1.
    package func probability(ofScore score: Float) -> Float { self == .sigmoid ? score : Self.probability(of: score) }

    private static func probability(of logit: Float) -> Float { 1 / (1 + exp(-logit)) }
}
