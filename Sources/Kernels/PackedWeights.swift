internal import CKernels

/// How weights are stored for inference, and keys and values in a ``KVCache``.
package enum WeightPrecision: String, Sendable, CaseIterable {
    case float32 = "f32", bfloat16 = "bf16"
    /// A byte per weight, and a scale for each group of 64 weights.
    case int8
    /// Half a byte per weight, which selects one of 16 levels, and a scale for each group of 64 weights.
    ///
    /// Weights of a GGUF file in Q8_0 or Q4_0 keep their codes, with a scale for each group of 32.
    case int4

    var code: Int32 {
        switch self {
        case .float32: Int32(SLM_WEIGHTS_F32)
        case .bfloat16: Int32(SLM_WEIGHTS_BF16)
        case .int8: Int32(SLM_WEIGHTS_INT8)
        case .int4: Int32(SLM_WEIGHTS_INT4)
        }
    }

    /// The kernels' layouts for this precision, the smallest first. bf12 compresses bf16 losslessly, but needs bf16 instructions, and fails
    /// if the exponents of neighboring weights differ too much.
    func layouts(inputs: Int, on processor: Processor) -> [Int32] {
        let canCompress = self == .bfloat16 && processor.hasBFloat16 && inputs % Int(SLM_GROUP) == 0 && inputs <= Int(UInt16.max)
        return canCompress ? [Int32(SLM_WEIGHTS_BF12), code] : [code]
    }
}

/// A weight matrix [O, I] in the layout that inference reads sequentially.
///
///     let weights = processor.pack(values, outputs: O, inputs: I, as: .int8)
///     processor.packedMatmul(x, rows: N, by: weights, into: y)               // y [N, O] = x·Wᵀ
package struct PackedWeights {
    package let precision: WeightPrecision
    package let outputs, inputs: Int
    let layout: Int32
    /// The panels; for ``isUnpacked`` weights, their rows.
    let panels: Buffer
    /// [I], for int8 and int4; nil if all are 1. See ``InputScales``.
    var inputScales: Buffer?
    /// Whether these are f32 weights where they were stored, of which each matmul packs a panel at a time.
    package var isUnpacked = false

    package var byteCount: Int { panels.count * 4 }
}

extension slm_kernels {
    /// The number of panels of a weight matrix.
    func panels(of outputs: Int) -> Int { (outputs + weights_panel - 1) / weights_panel }
}

extension Processor {
    /// Packs weights [O, I].
    ///
    /// - Parameter releasingFile: Releases pages of the file that holds `values` soon after they are read; see
    ///   ``Buffer/releaseFilePages()``.
    package func pack(
        _ values: Buffer, outputs O: Int, inputs I: Int, as precision: WeightPrecision, releasingFile: Bool = false
    ) -> PackedWeights {
        require(values.count == O * I && I > 0, "weights: \(values.count) elements for [\(O), \(I)]")
        let scales = inputScales(for: precision, outputs: O, inputs: I) { $1.update(from: values.floats + $0 * I, count: I) }
        for layout in precision.layouts(inputs: I, on: self) {
            let panels = panels(of: values, outputs: O, inputs: I, scales, in: layout, releasingFile: releasingFile)
            if table.weights_fit(layout, panels.pointer, O, I) {
                return PackedWeights(precision: precision, outputs: O, inputs: I, layout: layout, panels: panels, inputScales: scales)
            }
        }
        preconditionFailure("weights: the last layout of \(precision.rawValue) fits all weights")
    }

    /// Weights [O, I] in f32 that stay where they are stored. A matmul takes longer than with packed weights, but gives the same bits.
    package func unpacked(_ values: Buffer, outputs O: Int, inputs I: Int) -> PackedWeights {
        require(values.count == O * I && I > 0, "weights: \(values.count) elements for [\(O), \(I)]")
        return PackedWeights(
            precision: .float32, outputs: O, inputs: I, layout: WeightPrecision.float32.code, panels: values, isUnpacked: true)
    }

    /// The scales for the inputs of weights [O, I]; nil if all are 1, or if the precision has none.
    func inputScales(
        for precision: WeightPrecision, outputs O: Int, inputs I: Int, readRow: (Int, UnsafeMutablePointer<Float>) -> Void
    ) -> Buffer? {
        guard precision == .int8 || precision == .int4 else { return nil }
        guard let scales = InputScales.find(outputs: O, inputs: I, readRow: readRow) else { return nil }
        let result = buffer(of: I, .float32)
        result.write { span in for i in span.indices { span[i] = scales[i] } }
        return result
    }

    private func panels(
        of values: Buffer, outputs O: Int, inputs I: Int, _ inputScales: Buffer?, in layout: Int32, releasingFile: Bool
    ) -> Buffer {
        let panels = buffer(of: (table.weights_bytes(layout, O, I) + 3) / 4, .int32)
        let scratch = scratch(table.weights_pack_scratch(I)), width = table.weights_panel, count = table.panels(of: O)
        let panelsPerMegabyte = max(concurrency, (1 << 20) / (4 * I * width))
        measured("pack weights", bytes: values.count * 4 + panels.count * 4) {
            for first in stride(from: 0, to: count, by: panelsPerMegabyte) {
                let last = min(first + panelsPerMegabyte, count)
                parallelFor(last - first) { item, thread in
                    let panel = first + item
                    table.weights_pack(
                        layout, values.floats, I, O, I, inputScales?.floats, panel, panel + 1, panels.pointer, scratch[thread])
                }
                if releasingFile { values[first * width * I..<min(last * width, O) * I].releaseFilePages() }
            }
        }
        return panels
    }

    /// Embedding lookup in packed weights: y [N, I] = rows `ids` (+ more [N, I]).
    package func embed(_ ids: Buffer, in w: PackedWeights, plus more: Buffer?, into y: Buffer) {
        let I = w.inputs
        require(!w.isUnpacked, "embed: weights that are not packed are looked up as a table")
        require(y.count == ids.count * I && (more?.count ?? y.count) == y.count, "embed: \(ids.count) ids into \(y.count) elements")
        ids.readIDs { span in
            for i in span.indices {
                require(span[i] >= 0 && span[i] < w.outputs, "embed: id \(span[i]) at \(i), in a table of \(w.outputs)")
            }
        }
        measured("embed", bytes: y.count * 8) {
            split(ids.count, atLeast: 32) { range in
                let n = range.lowerBound
                table.weights_lookup(
                    w.layout, w.panels.pointer, I, w.inputScales?.floats, ids.ids + n,
                    more.map { UnsafePointer($0.floats + n * I) }, y.floats + n * I, range.count)
            }
        }
    }

    /// y [N, O] = f(x·Wᵀ + bias) + plus, all in f32. The bits of a row depend neither on the other rows nor on the number of threads.
    package func packedMatmul(
        _ x: Buffer, rows N: Int, by w: PackedWeights, bias: Buffer? = nil, then f: UnaryFunction = .identity, plus: Buffer? = nil,
        into y: Buffer, as name: StaticString = "packed matmul"
    ) {
        let O = w.outputs
        let I = w.inputs
        require(x.count == N * I && y.count == N * O && (bias?.count ?? O) == O && (plus?.count ?? N * O) == N * O,
                "\(name): [\(N), \(I)] from \(x.count) elements, through [\(O), \(I)], into \(y.count)")
        if N == 0 || O == 0 { return }
        var p = slm_matmul()
        p.M = N
        p.N = O
        p.K = I
        p.scale = 1
        p.c = y.pointer
        p.c_type = y.type.code
        p.c_stride = O
        p.bias = bias.map { UnsafePointer($0.floats) }
        p.activation = f.rawValue
        p.plus = plus.map { UnsafePointer($0.floats) }
        let inputScales = w.inputScales?.floats
        let layout = w.layout, rowBytes = table.weights_input_bytes(layout, I), rows = sharedScratch(N * rowBytes)
        measured(name, flops: 2 * N * O * I, bytes: w.byteCount + N * (I + O) * 4) {
            split(N, atLeast: 4) { range in
                let first = range.lowerBound
                table.weights_prepare_input(layout, x.floats + first * I, range.count, I, inputScales, rows + first * rowBytes)
            }
            withUnsafePointer(to: p) { p in
                if w.isUnpacked {
                    let panelBytes = table.weights_bytes(layout, 1, I), panels = scratch(panelBytes)
                    return parallelFor(table.panels(of: O)) { panel, thread in
                        let first = panels[thread] - panel * panelBytes         // where panel 0 would be
                        table.weights_pack(layout, w.panels.floats, I, O, I, nil, panel, panel + 1, first, panels[thread])
                        table.packed_matmul(layout, p, first, rows, panel, panel + 1)
                    }
                }
                split(table.panels(of: O)) { range in
                    table.packed_matmul(layout, p, w.panels.pointer, rows, range.lowerBound, range.upperBound)
                }
            }
        }
    }
}
