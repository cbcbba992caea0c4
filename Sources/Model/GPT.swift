package import Autograd
import Kernels

/// A GPT: the only forward pass in the project.
///
///     var list = ParameterList()
///     let model = GPT(.eugpt, in: &list)
///     let tape = Tape(processor, parameters: try Parameters(list, on: processor, seed: 1))
///     let loss = model.loss(of: inputs, predicting: targets, on: tape)
///
/// B rows · T positions · C channels · H heads of D = C / H · V tokens. The margin says what each line leaves.
package struct GPT: Sendable {
    package let configuration: GPTConfiguration
    /// Whether the blocks are computed again on the way back, for a fraction of the memory.
    package var recomputesBlocks = false
    private let tokens: Embedding                             // [V, C]
    private let positions: Embedding?                         // [context, C], where they are learned
    private let blocks: [Block]
    private let norm: Norm
    private let head: Parameter                               // [V, C], the token embedding itself where tied

    package init(_ configuration: GPTConfiguration, in list: inout ParameterList) {
        let (C, V) = (configuration.width, configuration.vocabulary)
        require(configuration.positions != .rotary || configuration.headWidth % 2 == 0, "rotary positions for heads of \(configuration.headWidth) channels")
        self.configuration = configuration
        tokens = Embedding(of: V, to: C, named: "tokens", in: &list)
        positions = configuration.positions == .learned ? Embedding(of: configuration.context, to: C, named: "positions", in: &list) : nil
        blocks = (0..<configuration.layers).map { Block(configuration, layer: $0, in: &list) }
        norm = Norm(configuration.norm, of: C, bias: configuration.hasBias, named: "norm", in: &list)
        head = configuration.isTied ? tokens.table : list.add("head.weight", [V, C], .normal(deviation: 0.02))
    }

    /// How surprised the model is, on average, by each target that counts. Negative targets do not.   ids, targets [B, T]
    ///
    /// `count` is what the sum is divided by when this is only part of a larger batch.
    package func loss(of ids: Tensor, predicting targets: Tensor, count: Int? = nil, documents: Tensor? = nil, on tape: Tape) -> Tensor {
        let x = features(of: ids, documents: documents, on: tape)                                     // [B, T, C]
        return tape.linearCrossEntropy(x, weight: tape.value(of: head), targets: targets, count: count)  // []; the [B, T, V] in between is never whole
    }

    /// The same for each target that counts, in their order, and whether it was the likeliest. Nothing is remembered.   ids, targets [B, T]
    package func tokenLosses(of ids: Tensor, predicting targets: Tensor, documents: Tensor? = nil, on tape: Tape) -> TokenLosses {
        tape.withoutRecording {
            tape.linearTokenLosses(features(of: ids, documents: documents, on: tape), weight: tape.value(of: head), targets: targets)
        }
    }

    /// A score for every token of the vocabulary to come next, at every position.   ids [B, T]
    package func logits(of ids: Tensor, documents: Tensor? = nil, on executor: some Executor) -> Tensor {
        let x = features(of: ids, documents: documents, on: executor)                                 // [B, T, C]
        return executor.linear(x, weight: head, bias: nil, then: .identity, plus: nil)                // [B, T, V]
    }

    private func features(of ids: Tensor, documents: Tensor?, on executor: some Executor) -> Tensor {
        require(ids.shape.rank == 2 && ids.shape[1] <= configuration.context, "ids \(ids.shape) for a model that sees \(configuration.context) tokens")
        var x = tokens(ids, plus: positions, on: executor)                                            // [B, T, C]
        x = executor.dropout(x, configuration.dropout)
        for block in blocks {
            let think = { (x: Tensor) in block(x, documents: documents, on: executor) }
            x = recomputesBlocks ? executor.checkpoint(x, think) : think(x)                           // [B, T, C]
        }
        return norm(executor.wanted(x), on: executor)         // [B, T, C]
    }
}

/// Each position asks the ones before it, then thinks alone.
private struct Block: Sendable {
    let layer, heads: Int
    let isLast: Bool
    let dropout: Float
    let activation: Function
    let turns, hasQKNorm: Bool
    let norm1, norm2: Norm
    let qkv, output: Linear                                   // C → 3C question, key, value;  C → C
    let up, down: Linear                                      // C → 4C → C

    init(_ configuration: GPTConfiguration, layer: Int, in list: inout ParameterList) {
        let C = configuration.width, bias = configuration.hasBias, name = "layer\(layer)"
        (self.layer, heads, dropout, activation) = (layer, configuration.heads, configuration.dropout, configuration.activation)
        isLast = layer == configuration.layers - 1
        (turns, hasQKNorm) = (configuration.positions == .rotary, configuration.hasQKNorm)
        // Radford et al. 2019: what is added to the residual stream begins smaller, the more layers add to it.
        let added = Initialization.normal(deviation: 0.02 / Float(2 * configuration.layers).squareRoot())
        norm1 = Norm(configuration.norm, of: C, bias: bias, named: "\(name).norm1", in: &list)
        qkv = Linear(from: C, to: 3 * C, bias: bias, named: "\(name).qkv", in: &list, weight: .normal(deviation: 0.02))
        output = Linear(from: C, to: C, bias: bias, named: "\(name).output", in: &list, weight: added)
        norm2 = Norm(configuration.norm, of: C, bias: bias, named: "\(name).norm2", in: &list)
        up = Linear(from: C, to: 4 * C, bias: bias, named: "\(name).up", in: &list, weight: .normal(deviation: 0.02))
        down = Linear(from: 4 * C, to: C, bias: bias, named: "\(name).down", in: &list, weight: added)
    }

    func callAsFunction(_ x: Tensor, documents: Tensor?, on executor: some Executor) -> Tensor {
        var question = qkv(norm1(x, on: executor), on: executor)                                             // [B, T, 3C]
        if turns { question = executor.rotate(question, heads: heads) }                                      // [B, T, 3C]
        if hasQKNorm { question = executor.normHeads(question, heads: heads) }                               // [B, T, 3C]
        var answer = executor.attend(question, heads: heads, layer: layer, documents: documents), x = x      // [B, T, C]
        // Nobody asks for more of the last block than what scores are wanted of.
        if isLast { (answer, x) = (executor.wanted(answer), executor.wanted(x)) }
        x = add(output, of: answer, to: x, on: executor)                                                     // [B, T, C]
        let thought = up(norm2(x, on: executor), on: executor, then: activation)                             // [B, T, 4C]
        return add(down, of: thought, to: x, on: executor)                                                   // [B, T, C]
    }

    /// x + dropout(layer(y)); without dropout in one pass.
    private func add(_ layer: Linear, of y: Tensor, to x: Tensor, on executor: some Executor) -> Tensor {
        dropout == 0 ? layer(y, on: executor, plus: x) : executor.add(x, executor.dropout(layer(y, on: executor), dropout))
    }
}
