/// Soft targets for cross-entropy: each row expects several tokens, each with a weight.
///
/// Row n expects tokens[i] with weight weights[i] for starts[n] ≤ i < starts[n + 1]. A row counts as much as the sum of its weights.
package struct SoftTargets {
    let starts, tokens, weights: Buffer

    package init(starts: [Int32], tokens: [Int32], weights: [Float], on processor: Processor) {
        require(
            starts.first == 0 && starts.last.map { Int($0) } == tokens.count && tokens.count == weights.count
                && zip(starts, starts.dropFirst()).allSatisfy { $0 <= $1 },
            "soft targets: \(starts.count) starts, \(tokens.count) tokens, \(weights.count) weights")
        self.starts = processor.buffer(of: starts.count, .int32)
        self.tokens = processor.buffer(of: tokens.count, .int32)
        self.weights = processor.buffer(of: weights.count, .float32)
        self.starts.writeIDs { span in for i in span.indices { span[i] = starts[i] } }
        self.tokens.writeIDs { span in for i in span.indices { span[i] = tokens[i] } }
        self.weights.write { span in for i in span.indices { span[i] = weights[i] } }
    }

    package var rows: Int { starts.count - 1 }

    /// Whether all tokens are less than V.
    func isWithin(_ V: Int) -> Bool {
        tokens.readIDs { span in span.indices.allSatisfy { span[$0] >= 0 && span[$0] < V } }
    }
}
