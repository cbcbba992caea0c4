package import Autograd
package import Kernels
package import Model
package import Tokenize

/// Runs the forward pass of a ``BERT`` over many texts at once, with packed weights.
///
///     let runner = BERTRunner(of: model, parameters, on: processor, precision: .float32)
///     let states = runner.hiddenStates(of: [[101, 7592, 102], [101, 2088, 102]])     // [6, C]
///
/// The tokens of all texts follow each other, [N, C], so that texts of different lengths need no padding. Only attention knows where a
/// text ends. The states of a text do not depend, bit for bit, on the other texts.
package final class BERTRunner {
    package let model: BERT
    package let processor: Processor
    private var weights: InferenceWeights
    /// The embedding of each position, with that of tokens of the first text; of a reranker, also with that of the second one.
    /// [context, C]
    private let positions: [Buffer?]
    private var distanceBias: DistanceBias?
    private var windowMask: WindowMask?
    private var rotaryAngles: [RotaryPositions: Buffer] = [:] // [context, D]

    /// The most scores of attention at the same time, which should stay in the cache; a block of a long text may have more.
    private static let mostScores = 1 << 20

    package init(of model: BERT, _ parameters: Parameters, on processor: Processor, precision: WeightPrecision) {
        self.model = model
        self.processor = processor
        weights = InferenceWeights(parameters, on: processor, precision: precision)
        let (T, C) = (model.configuration.context, model.configuration.width)
        let first = model.configuration.firstPosition * C
        var table: Buffer?
        if let embedding = model.positions { table = weights.value(of: embedding.table)[first..<first + T * C] }
        var types: Buffer?
        if let embedding = model.types { types = weights.value(of: embedding.table) }
        if let embedding = model.distances { distanceBias = DistanceBias(weights.value(of: embedding.table), model.configuration) }
        positions = (0..<(model.scoreHead == nil ? 1 : 2)).map { part in
            guard let types else { return table }
            let type = min(part, model.configuration.tokenTypes - 1), sum = processor.buffer(of: T * C, .float32)
            processor.combine(
                .add, shape: [1, 1, T, C], table ?? processor.zeros(T * C), strides: [0, 0, C, 1],
                types[type * C..<(type + 1) * C], strides: [0, 0, 0, 1], into: sum)
            return sum
        }
    }

    /// The size of the packed weights in bytes.
    package var weightBytes: Int { weights.packedBytes }

    /// The final hidden states of all tokens, text by text.   [N, C]
    ///
    /// - Parameter separator: The token that ends the first text of a pair: what follows it is the second text.
    package func hiddenStates(of texts: [[TokenID]], pairsEndingWith separator: TokenID? = nil) -> Tensor {
        weights.beginStep()
        let rows = Self.rows(of: texts), N = rows.last?.upperBound ?? 0
        let ids = processor.buffer(of: N, .int32)
        ids.writeIDs { span in
            for (text, rows) in zip(texts, rows) { for (n, id) in zip(rows, text) { span[n] = id } }
        }
        let firstCounts = texts.map { text in separator.flatMap { text.firstIndex(of: $0) }.map { $0 + 1 } ?? text.count }
        var x = embed(ids, rows, firstCounts)                                                         // [N, C]
        for block in model.blocks {
            let qkv = rotated(linear(norm(x, block.attentionNorm), block.qkv), rows, block.rotary)    // [N, 3C]
            let attended = attention(qkv, rows, reach: block.reach)                                   // [N, C]
            x = norm(linear(attended, block.output, plus: x), block.norm1)                            // [N, C]
            let hidden = hidden(norm(x, block.mlpNorm), block.up)                                     // [N, F]
            x = norm(linear(hidden, block.down, plus: x), block.norm2)                                // [N, C]
        }
        return norm(x, model.finalNorm)
    }

    /// The mean of each text's hidden states, or its first one, the vector of [CLS].   [texts, C]
    package func pooled(_ texts: [[TokenID]], isMean: Bool) -> Tensor { pooled(hiddenStates(of: texts), texts, isMean: isMean) }

    private func pooled(_ states: Tensor, _ texts: [[TokenID]], isMean: Bool) -> Tensor {
        let C = model.configuration.width, y = empty(texts.count, C)
        for (i, rows) in Self.rows(of: texts).enumerated() {
            let target = y.elements[i * C..<(i + 1) * C]
            if isMean {
                let part = states.elements[rows.lowerBound * C..<rows.upperBound * C]
                processor.sum(part, outer: 1, R: rows.count, inner: C, into: target, scale: 1 / Float(max(rows.count, 1)))
            } else {
                target.copy(from: states.elements[rows.lowerBound * C..<(rows.lowerBound + 1) * C])
            }
        }
        return y
    }

    /// The scores of pairs of texts, before any activation. The model has a head for it.   [pairs]
    package func scores(of pairs: [[TokenID]], endingWith separator: TokenID?) -> [Float] {
        guard let head = model.scoreHead, let score = model.configuration.score else { preconditionFailure("the model has no score") }
        let states = hiddenStates(of: pairs, pairsEndingWith: separator)
        let state = linear(pooled(states, pairs, isMean: score.isMean), head.pooler, then: score.activation)    // [pairs, C]
        let scores = linear(norm(state, head.norm), head.classifier)
        return scores.elements.read { span in pairs.indices.map { span[$0] } }
    }

    /// The rows of each text.
    private static func rows(of texts: [[TokenID]]) -> [Range<Int>] {
        var start = 0
        return texts.map { text in
            defer { start += text.count }
            return start..<start + text.count
        }
    }

    /// - Parameter firstCounts: The tokens of each text that belong to the first one of a pair.
    private func embed(_ ids: Buffer, _ rows: [Range<Int>], _ firstCounts: [Int]) -> Tensor {
        let C = model.configuration.width, context = model.configuration.context, y = empty(ids.count, C)
        for rows in rows { require(rows.count <= context, "a text of \(rows.count) tokens, in a context of \(context)") }
        if positions.allSatisfy({ $0 == nil }) {
            weights.embed(ids, in: model.tokens.table, plus: nil, into: y.elements)
        } else {
            for (rows, firstCount) in zip(rows, firstCounts) {
                for (part, table) in zip([0..<firstCount, firstCount..<rows.count], positions) where !part.isEmpty {
                    let rows = rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound
                    weights.embed(
                        ids[rows], in: model.tokens.table, plus: table.map { $0[part.lowerBound * C..<part.upperBound * C] },
                        into: y.elements[rows.lowerBound * C..<rows.upperBound * C])
                }
            }
        }
        return norm(y, model.norm)
    }

    private func linear(_ x: Tensor, _ layer: Linear, then f: UnaryFunction = .identity, plus: Tensor? = nil) -> Tensor {
        let N = x.shape.rows.N, y = empty(N, layer.weight.shape[0])
        processor.packedMatmul(
            x.elements, rows: N, by: weights.packed(layer.weight), bias: layer.bias.map { weights.value(of: $0) }, then: f,
            plus: plus?.elements, into: y.elements)
        return y
    }

    private func hidden(_ x: Tensor, _ up: Linear) -> Tensor {
        let f = model.configuration.activation
        guard model.configuration.isGated else { return linear(x, up, then: f) }
        let both = linear(x, up), y = empty(x.shape.rows.N, model.configuration.hiddenWidth)
        processor.gatedActivation(f, both.elements, N: x.shape.rows.N, F: model.configuration.hiddenWidth, into: y.elements)
        return y
    }

    /// Queries and keys with rotary positions, if the layer has them, from 0 in each text.   [N, 3C]
    private func rotated(_ qkv: Tensor, _ texts: [Range<Int>], _ positions: RotaryPositions?) -> Tensor {
        guard let positions else { return qkv }
        let heads = model.configuration.attentionHeads, (N, C) = qkv.shape.rows, D = heads.width, y = empty(N, C)
        let angles = rotaryAngles[positions] ?? processor.rotaryAngles(of: model.configuration.context, width: D, positions)
        rotaryAngles[positions] = angles
        for rows in texts where !rows.isEmpty {
            let part = rows.lowerBound * C..<rows.upperBound * C
            processor.rotate(
                qkv.elements[part], N: rows.count, C: C, heads: heads.positioned, D: D, by: angles[0..<rows.count * D],
                into: y.elements[part])
        }
        return y
    }

    /// x itself where the model has no norm.
    private func norm(_ x: Tensor, _ norm: Norm?) -> Tensor {
        guard let norm else { return x }
        let (N, C) = x.shape.rows, y = empty(N, C), statistics = processor.buffer(of: 2 * N, .float32)
        processor.norm(
            x.elements, N: N, C: C, scale: weights.value(of: norm.weight), shift: norm.bias.map { weights.value(of: $0) },
            into: y.elements, mean: statistics[0..<N], rstd: statistics[N..<2 * N], epsilon: norm.epsilon)
        return y
    }

    /// softmax(scale·q·kᵀ)·v of each head, among the positions of each text, or those within reach.   qkv [N, 3C]; y [N, C]
    private func attention(_ qkv: Tensor, _ texts: [Range<Int>], reach: Int?) -> Tensor {
        let heads = model.configuration.attentionHeads, y = empty(qkv.shape.rows.N, heads.queryWidth)
        let blocks = texts.flatMap { AttentionBlock.blocks(of: $0, heads: heads.queries, reach: reach) }
        var first = 0
        while first < blocks.count {
            // A few small blocks, or a large one.
            var end = first, scores = 0
            while end < blocks.count, end == first || scores + heads.queries * blocks[end].pairs <= Self.mostScores {
                scores += heads.queries * blocks[end].pairs
                end += 1
            }
            computeAttention(qkv.elements, heads, blocks[first..<end], into: y.elements, scores: processor.buffer(of: scores, .float32))
            first = end
        }
        return y
    }

    /// - Parameter scores: [blocks, H, Q, K], with the queries and keys of each block.
    private func computeAttention(
        _ qkv: Buffer, _ heads: AttentionHeads, _ blocks: ArraySlice<AttentionBlock>, into y: Buffer, scores: Buffer
    ) {
        let (H, D, width) = (heads.queries, heads.width, heads.rowWidth)
        var products: [Matmul] = [], sums: [Matmul] = [], start = 0
        for block in blocks {
            let (Q, K) = (block.queries.count, block.keys.count)
            for h in 0..<H {
                func part(_ rows: Range<Int>, _ offset: Int) -> Matrix {
                    let from = rows.lowerBound * width + offset + h * D
                    return Matrix(qkv[from..<qkv.count], rows: rows.count, columns: D, rowStride: width)
                }
                let from = block.queries.lowerBound * heads.queryWidth + h * D
                let p = Matrix(scores[start..<start + Q * K], rows: Q, columns: K), keys = part(block.keys, heads.queryWidth)
                start += Q * K
                var product = Matmul(of: part(block.queries, 0), keys.transposed, into: p)            // [Q, D]·[D, K] → [Q, K]
                product.scale = heads.scale
                products.append(product)
                let values = part(block.keys, heads.queryWidth + heads.keyWidth)
                sums.append(Matmul(
                    of: p, values,                                                                    // [Q, K]·[K, D] → [Q, D]
                    into: Matrix(y[from..<y.count], rows: Q, columns: D, rowStride: heads.queryWidth)))
            }
        }
        processor.run(products, as: "attention scores")
        var from = 0
        for block in blocks {
            let (Q, K) = (block.queries.count, block.keys.count), part = scores[from..<from + H * Q * K]
            if let reach = block.reach {
                let mask = windowMask ?? WindowMask(reach: reach, on: processor)
                windowMask = mask
                mask.add(to: part, of: block, heads: H, on: processor)
            } else {
                distanceBias?.add(to: part, of: block, on: processor)
            }
            processor.softmax(part, N: H * Q, C: K, into: part, logarithm: false)
            from += H * Q * K
        }
        processor.run(sums, as: "attention")
    }

    private func empty(_ N: Int, _ C: Int) -> Tensor { Tensor(processor.buffer(of: N * C, .float32), [N, C]) }
}
