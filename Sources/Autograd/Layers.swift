package import Kernels

// A layer is a value that refers to its parameters and holds no weights, so the same layer runs on any executor.

/// y = f(x·Wᵀ + b). With LoRA, y = f(x·(W + (α/r)·B·A)ᵀ + b): see ``LoRAConfiguration``. With DoRA, y = f(m/‖V‖·x·Vᵀ + b).
///
///     let hidden = Linear(from: 2, to: 16, named: "hidden", in: &list)
///     let y = hidden(x, on: tape, then: .tanh)
package struct Linear: Sendable {
    package let weight: Parameter                      // [O, I]
    package let bias: Parameter?                       // [O]
    package let lora: LoRALayer?

    /// - Parameters:
    ///   - parts: The rows of the matrices that the weight stacks, such as those of queries, keys and values; by default one matrix.
    ///   - weight: The initialization of the weight; by default uniform in ±1/√I, as in PyTorch. The bias starts at 0.
    ///   - isAdaptable: Whether LoRA can adapt the layer.
    package init(
        from I: Int, to O: Int, parts: [Int]? = nil, bias: Bool = true, named name: String, in list: inout ParameterList,
        weight: Initialization? = nil, isAdaptable: Bool = true
    ) {
        let parts = parts ?? [O]
        require(parts.reduce(0, +) == O, "\(name): \(parts) are not \(O) rows")
        self.weight = list.add("\(name).weight", [O, I], weight ?? .uniform(limit: 1 / Float(I).squareRoot()), .linear(rows: parts))
        self.bias = bias ? list.add("\(name).bias", [O], .constant(0), .bias) : nil
        lora = isAdaptable ? list.addLoRA(to: self.weight, in: name) : nil
    }

    package func callAsFunction(_ x: Tensor, on executor: some Executor, then f: UnaryFunction = .identity, plus: Tensor? = nil) -> Tensor {
        let base = { (f: UnaryFunction, plus: Tensor?) in executor.linear(x, weight: weight, bias: bias, then: f, plus: plus) }
        guard let lora else { return base(f, plus) }
        if lora.magnitude != nil {
            let sum = executor.add(executor.linear(x, weight: weight, bias: nil, then: .identity, plus: nil), lora(x, on: executor))
            let u = executor.scaleChannels(sum, of: lora, bias: bias)
            let y = f == .identity ? u : executor.apply(f, to: u)
            return plus.map { executor.add($0, y) } ?? y
        }
        if let plus, f == .identity { return lora(x, on: executor, plus: base(.identity, plus)) }
        let u = executor.add(base(.identity, nil), lora(x, on: executor))
        let y = f == .identity ? u : executor.apply(f, to: u)
        return plus.map { executor.add($0, y) } ?? y
    }
}

/// y[i] = table[ids[i]]. With LoRA, a row of table + (α/r)·B·A.
package struct Embedding: Sendable {
    package let table: Parameter                       // [V, C]
    package let lora: LoRALayer?

    package init(
        of V: Int, to C: Int, named name: String, in list: inout ParameterList, weight: Initialization = .normal(deviation: 0.02)
    ) {
        table = list.add("\(name).weight", [V, C], weight)
        lora = list.addLoRA(to: table, in: name, isEmbedding: true)
    }

    init(table: Parameter) {
        self.table = table
        lora = nil
    }

    package func callAsFunction(
        _ ids: Tensor, plus positions: Embedding? = nil, documentStarts: Tensor? = nil, on executor: some Executor
    ) -> Tensor {
        let y = executor.embed(ids, in: self, plus: positions, documentStarts: documentStarts)
        return lora?.rows(of: ids, on: executor, plus: y) ?? y
    }
}

/// Layer norm or RMS norm with its scale and shift.
package struct Norm: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case layer, rms
    }

    package let kind: Kind
    package let weight: Parameter                      // [C]
    package let bias: Parameter?                       // [C]; RMS norm has none
    package let epsilon: Float

    package init(
        _ kind: Kind = .layer, of C: Int, bias: Bool = true, epsilon: Float = 1e-5, named name: String, in list: inout ParameterList
    ) {
        self.kind = kind
        self.epsilon = epsilon
        weight = list.add("\(name).weight", [C], .constant(1), .norm)
        self.bias = bias && kind == .layer ? list.add("\(name).bias", [C], .constant(0), .norm) : nil
    }

    package func callAsFunction(_ x: Tensor, on executor: some Executor) -> Tensor { executor.norm(x, by: self) }
}
