package import Autograd
import Glibc
package import Kernels
package import Model
package import Tokenize

/// The intermediate results of one forward pass, in plain arrays: what `slm explain` prints and Documentation/Learn explains.
///
///     let explanation = Explanation(of: ids, model, parameters, on: processor)
///     explanation.attention(layer: 0, head: 1)[3]              // weights of position 3 over positions 0…3
///     explanation.loss(at: 3)                                  // loss of token 4, in nats
package struct Explanation {
    package let ids: [TokenID]
    package let configuration: GPTConfiguration
    /// Token embedding plus position embedding.   [T][C]
    package let embeddings: [[Float]]
    /// Queries, keys and values of each layer, after rotary embedding and QK norm.   [L][T][(H + 2K)·D]
    package let qkv: [[[Float]]]
    /// Outputs of each layer's attention, all heads side by side.   [L][T][H·D]
    package let attended: [[[Float]]]
    /// What the head multiplies with its rows: the normalized output of the last block.   [T][C]
    package let features: [[Float]]
    /// [T][V]
    package let logits: [[Float]]

    /// Runs the model on `ids` in f32, without dropout.
    ///
    /// - Precondition: 1 … context ids.
    package init(of ids: [TokenID], _ model: GPT, _ parameters: Parameters, on processor: Processor) {
        let tape = Tape(processor, parameters: parameters)
        let recorder = RecordingExecutor(tape)
        let result = tape.withoutRecording { model.logits(of: tape.ids(ids, [1, ids.count]), on: recorder) }
        self.ids = ids
        configuration = model.configuration
        embeddings = recorder.embeddings
        qkv = recorder.qkv
        attended = recorder.attended
        features = recorder.lastLinearInput
        logits = result.rowsOfFloats
    }

    /// The part of a query, key or value vector that belongs to one head of queries.   [D]
    package func query(layer: Int, head: Int, at position: Int) -> [Float] { part(layer, position, from: head) }
    package func key(layer: Int, head: Int, at position: Int) -> [Float] {
        part(layer, position, from: configuration.heads + head / heads(layer).group)
    }
    package func value(layer: Int, head: Int, at position: Int) -> [Float] {
        part(layer, position, from: configuration.heads + configuration.keyValueHeads + head / heads(layer).group)
    }

    /// The first position that a position attends to.
    package func firstVisible(layer: Int, from position: Int) -> Int { max(0, position + 1 - (heads(layer).window ?? position + 1)) }

    /// Scores q·k/√D, soft-capped if the model does that, of a position with itself and all earlier positions; −∞ where a sliding window
    /// hides them.
    package func scores(layer: Int, head: Int, at position: Int) -> [Float] {
        let q = query(layer: layer, head: head, at: position), first = firstVisible(layer: layer, from: position)
        let heads = heads(layer)
        return (0...position).map { earlier in
            if earlier < first { return -.infinity }
            let score = zip(q, key(layer: layer, head: head, at: earlier)).reduce(0) { $0 + $1.0 * $1.1 } * heads.scale
            return heads.scoreCap.map { $0 * tanh(score / $0) } ?? score
        }
    }

    /// Attention weights: the softmax of ``scores(layer:head:at:)``, one row per position, each row summing to 1.
    package func attention(layer: Int, head: Int) -> [[Float]] {
        ids.indices.map { Self.softmax(scores(layer: layer, head: head, at: $0)) }
    }

    /// Probabilities of the next token after a position.   [V]
    package func probabilities(after position: Int) -> [Float] { Self.softmax(logits[position]) }

    /// The `count` most likely tokens after a position, best first; ties go to the smaller id.
    package func mostLikely(_ count: Int, after position: Int) -> [(id: TokenID, logit: Float, probability: Float)] {
        let p = probabilities(after: position)
        var keys = logits[position].enumerated().map { RankedToken($0, $1).key }
        keys.partitionSmallest(count)
        return keys.prefix(count).sorted().map { key in
            let id = RankedToken(key: key).id
            return (id, logits[position][Int(id)], p[Int(id)])
        }
    }

    /// −ln of the probability that the model gives to the token after `position`.
    package func loss(at position: Int) -> Float {
        let row = logits[position], largest = row.max() ?? 0
        let sum = row.reduce(0.0) { $0 + exp(Double($1 - largest)) }
        return Float(log(sum) + Double(largest) - Double(row[Int(ids[position + 1])]))
    }

    /// How many tokens the model finds more likely than the one that follows `position`.
    package func rank(at position: Int) -> Int {
        let target = logits[position][Int(ids[position + 1])]
        return logits[position].count { $0 > target }
    }

    /// exp(xᵢ) / Σ exp(xⱼ), summed in f64.
    package static func softmax(_ x: [Float]) -> [Float] {
        let largest = x.max() ?? 0, exponentials = x.map { exp(Double($0 - largest)) }
        let sum = exponentials.reduce(0, +)
        return exponentials.map { Float($0 / sum) }
    }

    private func heads(_ layer: Int) -> AttentionHeads { configuration.attentionHeads(of: layer) }

    /// The channels of the head at `index` among those of queries, keys and values.
    private func part(_ layer: Int, _ position: Int, from index: Int) -> [Float] {
        let D = configuration.headWidth
        return Array(qkv[layer][position][index * D..<(index + 1) * D])
    }
}

/// Runs a forward pass on a tape and copies what ``Explanation`` shows.
private final class RecordingExecutor: Executor {
    private let tape: Tape
    private(set) var embeddings: [[Float]] = []
    private(set) var qkv: [[[Float]]] = []
    private(set) var attended: [[[Float]]] = []
    /// The last linear layer of a forward pass is the head.
    private(set) var lastLinearInput: [[Float]] = []

    init(_ tape: Tape) { self.tape = tape }

    func embed(_ ids: Tensor, in table: Embedding, plus positions: Embedding?, documentStarts: Tensor?) -> Tensor {
        let x = tape.embed(ids, in: table, plus: positions, documentStarts: documentStarts)
        embeddings = x.rowsOfFloats
        return x
    }

    func causalAttention(_ qkv: Tensor, _ heads: AttentionHeads, layer: Int, sinks: Parameter?, documentStarts: Tensor?) -> Tensor {
        let y = tape.causalAttention(qkv, heads, layer: layer, sinks: sinks, documentStarts: documentStarts)
        self.qkv.append(qkv.rowsOfFloats)
        attended.append(y.rowsOfFloats)
        return y
    }

    func norm(_ x: Tensor, by norm: Norm) -> Tensor { tape.norm(x, by: norm) }

    func linear(_ x: Tensor, weight: Parameter, bias: Parameter?, then f: UnaryFunction, plus: Tensor?) -> Tensor {
        lastLinearInput = x.rowsOfFloats
        return tape.linear(x, weight: weight, bias: bias, then: f, plus: plus)
    }

    func applyRotaryEmbedding(_ qkv: Tensor, _ heads: AttentionHeads, _ positions: RotaryPositions) -> Tensor {
        tape.applyRotaryEmbedding(qkv, heads, positions)
    }
    func applyQKNorm(_ qkv: Tensor, _ heads: AttentionHeads, weight: Parameter?, epsilon: Float) -> Tensor {
        tape.applyQKNorm(qkv, heads, weight: weight, epsilon: epsilon)
    }
    func gatedActivation(_ x: Tensor, by f: UnaryFunction) -> Tensor { tape.gatedActivation(x, by: f) }
    func route(_ scores: Tensor, to experts: Experts) -> Routing { tape.route(scores, to: experts) }
    func rows(of group: Routing.Group, in x: Tensor) -> Tensor { tape.rows(of: group, in: x) }
    func weightedSum(of outputs: [Tensor], by routing: Routing, _ shape: Shape) -> Tensor {
        tape.weightedSum(of: outputs, by: routing, shape)
    }
    func add(_ a: Tensor, _ b: Tensor) -> Tensor { tape.add(a, b) }
    func multiply(_ x: Tensor, _ factors: Tensor) -> Tensor { tape.multiply(x, factors) }
    func scaleChannels(_ u: Tensor, of layer: LoRALayer, bias: Parameter?) -> Tensor { tape.scaleChannels(u, of: layer, bias: bias) }
    func scale(_ x: Tensor, by factor: Float) -> Tensor { tape.scale(x, by: factor) }
    func apply(_ f: UnaryFunction, to x: Tensor) -> Tensor { tape.apply(f, to: x) }
    func softCap(_ x: Tensor, at cap: Float) -> Tensor { tape.softCap(x, at: cap) }
    func dropout(_ x: Tensor, _ p: Float) -> Tensor { x }
    func addNoise(_ x: Tensor, limit: Float) -> Tensor { x }
    func recompute(_ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor { body(x) }
    func blockResult(_ layer: () -> Tensor) -> Tensor { layer() }
    func rowsNeedingLogits(_ x: Tensor) -> Tensor { x }
}

extension Tensor {
    /// The elements of a contiguous f32 tensor as rows along its last axis.
    fileprivate var rowsOfFloats: [[Float]] {
        let all = floats, C = shape[-1]
        return stride(from: 0, to: all.count, by: C).map { Array(all[$0..<$0 + C]) }
    }
}
