internal import CKernels

/// How weights are stored for inference, and keys and values in a ``KVCache``.
package enum WeightPrecision: String, Sendable, CaseIterable {
    case float32 = "f32", bfloat16 = "bf16"
    /// A byte per weight, and a scale for each group of 64 weights.
    case int8
    /// Six bits per weight, and a scale and a minimum for each group of 32 weights.
    case int6
    /// Four bits per weight, and a scale and a minimum for each group of 32 weights.
    ///
    /// Weights of a GGUF file in Q8_0 or Q4_0 keep their codes, with a scale for each group of 32.
    case int4

    /// Whether weights are stored in rows that hold their own scales and minimums.
    package var isAffine: Bool { self == .int6 || self == .int4 }
    /// Whether weights and the inputs of their matmuls are quantized.
    package var isInteger: Bool { self == .int8 || isAffine }

    var code: Int32 {
        switch self {
        case .float32: Int32(SLM_WEIGHTS_F32)
        case .bfloat16: Int32(SLM_WEIGHTS_BF16)
        case .int8: Int32(SLM_WEIGHTS_INT8)
        case .int6: Int32(SLM_WEIGHTS_INT6)
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
    /// Weights that stay where they are stored have no panels: each matmul packs one at a time.
    enum Content { case panels(Buffer), unpacked(WeightSource) }
    let content: Content
    /// [I], for int8, int6 and int4; nil if all are 1. See ``InputScales``.
    var inputScales: Buffer?
    /// That of all panels, packed or not: unpacked bf16 weights are expected to fit into the smallest layout.
    package let byteCount: Int

    /// Whether rows that are looked up are first rounded to codes that the file does not have, which takes longer than to read them.
    package var roundsRows: Bool {
        guard case .unpacked(let source) = content, precision.isInteger else { return false }
        if case .quantized(let weights) = source.numbers { return weights.layout != layout }
        return true
    }

    package var isUnpacked: Bool { if case .unpacked = content { true } else { false } }

    var panels: Buffer {
        guard case .panels(let panels) = content else { preconditionFailure("weights that stay where they are stored have no panels") }
        return panels
    }
}

extension slm_kernels {
    /// The number of panels of a weight matrix.
    func panels(of outputs: Int) -> Int { (outputs + weights_panel - 1) / weights_panel }
}

extension Processor {
    /// Embedding lookup in packed weights: y [N, I] = rows `ids` (+ more [N, I]).
    package func embed(_ ids: Buffer, in w: PackedWeights, plus more: Buffer?, into y: Buffer) {
        let I = w.inputs
        require(y.count == ids.count * I && (more?.count ?? y.count) == y.count, "embed: \(ids.count) ids into \(y.count) elements")
        ids.readIDs { span in
            for i in span.indices {
                require(span[i] >= 0 && span[i] < w.outputs, "embed: id \(span[i]) at \(i), in a table of \(w.outputs)")
            }
        }
        measured("embed", bytes: y.count * 8) {
            split(ids.count, atLeast: 32) { range in
                let n = range.lowerBound, more = more.map { UnsafePointer($0.floats + n * I) }
                switch w.content {
                case .panels(let panels):
                    table.weights_lookup(
                        w.layout, panels.pointer, I, w.inputScales?.floats, ids.ids + n, more, y.floats + n * I, range.count)
                case .unpacked(let source):
                    for (i, n) in range.enumerated() {
                        read(Int(ids.ids[n]), of: w, in: source, plus: more.map { $0 + i * I }, into: y.floats + n * I)
                    }
                }
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
        // Half of the second-level cache, unless reading the weights again for each block would take longer than reading the rows again
        // for each panel.
        let weightBytes = max(1, table.weights_bytes(layout, table.weights_panel, I) / (Int(table.weights_panel) * max(I, 1)))
        p.m_block = max(24 * weightBytes, caches.second / 2 / max(rowBytes, 1))
        measured(name, flops: 2 * N * O * I, bytes: w.byteCount + N * (I + O) * 4) {
            split(N, atLeast: 4) { range in
                let first = range.lowerBound
                table.weights_prepare_input(layout, x.floats + first * I, range.count, I, inputScales, rows + first * rowBytes)
            }
            withUnsafePointer(to: p) { p in
                switch w.content {
                case .panels(let panels):
                    split(table.panels(of: O)) { range in
                        table.packed_matmul(layout, p, panels.pointer, rows, range.lowerBound, range.upperBound)
                    }
                case .unpacked(let source):
                    forEachPanel(of: source, outputs: O, inputs: I, w.inputScales, in: layout) { panel, packed in
                        table.packed_matmul(layout, p, packed - panel * table.weights_bytes(layout, 1, I), rows, panel, panel + 1)
                    }
                    source.releasePages(0..<O)
                }
            }
        }
    }
}
