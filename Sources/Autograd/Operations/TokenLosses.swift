import Kernels

/// What each target that counts costs, in the order of the targets.
package struct TokenLosses: Sendable {
    /// −log of its probability.
    package var nats: [Float] = []
    /// Whether no token was likelier.
    package var isLikeliest: [Bool] = []

    package init() {}

    package var count: Int { nats.count }

    package static func += (a: inout TokenLosses, b: TokenLosses) {
        a.nats += b.nats
        a.isLikeliest += b.isLikeliest
    }
}

extension Tape {
    /// The cross-entropy of each target for itself, where nothing is to be learned. The rows of targets that do not count cost nothing.   x [.., C], W [V, C]
    ///
    ///     let tokenLosses = tape.withoutRecording { tape.linearTokenLosses(x, weight: head, targets: targets) }
    package func linearTokenLosses(_ x: Tensor, weight: Tensor, targets: Tensor, rows most: Int = 1_536) -> TokenLosses {
        require(!isRecording, "linearTokenLosses has no derivative: call it inside withoutRecording")
        let x = contiguous(x), (N, C) = x.shape.rows, V = weight.shape[0]
        require(weight.shape.rank == 2 && weight.shape[1] == C, "linearTokenLosses: \(x.shape) through a weight \(weight.shape)")
        require(targets.type == .int32 && targets.count == N && most > 0, "linearTokenLosses: targets \(targets.shape) for \(x.shape), \(most) rows at a time")
        let all = targets.ids, places = all.indices.filter { all[$0] >= 0 }
        var counted = x, wanted = targets
        if places.count < N {
            counted = empty([places.count, C], x.type)
            processor.embed(ids(places.map { Int32($0) }, [places.count]).elements, table: x.elements, C: C, plus: nil, period: 1, into: counted.elements)
            wanted = ids(places.map { all[$0] }, [places.count])
        }
        let losses = empty([places.count]), hits = empty([places.count], .int32)
        forEachChunk(of: counted, through: weight, atMost: most) { rows, _, scores, stride in
            processor.crossEntropy(scores, N: rows.count, V: V, stride: stride, targets: wanted.elements[rows], losses: losses.elements[rows],
                                   hits: hits.elements[rows], gradient: nil, scale: 0)
        }
        var result = TokenLosses()
        (result.nats, result.isLikeliest) = (losses.floats, hits.ids.map { $0 != 0 })
        return result
    }
}
