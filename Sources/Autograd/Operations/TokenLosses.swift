import Kernels

/// The loss of each target that counts, in the order of the targets.
package struct TokenLosses: Sendable {
    /// Negative log-likelihoods.
    package var nats: [Float] = []
    /// Whether the target has the highest logit.
    package var isTopPrediction: [Bool] = []

    package init() {}

    package var count: Int { nats.count }

    package static func += (a: inout TokenLosses, b: TokenLosses) {
        a.nats += b.nats
        a.isTopPrediction += b.isTopPrediction
    }
}

extension Tape {
    /// The cross-entropy of each single target, without gradients. Rows whose target is negative are skipped.   x [.., C], W [V, C]
    ///
    ///     let tokenLosses = tape.withoutRecording { tape.linearTokenLosses(x, weight: head, targets: targets) }
    ///
    /// - Parameter weight: It may be quantized, and may be adapted.
    package func linearTokenLosses(
        _ x: Tensor, weight: Parameter, adapter: LoRALayer? = nil, softCap cap: Float? = nil, targets: Tensor, rows most: Int? = nil
    ) -> TokenLosses {
        require(!isRecording, "linearTokenLosses has no derivative: call it inside withoutRecording")
        let weight = matrix(of: weight), adapter = headAdapter(adapter, of: x), x = contiguous(x)
        let (N, C) = x.shape.rows
        let V = weight.shape[0]
        let most = most ?? Self.logitRows(of: V)
        require(weight.shape.rank == 2 && weight.shape[1] == C, "linearTokenLosses: \(x.shape) through a weight \(weight.shape)")
        require(
            targets.type == .int32 && targets.count == N && most > 0,
            "linearTokenLosses: targets \(targets.shape) for \(x.shape), \(most) rows at a time"
        )
        let counted = CountedRows(of: x, adapter, targets: targets, on: self)
        let losses = empty([counted.indices.count])
        let hits = empty([counted.indices.count], .int32)
        forEachChunk(of: counted.features, through: weight, counted.adapter, softCap: cap, atMost: most) { rows, _, logits, stride in
            processor.crossEntropy(
                logits, N: rows.count, V: V, stride: stride, targets: counted.targets.elements[rows], losses: losses.elements[rows],
                hits: hits.elements[rows], gradient: nil, scale: 0
            )
        }
        var result = TokenLosses()
        result.nats = losses.floats
        result.isTopPrediction = hits.ids.map { $0 != 0 }
        return result
    }
}
