package import Kernels

/// How a trained model is adapted by few numbers (Hu et al. 2021): of the layers that are named, W becomes W + (α/r)·B·A. A and B are learned, all else is frozen.
///
///     var list = ParameterList(adapting: LowRank(rank: 16, targets: ["qkv", "output"]))
///     let model = GPT(configuration, in: &list)                // its linear layers find in the list what they shall have
package struct LowRank: Sendable, Equatable {
    package var rank: Int
    package var alpha: Float
    /// The last part of the names of the layers, such as "qkv".
    package var targets: [String]

    package init(rank: Int, alpha: Float? = nil, targets: [String]) {
        require(rank > 0, "an adapter of rank \(rank)")
        (self.rank, self.alpha, self.targets) = (rank, alpha ?? Float(rank), targets)
    }

    /// What B·A is multiplied by.
    package var scale: Float { alpha / Float(rank) }
}

/// The change of one linear layer: (α/r)·B·A.
package struct LowRankPair: Sendable {
    /// What is changed.
    package let weight: Parameter                      // [O, I]
    package let a: Parameter                           // [R, I]
    package let b: Parameter                           // [O, R]; begins at 0, and so does the change
    package let scale: Float

    init(for weight: Parameter, of layer: String, _ shape: LowRank, in list: inout ParameterList) {
        let (O, I) = (weight.shape[0], weight.shape[1])
        (self.weight, scale) = (weight, shape.scale)
        a = list.addLearned("\(layer).lora_A", [shape.rank, I], .uniform(limit: 1 / Float(I).squareRoot()))
        b = list.addLearned("\(layer).lora_B", [O, shape.rank], .constant(0))
    }

    /// (α/r)·(x·Aᵀ)·Bᵀ + plus: two thin products, where B·A would be as large as W.
    func callAsFunction(_ x: Tensor, on executor: some Executor, plus: Tensor? = nil) -> Tensor {
        let low = executor.linear(x, weight: a, bias: nil, then: .identity, plus: nil)               // [.., R]
        return executor.linear(scale == 1 ? low : executor.scale(low, by: scale), weight: b, bias: nil, then: .identity, plus: plus)  // [.., O]
    }
}

extension Parameters {
    /// Adds `share` times the change that a pair makes to its weight; `values` are laid out as what is learned is.
    package func add(_ share: Float, of pair: LowRankPair, from values: Buffer) {
        let (O, I) = (pair.weight.shape[0], pair.weight.shape[1]), R = pair.a.shape[0]
        let b = processor.buffer(of: O * R, .float32)
        processor.copy(values[pair.b.range], into: b, scale: share * pair.scale)
        var product = Kernels.Product(of: Matrix(b, rows: O, columns: R), Matrix(values[pair.a.range], rows: R, columns: I),
                                      into: Matrix(frozenValues[pair.weight.range], rows: O, columns: I))
        product.accumulates = true
        processor.multiply(product, as: "adapter")
    }

    /// Begins as PiSSA does (Meng et al. 2024): B·A takes the greatest singular values of the weight, and the weight keeps the rest. Together they are what
    /// the weight was. Returns the values that were taken off, which whoever wants the same weights again needs; nil where a weight is not finite.
    ///
    /// - Parameter progress: told before each pair how many are done. Each takes as long as the cube of its smaller side.
    package func beginWithPrincipals(of pairs: [LowRankPair], progress: (_ done: Int) -> Void = { _ in }) throws(ProcessorError) -> Buffer? {
        let algebra = try LinearAlgebra(for: processor.path)
        for (i, pair) in pairs.enumerated() {
            progress(i)
            let (O, I) = (pair.weight.shape[0], pair.weight.shape[1]), R = min(pair.a.shape[0], min(O, I))
            let weight = frozenValues[pair.weight.range].read { span in span.indices.map { span[$0] } }
            guard let svd = algebra.singularValues(of: weight, rows: O, columns: I) else { return nil }
            // √(σ/scale) to each side; beyond the rank that there is, both are 0.
            let roots = (0..<R).map { (svd.values[$0] / pair.scale).squareRoot() }, k = min(O, I), width = pair.a.shape[0]
            values[pair.a.range].write { a in for r in 0..<width { for i in 0..<I { a[r * I + i] = r < R ? roots[r] * svd.right[r * I + i] : 0 } } }
            values[pair.b.range].write { b in for o in 0..<O { for r in 0..<width { b[o * width + r] = r < R ? roots[r] * svd.left[o * k + r] : 0 } } }
        }
        let principals = processor.buffer(of: values.count, .float32)
        principals.copy(from: values)
        for pair in pairs { add(-1, of: pair, from: principals) }
        return principals
    }
}
