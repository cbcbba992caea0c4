package import Kernels

// Layers are values: they hold where their parameters are, not the parameters. The same layer works on any tape.

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

    package func callAsFunction(_ x: Tensor, on tape: Tape, then f: Function = .identity, plus: Tensor? = nil) -> Tensor {
        let (w, b) = (tape.value(of: weight), bias.map(tape.value))
        guard let change else { return tape.linear(x, weight: w, bias: b, then: f, plus: plus) }
        if let plus, f == .identity { return change(x, on: tape, plus: tape.linear(x, weight: w, bias: b, plus: plus)) }
        let u = tape.add(tape.linear(x, weight: w, bias: b), change(x, on: tape)), y = f == .identity ? u : tape.apply(f, to: u)
        return plus.map { tape.add($0, y) } ?? y
    }
}

/// y[i] = table[ids[i]]
package struct Embedding: Sendable {
    package let table: Parameter                       // [V, C]

    package init(of V: Int, to C: Int, named name: String, in list: inout ParameterList, weight: Initialization = .normal(deviation: 0.02)) {
        table = list.add("\(name).weight", [V, C], weight)
    }

    package func callAsFunction(_ ids: Tensor, on tape: Tape) -> Tensor { tape.embed(ids, in: tape.value(of: table)) }
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

    package func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
        switch kind {
        case .layer: tape.layerNorm(x, scale: tape.value(of: weight), shift: bias.map(tape.value))
        case .rms: tape.rmsNorm(x, scale: tape.value(of: weight))
        }
    }
}
