package import Kernels

/// Low-rank adaptation (LoRA, Hu et al. 2021): in the target layers, W becomes W + (α/r)·B·A.
///
/// Only A and B are trained; all other weights are frozen.
///
///     var list = ParameterList(lora: LoRAConfiguration(rank: 16, targets: ["qkv", "output"]))
///     let model = GPT(configuration, in: &list)                // its linear layers get A and B from the list
package struct LoRAConfiguration: Sendable, Equatable {
    package var rank: Int
    package var alpha: Float
    /// The last part of the names of the layers to adapt, such as "qkv".
    package var targets: [String]
    /// The blocks of layers that do not have one pair of matrices of rank `rank`, by the name of the layer or its last part. A layer
    /// with no blocks is not adapted.
    package var blocks: [String: [LoRABlock]] = [:]
    /// The share of the inputs of A that are dropped in training; those of W are not.
    package var dropout: Float = 0
    /// Whether the rows of W + (α/r)·B·A have trained norms (DoRA, Liu et al. 2024).
    package var usesDoRA = false
    /// The names of layers that are trained as a whole instead, such as "norm" or "head".
    package var wholeLayers: [String] = []
    /// The tokens that the vocabulary has in addition to the base's; nil if there are none.
    package var addedTokens: AddedTokens?

    /// - Parameter alpha: α; the rank by default, so that the scale is 1.
    package init(rank: Int, alpha: Float? = nil, targets: [String]) {
        require(rank > 0, "expected a LoRA rank above 0, found \(rank)")
        self.rank = rank
        self.alpha = alpha ?? Float(rank)
        self.targets = targets
    }

    /// α/r, the factor of B·A.
    package var scale: Float { alpha / Float(rank) }

    /// The blocks of a layer; nil if it has one pair of matrices of rank `rank`.
    package func blocks(of layer: String) -> [LoRABlock]? { blocks[layer] ?? blocks[Self.target(of: layer)] }

    /// Whether a parameter, such as "layer3.norm1.weight", belongs to a layer that is trained as a whole.
    package func trainsWhole(_ parameter: String) -> Bool {
        wholeLayers.contains { parameter.hasPrefix($0 + ".") && !parameter.dropFirst($0.count + 1).contains(".") }
    }

    /// The first row of a parameter that is trained; 0 if all of them are.
    package func firstTrainedRow(of parameter: String) -> Int {
        guard let addedTokens, addedTokens.contains(parameter), trainsWhole(parameter) else { return 0 }
        return addedTokens.firstTrained
    }

    /// The last part of a layer's name: "qkv" of "layer3.qkv".
    package static func target(of layer: String) -> String { layer.split(separator: ".").last.map(String.init) ?? layer }
}

/// The tokens that an adapter adds to the vocabulary of its base: its embedding and head are whole layers, with more rows.
package struct AddedTokens: Sendable, Equatable {
    /// The number of rows in the base.
    package var baseRows: Int
    /// The first row that is trained. Those before stay as they are in the base.
    package var firstTrained: Int
    /// The layers with a row for each token.
    package var layers: [String]

    package init(baseRows: Int, firstTrained: Int, layers: [String]) {
        self.baseRows = baseRows
        self.firstTrained = firstTrained
        self.layers = layers
    }

    /// Whether a parameter has a row for each token.
    package func contains(_ parameter: String) -> Bool { layers.contains { "\($0).weight" == parameter } }
}

/// Rows of an adapted layer that have A and B of their own.
///
/// An adapter of another program can adapt queries, keys and values, or the gates and values of an MLP, separately, which are one layer in
/// slm. Its matrices are then stacked: A = [A₁; A₂; …], and B is block diagonal. The numbers of B outside of the blocks are 0, and stay
/// 0 in training.
package struct LoRABlock: Sendable, Equatable {
    package var rows: Int
    /// The number of rows of A, and columns of B, that belong to the block; 0 if these rows of the layer are not adapted.
    package var rank: Int

    package init(rows: Int, rank: Int) {
        self.rows = rows
        self.rank = rank
    }
}

/// The matrices A and B of one adapted linear layer, or of an embedding.
package struct LoRALayer: Sendable {
    /// Such as "layer3.qkv". A head that is tied to the embedding has the same weight, but is a layer of its own.
    package let name: String
    /// The frozen weight W.
    package let weight: Parameter                      // [O, I]
    package let a: Parameter                           // [R, I]; of an embedding Aᵀ [I, R], which follows the lookup in B
    package let b: Parameter                           // [O, R]; starts at 0, so the adapted layer starts as W
    /// The norms of the rows with DoRA; nil without.
    package let magnitude: Parameter?                  // [O]
    package let scale: Float
    package let dropout: Float
    package let isEmbedding: Bool
    /// One block for each part of the layer that has A and B of its own; usually one.
    package let blocks: [LoRABlock]

    /// nil if no rows of the layer are adapted.
    init?(
        for weight: Parameter, of layer: String, isEmbedding: Bool, _ configuration: LoRAConfiguration, in list: inout ParameterList
    ) {
        let O = weight.shape[0]
        let I = weight.shape[1]
        name = layer
        self.weight = weight
        self.isEmbedding = isEmbedding
        scale = configuration.scale
        dropout = configuration.dropout
        blocks = configuration.blocks(of: layer) ?? [LoRABlock(rows: O, rank: configuration.rank)]
        let R = blocks.reduce(0) { $0 + $1.rank }
        guard R > 0 else { return nil }
        // As PEFT initializes them.
        a = isEmbedding
            ? list.addTrainable("\(layer).lora_A", [I, R], .normal(deviation: 1))
            : list.addTrainable("\(layer).lora_A", [R, I], .uniform(limit: 1 / Float(I).squareRoot()))
        b = list.addTrainable("\(layer).lora_B", [O, R], .constant(0))
        magnitude = configuration.usesDoRA ? list.addTrainable("\(layer).lora_magnitude", [O], .constant(1), .norm) : nil
    }

    /// The rows and columns of B that each block with a rank has.
    package var blockRanges: [(rows: Range<Int>, columns: Range<Int>)] {
        var row = 0, column = 0
        return blocks.map { block in
            defer {
                row += block.rows
                column += block.rank
            }
            return (row..<row + block.rows, column..<column + block.rank)
        }
    }

    /// Sets the numbers of a matrix like B to 0 outside of the blocks.
    func clearOutsideBlocks(of matrix: Buffer) {
        guard blocks.count > 1 else { return }
        let R = b.shape[1]
        matrix.write { span in
            for (rows, columns) in blockRanges {
                for row in rows { for column in 0..<R where !columns.contains(column) { span[row * R + column] = 0 } }
            }
        }
    }

    /// (α/r)·(x·Aᵀ)·Bᵀ + plus: two thin matmuls, because B·A would be as large as W.
    package func callAsFunction(_ x: Tensor, on executor: some Executor, plus: Tensor? = nil) -> Tensor {
        executor.linear(low(x, on: executor), weight: b, bias: nil, then: .identity, plus: plus)     // [.., O]
    }

    /// (α/r)·dropout(x)·Aᵀ
    func low(_ x: Tensor, on executor: some Executor) -> Tensor {
        let x = dropout > 0 ? executor.dropout(x, dropout) : x
        let low = executor.linear(x, weight: a, bias: nil, then: .identity, plus: nil)               // [.., R]
        return scale == 1 ? low : executor.scale(low, by: scale)                                     // [.., R]
    }

    /// (α/r)·B[ids]·A + plus, the change of the rows of an embedding.
    func rows(of ids: Tensor, on executor: some Executor, plus: Tensor) -> Tensor {
        let low = executor.embed(ids, in: Embedding(table: b), plus: nil, documentStarts: nil)       // [.., R]
        let scaled = scale == 1 ? low : executor.scale(low, by: scale)                               // [.., R]
        return executor.linear(scaled, weight: a, bias: nil, then: .identity, plus: plus)            // [.., I]
    }
}

extension Parameters {
    /// Adds `factor`·(α/r)·B·A to the frozen weight of a layer.
    ///
    /// - Parameter values: A and B, in a buffer laid out like the trainable parameters.
    package func addLoRA(_ layer: LoRALayer, scaledBy factor: Float, from values: Buffer) {
        let O = layer.weight.shape[0]
        let I = layer.weight.shape[1]
        let R = layer.b.shape[1]
        let b = processor.buffer(of: O * R, .float32)
        processor.copy(values[layer.b.range], into: b, scale: factor * layer.scale)
        let a = Matrix(values[layer.a.range], rows: layer.a.shape[0], columns: layer.a.shape[1])
        var matmul = Matmul(
            of: Matrix(b, rows: O, columns: R), layer.isEmbedding ? a.transposed : a,
            into: Matrix(frozenValues[layer.weight.range], rows: O, columns: I)
        )
        matmul.accumulates = true
        processor.run(matmul, as: "adapter")
    }

    /// Initializes A and B with PiSSA (Meng et al. 2024).
    ///
    /// B·A takes the largest singular values of the weight, and the frozen weight keeps the rest. Each layer takes time cubic in its
    /// smaller side, none of which may be an embedding.
    ///
    /// - Parameter progress: Called before each layer with the number of layers that are done.
    /// - Returns: The initial A and B, which are needed to restore the original weights; nil if a weight is not finite.
    package func initializeWithPiSSA(
        of layers: [LoRALayer], progress: (_ done: Int) -> Void = { _ in }
    ) throws(ProcessorError) -> Buffer? {
        let algebra = try LinearAlgebra(for: processor.instructionSet)
        for (i, layer) in layers.enumerated() {
            progress(i)
            require(!layer.isEmbedding, "PiSSA of an embedding: \(layer.name)")
            let O = layer.weight.shape[0]
            let I = layer.weight.shape[1]
            let width = layer.a.shape[0]
            let k = min(O, I)
            let R = min(width, k)
            let weight = frozenValues[layer.weight.range].read { span in span.indices.map { span[$0] } }
            guard let svd = algebra.singularValueDecomposition(of: weight, rows: O, columns: I) else { return nil }
            // √(σ/scale) goes to each side. Where the configured rank exceeds the rank of the weight, both sides are 0.
            let roots = (0..<R).map { (svd.values[$0] / layer.scale).squareRoot() }
            values[layer.a.range].write { a in
                for r in 0..<width { for i in 0..<I { a[r * I + i] = r < R ? roots[r] * svd.right[r * I + i] : 0 } }
            }
            values[layer.b.range].write { b in
                for o in 0..<O { for r in 0..<width { b[o * width + r] = r < R ? roots[r] * svd.left[o * k + r] : 0 } }
            }
        }
        let principals = processor.buffer(of: values.count, .float32)
        principals.copy(from: values)
        for layer in layers { addLoRA(layer, scaledBy: -1, from: principals) }
        return principals
    }
}
