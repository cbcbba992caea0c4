import Autograd
import Kernels

/// A transformer block: attention, then an MLP, each with a norm before it (or after it, or both) and a residual connection around it.
///
/// The letters of the shapes are those of ``GPT``.
struct Block: Sendable {
    private let layer: Int
    private let isLast, isParallel: Bool
    private let dropout, residualScale: Float
    private let heads: AttentionHeads
    private let rotary: RotaryPositions?
    private let qkNorm: GPTConfiguration.QKNorm
    /// The heads that are normalized together.
    private let normalizedHeads: AttentionHeads
    private let qkNormWeight: Parameter?                              // [2, D], of queries and of keys
    private let normEpsilon: Float
    private let sinks: Parameter?                                     // [H]
    private let norm1, norm2: Norm?
    private let postNorm1, postNorm2: Norm?
    private let qkv, output: Linear                                   // C → (H + 2K)·D (queries, keys, values),  H·D → C
    private let mlp: MLP

    init(_ configuration: GPTConfiguration, layer: Int, in list: inout ParameterList) {
        let C = configuration.width
        let bias = configuration.hasBias
        let name = "layer\(layer)"
        self.layer = layer
        isLast = layer == configuration.layers - 1
        isParallel = configuration.isParallel
        dropout = configuration.dropout
        residualScale = configuration.residualScale
        heads = configuration.attentionHeads(of: layer)
        rotary = configuration.rotaryPositions(of: layer)
        qkNorm = configuration.qkNorm
        normalizedHeads = configuration.normalizedHeads
        normEpsilon = configuration.normEpsilon
        func norm(_ part: String, _ exists: Bool, _ list: inout ParameterList) -> Norm? {
            exists ? Norm(configuration, named: "\(name).\(part)", in: &list) : nil
        }
        norm1 = norm("norm1", configuration.hasPreNorms, &list)
        qkv = Linear(
            from: C, to: heads.rowWidth, parts: [heads.queryWidth, heads.keyWidth, heads.keyWidth],
            bias: bias || configuration.hasQKVBias, named: "\(name).qkv", in: &list, weight: .normal(deviation: 0.02))
        qkNormWeight = qkNorm == .scaled || qkNorm == .wholeRows
            ? list.add("\(name).qknorm.weight", [2, normalizedHeads.width], .constant(1), .norm) : nil
        sinks = configuration.hasAttentionSinks ? list.add("\(name).sinks.weight", [heads.queries], .constant(0), .norm) : nil
        output = Linear(
            from: heads.queryWidth, to: C, bias: bias, named: "\(name).output", in: &list, weight: .residual(layers: configuration.layers))
        postNorm1 = norm("postnorm1", configuration.hasPostNorms, &list)
        norm2 = norm("norm2", configuration.hasPreNorms, &list)
        mlp = MLP(configuration, named: name, in: &list)
        postNorm2 = norm("postnorm2", configuration.hasPostNorms, &list)
    }

    func callAsFunction(_ x: Tensor, documentStarts: Tensor?, on executor: some Executor) -> Tensor {
        var before = x                                                                                // [B, T, C]
        var attended = attention(normalized(x, norm1, on: executor), documentStarts, on: executor)    // [B, T, H·D]
        if isLast {
            // After the last attention no position reads another one: inference continues with the rows whose logits it needs.
            attended = executor.rowsNeedingLogits(attended)
            before = executor.rowsNeedingLogits(before)
        }
        let after = add(postNorm1, to: before, on: executor) { output(attended, on: executor, plus: $0) }            // [B, T, C]
        let down = mlp(normalized(isParallel ? before : after, norm2, on: executor), on: executor)
        return executor.blockResult { add(postNorm2, to: after, on: executor) { down($0) } }          // [B, T, C]
    }

    private func attention(_ x: Tensor, _ documentStarts: Tensor?, on executor: some Executor) -> Tensor {
        var qkv = self.qkv(x, on: executor)                                                           // [B, T, (H + 2K)·D]
        if let weight = qkNormWeight { qkv = executor.applyQKNorm(qkv, normalizedHeads, weight: weight, epsilon: normEpsilon) }
        if let rotary { qkv = executor.applyRotaryEmbedding(qkv, heads, rotary) }
        if qkNorm == .unit { qkv = executor.applyQKNorm(qkv, heads, weight: nil, epsilon: normEpsilon) }
        // [B, T, H·D]
        return executor.causalAttention(qkv, heads, layer: layer, sinks: sinks, documentStarts: documentStarts)
    }

    private func normalized(_ x: Tensor, _ norm: Norm?, on executor: some Executor) -> Tensor { norm?(x, on: executor) ?? x }

    /// x + dropout(norm(y)), where `layer` returns y, or y plus a tensor: in one pass over memory if nothing else is between them.
    private func add(_ norm: Norm?, to x: Tensor, on executor: some Executor, _ layer: (_ plus: Tensor?) -> Tensor) -> Tensor {
        if dropout == 0, norm == nil, residualScale == 1 { return layer(x) }
        var y = layer(nil)
        if let norm { y = norm(y, on: executor) }
        if residualScale != 1 { y = executor.scale(y, by: residualScale) }
        return executor.add(x, executor.dropout(y, dropout))
    }
}

/// The MLP of a block, or its experts.
private struct MLP: Sendable {
    private struct Expert: Sendable {
        let up, down: Linear                                          // C → F, or 2F (gates, values),  F → C
    }

    private let experts: [Expert]                                     // one without a router
    private let choice: Experts?
    private let router: Linear?                                       // C → E
    private let shared: Expert?                                       // with a width of its own
    private let sharedRouter: Linear?                                 // C → 1
    private let isGated: Bool
    private let activation: UnaryFunction

    init(_ configuration: GPTConfiguration, named name: String, in list: inout ParameterList) {
        let C = configuration.width, bias = configuration.hasBias, isGated = configuration.isGated
        func linear(_ part: String, _ rows: Int, bias: Bool, _ list: inout ParameterList) -> Linear {
            Linear(from: C, to: rows, bias: bias, named: "\(name).\(part)", in: &list, weight: .normal(deviation: 0.02), isAdaptable: false)
        }
        func expert(_ name: String, width F: Int, isAdaptable: Bool = true, _ list: inout ParameterList) -> Expert {
            let up = isGated ? [F, F] : [F]
            return Expert(
                up: Linear(from: C, to: up.reduce(0, +), parts: up, bias: bias, named: "\(name).up", in: &list,
                           weight: .normal(deviation: 0.02), isAdaptable: isAdaptable),
                down: Linear(from: F, to: C, bias: bias, named: "\(name).down", in: &list,
                             weight: .residual(layers: configuration.layers), isAdaptable: isAdaptable))
        }
        self.isGated = isGated
        activation = configuration.activation
        choice = configuration.experts
        let F = configuration.hiddenWidth
        router = choice.map { linear("router", $0.count, bias: bias, &list) }
        experts = choice.map { choice in
            (0..<choice.count).map { expert("\(name).expert\($0)", width: F, isAdaptable: false, &list) }
        } ?? [expert(name, width: F, &list)]
        shared = choice?.shared.map { expert("\(name).shared", width: $0.width, &list) }
        sharedRouter = choice?.shared?.hasGate == true ? linear("shared.router", 1, bias: false, &list) : nil
    }

    /// Runs all but the last operation, which the result of this function runs and adds to a tensor.
    func callAsFunction(_ x: Tensor, on executor: some Executor) -> (_ plus: Tensor?) -> Tensor {
        guard let choice, let router else {
            let hidden = hidden(experts[0], x, on: executor)                                          // [B, T, F]
            return { experts[0].down(hidden, on: executor, plus: $0) }                                // [B, T, C]
        }
        let routing = executor.route(router(x, on: executor), to: choice)
        let outputs = routing.groups.map { group in
            let expert = experts[group.expert], x = executor.rows(of: group, in: x)                   // [M, C]
            return expert.down(hidden(expert, x, on: executor), on: executor)                         // [M, C]
        }
        let shared = sharedResult(x, on: executor)
        return { plus in
            let sum = executor.weightedSum(of: outputs, by: routing, x.shape)                         // [B, T, C]
            let all = shared.map { executor.add(sum, $0) } ?? sum
            return plus.map { executor.add($0, all) } ?? all
        }
    }

    /// What the shared expert adds to each token.   [B, T, C]
    private func sharedResult(_ x: Tensor, on executor: some Executor) -> Tensor? {
        guard let shared else { return nil }
        let y = shared.down(hidden(shared, x, on: executor), on: executor)
        return sharedRouter.map { executor.multiply(y, $0(x, on: executor, then: .sigmoid)) } ?? y
    }

    private func hidden(_ expert: Expert, _ x: Tensor, on executor: some Executor) -> Tensor {
        if isGated { return executor.gatedActivation(expert.up(x, on: executor), by: activation) }
        return expert.up(x, on: executor, then: activation)
    }
}

extension Initialization {
    /// Radford et al. 2019: the more layers add to the residual stream, the smaller their initial weights.
    fileprivate static func residual(layers: Int) -> Initialization { .normal(deviation: 0.02 / Float(2 * layers).squareRoot()) }
}
