import Autograd
import Checkpoint
import Kernels
import Tokenize

/// A causal model as an embedding model: the vector of a text is the final hidden state of its last token, which sees all others.
///
///     let encoder = try CausalEncoder(of: checkpoint, on: processor, precision: .float32, context: 8_192)
///     let vectors = encoder.lastStates(of: [[9707, 151643], [14990, 11, 151643]])
///
/// The state of a text does not depend, bit for bit, on the other texts.
final class CausalEncoder {
    private let runner: ModelRunner
    /// For a text of any length, whose parts are computed one after the other.
    private let longCache: KVCache
    /// For short texts, which are computed together.
    private var shortCaches: [KVCache] = []

    /// The most tokens of one pass, so that activations should stay in the cache, and the most texts.
    private static let tokensPerPass = 1_024, textsPerPass = 16

    init(
        of checkpoint: Checkpoint, on processor: Processor, precision: WeightPrecision, context: Int
    ) throws(CheckpointError) {
        runner = try ModelRunner(of: checkpoint, on: processor, precision: precision, context: context, needsLogits: false)
        longCache = runner.makeKVCache()
    }

    /// The most tokens of a text, if there are no addresses for a cache of all that the model allows.
    var context: Int { runner.context }

    /// The size of the packed weights in bytes.
    var weightBytes: Int { runner.weightBytes }

    /// - Parameter texts: Each of at least one token, and at most as many as the context.
    func lastStates(of texts: [[TokenID]]) -> [[Float]] {
        require(texts.allSatisfy { !$0.isEmpty }, "a text without tokens has no last state")
        var states: [[Float]] = []
        while states.count < texts.count {
            if texts[states.count].count > Self.tokensPerPass {
                states.append(lastState(ofLong: texts[states.count]))
                continue
            }
            var segments: [ModelRunner.Segment] = [], tokens = 0
            for text in texts[states.count...].prefix(Self.textsPerPass) {
                tokens += text.count
                if tokens > Self.tokensPerPass { break }
                if segments.count == shortCaches.count { shortCaches.append(runner.makeKVCache(capacity: Self.tokensPerPass)) }
                segments.append(.init(shortCaches[segments.count], from: 0, ids: text))
            }
            states += rows(of: runner.hiddenStates(for: segments))
        }
        return states
    }

    private func lastState(ofLong text: [TokenID]) -> [Float] {
        defer { longCache.clear() }
        var state: [Float] = []
        for start in stride(from: 0, to: text.count, by: Self.tokensPerPass) {
            let part = Array(text[start..<min(start + Self.tokensPerPass, text.count)])
            state = rows(of: runner.hiddenStates(for: [.init(longCache, from: start, ids: part)]))[0]
        }
        return state
    }

    private func rows(of states: Tensor) -> [[Float]] {
        let (N, C) = states.shape.rows
        return states.elements.read { span in (0..<N).map { row in (row * C..<(row + 1) * C).map { span[$0] } } }
    }
}
