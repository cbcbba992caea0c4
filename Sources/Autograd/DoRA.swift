import Kernels

/// Weight-decomposed low-rank adaptation (DoRA, Liu et al. 2024): in the target layers, W becomes m·V/‖V‖ with V = W + (α/r)·B·A, where ‖V‖
/// are the norms of its rows, and m [O] is trained. As in the paper and in PEFT, no gradient flows through the norms.
extension Tape {
    package func scaleChannels(_ u: Tensor, of layer: LoRALayer, bias: Parameter?) -> Tensor {
        guard let magnitude = layer.magnitude, let parameters else { return u }
        let norms = parameters.rowNorms(of: layer), O = layer.b.shape[0], isAdapted = layer.isAdaptedRow
        // Rows that have no A and B stay as they are.
        let inverse = (0..<O).map { isAdapted[$0] ? Float(1 / norms[$0]) : 0 }
        var factor = multiply(value(of: magnitude), constant(inverse, [O]))                          // [O]
        if isAdapted.contains(false) { factor = add(factor, constant(isAdapted.map { $0 ? 0 : 1 }, [O])) }
        let y = multiply(u, factor)                                                                  // [.., O]
        return cast(bias.map { add(y, value(of: $0)) } ?? y, to: u.type)
    }
}

extension LoRALayer {
    /// For each row of W, whether it belongs to a block with a rank.
    fileprivate var isAdaptedRow: [Bool] { blocks.flatMap { [Bool](repeating: $0.rank > 0, count: $0.rows) } }
}

extension Parameters {
    /// m/‖V‖, and 1 for rows that are not adapted; for inference.   [O]
    package func channelFactors(of layer: LoRALayer, _ magnitude: Parameter) -> [Float] {
        let m = value(of: magnitude).floats, norms = rowNorms(of: layer)
        return layer.isAdaptedRow.enumerated().map { $1 ? Float(Double(m[$0]) / norms[$0]) : 1 }
    }

    /// Sets the magnitudes of new adapters to the norms of the rows, so that training starts from the base.
    package func initializeMagnitudes(of layers: [LoRALayer]) {
        for layer in layers {
            guard let magnitude = layer.magnitude else { continue }
            let norms = rowNorms(of: layer)
            values[magnitude.range].write { span in for i in span.indices { span[i] = Float(norms[i]) } }
        }
    }

    /// Makes the frozen weight of a layer what the adapter makes of it: W + (α/r)·B·A, with DoRA m·V/‖V‖.
    package func mergeLoRA(_ layer: LoRALayer) {
        let factors = layer.magnitude.map { channelFactors(of: layer, $0) }
        addLoRA(layer, scaledBy: 1, from: values)
        guard let factors else { return }
        let I = layer.weight.shape[1]
        frozenValues[layer.weight.range].write { span in
            for (row, factor) in factors.enumerated() { for i in row * I..<(row + 1) * I { span[i] *= factor } }
        }
    }

    /// ‖V‖, the norms of the rows of V = W + (α/r)·B·A.   [O]
    fileprivate func rowNorms(of layer: LoRALayer) -> [Double] {
        let (O, I) = (layer.weight.shape[0], layer.weight.shape[1]), R = layer.b.shape[1]
        let b = processor.buffer(of: O * R, .float32), a = Matrix(values[layer.a.range], rows: R, columns: I)
        processor.copy(values[layer.b.range], into: b, scale: layer.scale)
        let weight = quantized(layer.weight).map { WeightMatrix.quantized($0) } ?? .tensor(value(of: layer.weight))
        var norms: [Double] = []
        weight.forEachBlockOfRows(on: processor, as: .float32) { rows, block in
            let sum = processor.buffer(of: rows.count * I, .float32)
            processor.copy(block.buffer[0..<rows.count * I], into: sum)
            var matmul = Matmul(
                of: Matrix(b[rows.lowerBound * R..<rows.upperBound * R], rows: rows.count, columns: R), a,
                into: Matrix(sum, rows: rows.count, columns: I))
            matmul.accumulates = true
            processor.run(matmul, as: "row norms")
            norms += processor.sumsOfSquares(sum, block: I).map { $0.squareRoot() }
        }
        return norms
    }
}
