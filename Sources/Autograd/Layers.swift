package import Kernels

// Layers are values: they hold where their parameters are, not the parameters. The same layer works on any executor.

/// y = f(x·Wᵀ + b), and where the list adapts it, y = f(x·(W + (α/r)·B·A)ᵀ + b): see ``LowRank``.
///
///     let hidden = Linear(from: 2, to: 16, named: "hidden", in: &list)
///     let y = hidden(x, on: tape, then: .tanh)
package struct Linear: Sendable {
    package let weight: Parameter                      // [O, I]
    package let bias: Parameter?                       // [O]
    package let change: LowRankPair?

    /// Without an initialisation of its own the weight is uniform in ±1/√I, as in PyTorch; the bias begins at 0.
    package init(from I: Int, to O: Int, bias: Bool = true, named name: String, in list: inout ParameterList, weight: Initialization? = nil) {
        self.weight = list.add("\(name).weight", [O, I], weight ?? .uniform(limit: 1 / Float(I).squareRoot()))
        self.bias = bias ? list.add("\(name).bias", [O], .constant(0)) : nil
        change = list.addChange(of: self.weight, in: name)
    }

    package func callAsFunction(_ x: Tensor, on executor: some Executor, then f: Function = .identity, plus: Tensor? = nil) -> Tensor {
        let layer = { (f: Function, plus: Tensor?) in executor.linear(x, weight: weight, bias: bias, then: f, plus: plus) }
        guard let change else { return layer(f, plus) }
        if let plus, f == .identity { return change(x, on: executor, plus: layer(.identity, plus)) }
        let u = executor.add(layer(.identity, nil), change(x, on: executor)), y = f == .identity ? u : executor.apply(f, to: u)
        return plus.map { executor.add($0, y) } ?? y
    }
}

/// y[i] = table[ids[i]]
package struct Embedding: Sendable {
    package let table: Parameter                       // [V, C]

    package init(of V: Int, to C: Int, named name: String, in list: inout ParameterList, weight: Initialization = .normal(deviation: 0.02)) {
        table = list.add("\(name).weight", [V, C], weight)
    }

    package func callAsFunction(_ ids: Tensor, plus positions: Embedding? = nil, on executor: some Executor) -> Tensor {
        executor.embed(ids, in: self, plus: positions)
    }
}

/// Layer norm or RMS norm, with what it scales and shifts by.
package struct Norm: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case layer, rms
    }

    package let kind: Kind
    package let weight: Parameter                      // [C]
    package let bias: Parameter?                       // [C]; RMS norm has none

    package init(_ kind: Kind = .layer, of C: Int, bias: Bool = true, named name: String, in list: inout ParameterList) {
        self.kind = kind
        weight = list.add("\(name).weight", [C], .constant(1))
        self.bias = bias && kind == .layer ? list.add("\(name).bias", [C], .constant(0)) : nil
    }

    package func callAsFunction(_ x: Tensor, on executor: some Executor) -> Tensor { executor.norm(x, by: self) }
}
