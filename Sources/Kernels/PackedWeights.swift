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
    /// Weights of a GGUF file keep their codes and scales in int8, int6 and int4, each in the format it has.
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
        let canCompress = self == .bfloat16 && processor.table.has_native_bf16 && inputs % Int(SLM_GROUP) == 0 && inputs <= Int(UInt16.max)
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
    /// Rows in one layout. All sections but the last have whole panels.
    struct Section {
        let rows: Range<Int>
        let layout: Int32
        /// nil for weights that stay where they are stored: each matmul packs one panel at a time.
        var panels: Buffer?
    }
    /// One; several for rows that a GGUF file stores in several formats.
    let sections: [Section]
    /// On a device: the weights in f32 or bf16, instead of sections.   [O, I]
    var matrix: Buffer?
    /// The place of weights that stay where they are stored; nil for packed ones.
    let source: QuantizedWeights?
    /// Whether the sections have the codes and scales of the file.
    let keepsCodes: Bool
    /// [I], for int8, int6 and int4; nil if all are 1. See ``InputScales``.
    var inputScales: Buffer?
    /// That of all panels, packed or not: unpacked bf16 weights are expected to fit into the smallest layout.
    package let byteCount: Int

    /// Whether rows that are looked up are first rounded to codes that the file does not have, which takes longer than to read them.
    package var roundsRows: Bool { isUnpacked && precision.isInteger && !keepsCodes }

    /// The layout and the panels of packed weights that have one section.
    var single: (layout: Int32, panels: Buffer) {
        guard sections.count == 1, let panels = sections[0].panels else {
            preconditionFailure("weights in \(sections.count) layouts, or where they are stored")
        }
        return (sections[0].layout, panels)
    }

    package var isUnpacked: Bool { source != nil }
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
            if let gpu, let matrix = w.matrix {
                let isDone = gpu.embed(ids, table: matrix, C: I, plus: more, period: ids.count, into: y)
                return require(isDone, "embed: a buffer is not on \(gpu.device)")
            }
            split(ids.count, atLeast: 32) { range in
                for n in range {
                    let row = Int(ids.ids[n]), more = more.map { UnsafePointer($0.floats + n * I) }, to = y.floats + n * I
                    if let source = w.source {
                        read(row, of: w, in: source, plus: more, into: to)
                    } else if let section = w.sections.first(where: { $0.rows.contains(row) }), let panels = section.panels {
                        var own = Int32(row - section.rows.lowerBound)
                        table.weights_lookup(section.layout, panels.pointer, I, w.inputScales?.floats, &own, more, to, 1)
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
        let O = w.outputs, I = w.inputs
        require(x.count == N * I && y.count == N * O && (bias?.count ?? O) == O && (plus?.count ?? N * O) == N * O,
                "\(name): [\(N), \(I)] from \(x.count) elements, through [\(O), \(I)], into \(y.count)")
        if N == 0 || O == 0 { return }
        if let matrix = w.matrix {
            var matmul = Matmul(
                of: Matrix(x, rows: N, columns: I), Matrix(matrix, rows: O, columns: I).transposed, into: Matrix(y, rows: N, columns: O))
            matmul.precision = matrix.type
            matmul.bias = bias
            matmul.activation = f
            matmul.plus = plus
            return run(matmul, as: name)
        }
        measured(name, flops: 2 * N * O * I, bytes: w.byteCount + N * (I + O) * 4) {
            for section in w.sections {
                let first = section.rows.lowerBound
                var p = slm_matmul(M: N, N: section.rows.count, K: I, into: UnsafeMutableRawPointer(y.floats + first))
                p.c_stride = O
                p.bias = bias.map { UnsafePointer($0.floats + first) }
                p.activation = f.rawValue
                p.plus = plus.map { UnsafePointer($0.floats + first) }
                multiply(x, by: section, of: w, p)
            }
            w.source?.releasePages(0..<O)
        }
    }

    /// Computes the columns of a section.
    private func multiply(_ x: Buffer, by section: PackedWeights.Section, of w: PackedWeights, _ p: slm_matmul) {
        var p = p
        let N = p.M, I = p.K, layout = section.layout, inputScales = w.inputScales?.floats
        let rowBytes = table.weights_input_bytes(layout, I), rows = sharedScratch(N * rowBytes)
        // Half of the second-level cache, unless reading the weights again for each block would take longer than reading the rows again
        // for each panel.
        let weightBytes = max(1, table.weights_bytes(layout, table.weights_panel, I) / (Int(table.weights_panel) * max(I, 1)))
        p.m_block = max(24 * weightBytes, caches.second / 2 / max(rowBytes, 1))
        split(N, atLeast: 4) { range in
            let first = range.lowerBound
            table.weights_prepare_input(layout, x.floats + first * I, range.count, I, inputScales, rows + first * rowBytes)
        }
        withUnsafePointer(to: p) { p in
            if let panels = section.panels {
                split(table.panels(of: p.pointee.N)) { range in
                    table.packed_matmul(layout, p, panels.pointer, rows, range.lowerBound, range.upperBound)
                }
            } else if let source = w.source {
                forEachPanel(of: source, section.rows, w.inputScales, in: layout) { panel, packed in
                    table.packed_matmul(layout, p, packed - panel * table.weights_bytes(layout, 1, I), rows, panel, panel + 1)
                }
            }
        }
    }
}
