internal import CKernels

/// A weight matrix [O, I] as a file stores it: row by row, in bf16, in int8 or int4 codes, or in the number formats of another program's
/// file. The same on every CPU, unlike ``PackedWeights``.
///
///     let quantized = processor.quantize(values, outputs: O, inputs: I, to: .int8)
///     let packed = processor.pack(quantized, as: .int8)                      // equals pack(values, …, as: .int8)
///     processor.dequantize(quantized, into: values)
package struct QuantizedWeights {
    private enum Content { case codes(Buffer, scales: Buffer), rows([StoredRows]) }

    /// The smallest precision of inference that keeps the quality of these weights.
    package let precision: WeightPrecision
    package let outputs, inputs: Int
    private let content: Content

    /// int8: [O, I], each weight in steps of its scale, + 128. int4: [O, (I + 1)/2], indices of levels, two per byte, the first in the low
    /// half. bf16: [O, I], the numbers themselves.
    package var codes: Buffer {
        guard case .codes(let codes, _) = content else { preconditionFailure("rows of another program's file have no codes") }
        return codes
    }

    /// [O, groups]: one scale for each 64 inputs; none for bf16.
    package var scales: Buffer {
        guard case .codes(_, let scales) = content else { preconditionFailure("rows of another program's file have no scales") }
        return scales
    }

    /// [I]: a scale for each input, in addition to those of the codes; nil if all are 1. See ``InputScales``.
    package let inputScales: Buffer?

    /// The rows, if they lie in another program's file; nil if these are codes.
    package var storedRows: [StoredRows]? { if case .rows(let rows) = content { rows } else { nil } }

    package init(
        _ precision: WeightPrecision, outputs: Int, inputs: Int, codes: Buffer, scales: Buffer, inputScales: Buffer? = nil
    ) {
        require(
            codes.type == (precision == .bfloat16 ? .bfloat16 : .byte)
                && codes.count * codes.type.size == outputs * Self.codeBytes(precision, inputs: inputs)
                && scales.count == (precision == .bfloat16 ? 0 : outputs * Self.groups(inputs: inputs))
                && (inputScales?.count ?? inputs) == inputs,
            "\(precision.rawValue) weights [\(outputs), \(inputs)] of \(codes.count) codes and \(scales.count) scales")
        self.precision = precision
        self.outputs = outputs
        self.inputs = inputs
        content = .codes(codes, scales: scales)
        self.inputScales = inputScales
    }

    /// Uses rows of another program's file where they lie.
    package init(rows: [StoredRows], outputs O: Int, inputs I: Int) {
        var end = 0
        for part in rows {
            let columns = part.isTransposed ? part.rows.count : I
            require(
                part.rows.lowerBound == end && columns % part.format.blockCount == 0
                    && part.range.count == part.rows.count * I / part.format.blockCount * part.format.blockSize
                    && (part.order?.count ?? part.rows.count) == part.rows.count && (!part.isTransposed || part.format.blockCount == 1),
                "rows \(part.rows) of [\(O), \(I)] in \(part.range.count) bytes of \(part.format.name)")
            end = part.rows.upperBound
        }
        require(end == O, "\(end) of \(O) rows")
        let precisions = rows.map(\.format.precision)
        // Of rows in several formats, the finest.
        precision = [WeightPrecision.float32, .bfloat16, .int8].first { precisions.contains($0) } ?? .int4
        outputs = O
        inputs = I
        content = .rows(rows)
        inputScales = nil
    }

    /// The numbers [O, I] of weights in bf16, which matmuls read as they are; nil for codes and for rows of another program's file.
    package var bfloat16: Buffer? { storedRows == nil && precision == .bfloat16 ? codes : nil }

    /// Bytes of the codes of one row.
    package static func codeBytes(_ precision: WeightPrecision, inputs: Int) -> Int {
        switch precision {
        case .bfloat16: return 2 * inputs
        case .int8: return inputs
        case .int4: return (inputs + 1) / 2
        case .float32: preconditionFailure("quantized weights: expected bf16, int8 or int4, found f32")
        }
    }

    /// Bytes of the numbers or codes of one row, without scales.
    var rowBytes: Int {
        storedRows?.first.map { inputs / $0.format.blockCount * $0.format.blockSize } ?? Self.codeBytes(precision, inputs: inputs)
    }

    /// The layout that holds the codes of all rows unchanged; nil if there is none.
    fileprivate var blockLayout: Int32? {
        guard let parts = storedRows, let format = parts.first?.format, parts.allSatisfy({ $0.format == format }) else { return nil }
        return format == .q8_0 ? Int32(SLM_WEIGHTS_Q8_0) : format == .q4_0 ? Int32(SLM_WEIGHTS_Q4_0) : nil
    }

    /// Returns the pages of some rows to the system: they are read from the file again on the next access.
    fileprivate func releasePages(_ rows: Range<Int>) {
        switch content {
        case .codes(let codes, _):
            let width = Self.codeBytes(precision, inputs: inputs) / codes.type.size
            codes[rows.lowerBound * width..<rows.upperBound * width].releaseFilePages()
        case .rows(let parts):
            for part in parts {
                if part.rows.overlaps(rows) { part.releasePages(rows.clamped(to: part.rows), inputs: inputs) }
            }
        }
    }

    /// Scales of one row.
    package static func groups(inputs: Int) -> Int { (inputs + Int(SLM_GROUP) - 1) / Int(SLM_GROUP) }
}

extension Processor {
    /// Quantizes weights [O, I], or rounds them to bf16.
    package func quantize(_ values: Buffer, outputs O: Int, inputs I: Int, to precision: WeightPrecision) -> QuantizedWeights {
        if precision == .bfloat16 {
            let rounded = buffer(of: O * I, .bfloat16)
            copy(values, into: rounded)
            return QuantizedWeights(.bfloat16, outputs: O, inputs: I, codes: rounded, scales: buffer(of: 0, .float32))
        }
        let packed = pack(values, outputs: O, inputs: I, as: precision)
        let width = QuantizedWeights.codeBytes(precision, inputs: I)
        let groups = QuantizedWeights.groups(inputs: I)
        let codes = buffer(of: O * width, .byte)
        let scales = buffer(of: O * groups, .float32)
        split(O) { rows in
            table.weights_unpack_codes(
                precision.code, packed.panels.pointer, I, rows.lowerBound, rows.upperBound, codes.bytes + rows.lowerBound * width,
                scales.floats + rows.lowerBound * groups)
        }
        return QuantizedWeights(precision, outputs: O, inputs: I, codes: codes, scales: scales, inputScales: packed.inputScales)
    }

    /// Packs weights in a precision. Weights that a file stores in another one are converted a few rows at a time.
    ///
    /// - Parameter releasingFile: Releases pages of the file that holds them soon after they are read; see
    ///   ``Buffer/releaseFilePages()``.
    package func pack(_ weights: QuantizedWeights, as precision: WeightPrecision, releasingFile: Bool = false) -> PackedWeights {
        if weights.storedRows == nil, weights.bfloat16 == nil, weights.precision == precision {
            return packCodes(weights, releasingFile: releasingFile)
        }
        if let layout = weights.blockLayout, weights.precision == precision {
            let panels = packBlocks(of: weights, in: layout, releasingFile: releasingFile)
            return PackedWeights(precision: precision, outputs: weights.outputs, inputs: weights.inputs, layout: layout, panels: panels)
        }
        let O = weights.outputs, I = weights.inputs
        let scales = inputScales(for: precision, outputs: O, inputs: I) { dequantize(weights, from: $0, count: 1, into: $1) }
        for layout in precision.layouts(inputs: I, on: self) {
            let panels = panels(of: weights, scales, in: layout, releasingFile: releasingFile)
            if table.weights_fit(layout, panels.pointer, O, I) {
                return PackedWeights(precision: precision, outputs: O, inputs: I, layout: layout, panels: panels, inputScales: scales)
            }
        }
        preconditionFailure("weights: the last layout of \(precision.rawValue) fits all weights")
    }

    private func panels(of weights: QuantizedWeights, _ inputScales: Buffer?, in layout: Int32, releasingFile: Bool) -> Buffer {
        let O = weights.outputs, I = weights.inputs, width = table.weights_panel
        let panels = buffer(of: (table.weights_bytes(layout, O, I) + 3) / 4, .int32)
        let count = table.panels(of: O), rowBytes = width * I * MemoryLayout<Float>.size
        let scratch = scratch(table.weights_pack_scratch(I) + rowBytes)
        let step = max(concurrency, (8 << 20) / rowBytes)
        measured("pack weights", bytes: O * I * 4 + panels.count * 4) {
            for first in stride(from: 0, to: count, by: step) {
                let last = min(first + step, count)
                parallelFor(last - first) { item, thread in
                    let panel = first + item, row = panel * width
                    let values = (scratch[thread] + table.weights_pack_scratch(I)).assumingMemoryBound(to: Float.self)
                    dequantize(weights, from: row, count: min(width, O - row), into: values)
                    table.weights_pack(
                        layout, values - row * I, I, O, I, inputScales?.floats, panel, panel + 1, panels.pointer, scratch[thread])
                }
                if releasingFile { weights.releasePages(first * width..<min(last * width, O)) }
            }
        }
        return panels
    }

    /// Moves llama.cpp's blocks into panels, with their codes and scales unchanged.
    private func packBlocks(of weights: QuantizedWeights, in layout: Int32, releasingFile: Bool) -> Buffer {
        let O = weights.outputs, I = weights.inputs, width = table.weights_panel, panelBytes = table.weights_bytes(layout, 1, I)
        let panels = buffer(of: (table.weights_bytes(layout, O, I) + 3) / 4, .int32), parts = weights.storedRows ?? []
        let count = table.panels(of: O), step = max(concurrency, (8 << 20) / max(1, panelBytes))
        measured("pack weights", bytes: 2 * panels.count * 4) {
            for first in stride(from: 0, to: count, by: step) {
                let last = min(first + step, count)
                parallelFor(last - first) { item, _ in
                    let panel = first + item, rows = panel * width..<min((panel + 1) * width, O)
                    withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: rows.count) { pointers in
                        for part in parts where part.rows.overlaps(rows) {
                            for row in rows.clamped(to: part.rows) { pointers[row - rows.lowerBound] = part.row(row, inputs: I) }
                        }
                        table.weights_pack_blocks(layout, pointers.baseAddress, rows.count, I, panels.pointer + panel * panelBytes)
                    }
                }
                if releasingFile { weights.releasePages(first * width..<min(last * width, O)) }
            }
        }
        return panels
    }

    private func packCodes(_ weights: QuantizedWeights, releasingFile: Bool) -> PackedWeights {
        let O = weights.outputs
        let I = weights.inputs
        let precision = weights.precision
        if precision == .bfloat16 {
            let values = buffer(of: O * I, .float32)
            dequantize(weights, into: values)
            return pack(values, outputs: O, inputs: I, as: .bfloat16)
        }
        let panels = buffer(of: (table.weights_bytes(precision.code, O, I) + 3) / 4, .int32)
        let width = QuantizedWeights.codeBytes(precision, inputs: I)
        let count = table.panels(of: O)
        let panelsPerMegabyte = max(concurrency, (1 << 20) / (width * table.weights_panel))
        measured("pack weights", bytes: weights.codes.count + panels.count * 4) {
            for first in stride(from: 0, to: count, by: panelsPerMegabyte) {
                let last = min(first + panelsPerMegabyte, count)
                split(last - first) { range in
                    table.weights_pack_codes(
                        precision.code, weights.codes.bytes, weights.scales.floats, O, I, first + range.lowerBound,
                        first + range.upperBound, panels.pointer)
                }
                if releasingFile { weights.releasePages(first * table.weights_panel..<min(last * table.weights_panel, O)) }
            }
        }
        return PackedWeights(
            precision: precision, outputs: O, inputs: I, layout: precision.code, panels: panels, inputScales: weights.inputScales)
    }

    /// Writes the dequantized weights [O, I].
    package func dequantize(_ weights: QuantizedWeights, into values: Buffer) {
        dequantize(weights, rows: 0..<weights.outputs, into: values)
    }

    /// Writes some rows of the dequantized weights.
    package func dequantize(_ weights: QuantizedWeights, rows: Range<Int>, into values: Buffer) {
        let I = weights.inputs
        require(
            rows.lowerBound >= 0 && rows.upperBound <= weights.outputs && values.count == rows.count * I,
            "dequantize: rows \(rows) of [\(weights.outputs), \(I)] into \(values.count) elements")
        measured("dequantize", bytes: rows.count * weights.rowBytes + 4 * values.count) {
            split(rows.count, atLeast: 64) { part in
                dequantize(weights, from: rows.lowerBound + part.lowerBound, count: part.count, into: values.floats + part.lowerBound * I)
            }
        }
    }

    /// Embedding lookup: y [N, I] = the dequantized rows `ids`.
    package func embed(_ ids: Buffer, in weights: QuantizedWeights, into y: Buffer) {
        let I = weights.inputs
        require(y.count == ids.count * I, "embed: \(ids.count) ids into \(y.count) elements")
        ids.readIDs { ids in
            for n in ids.indices {
                require(ids[n] >= 0 && ids[n] < weights.outputs, "embed: id \(ids[n]) at \(n), in a table of \(weights.outputs)")
                dequantize(weights, from: Int(ids[n]), count: 1, into: y.floats + n * I)
            }
        }
    }

    private func dequantize(_ weights: QuantizedWeights, from row: Int, count: Int, into values: UnsafeMutablePointer<Float>) {
        if let stored = weights.storedRows {
            for part in stored where part.rows.overlaps(row..<row + count) {
                let wanted = (row..<row + count).clamped(to: part.rows)
                let target = values + (wanted.lowerBound - row) * weights.inputs
                part.read(wanted, inputs: weights.inputs, into: target, with: table.read_stored)
            }
            return
        }
        if let numbers = weights.bfloat16 {
            let I = weights.inputs, row = numbers[row * I..<(row + count) * I].pointer.assumingMemoryBound(to: UInt16.self)
            for i in 0..<count * I { values[i] = Float(bitPattern: UInt32(row[i]) << 16) }
            return
        }
        let width = QuantizedWeights.codeBytes(weights.precision, inputs: weights.inputs)
        let groups = QuantizedWeights.groups(inputs: weights.inputs)
        table.weights_dequantize(
            weights.precision.code, weights.codes.bytes + row * width, weights.scales.floats + row * groups,
            weights.inputScales?.floats, count, weights.inputs, values)
    }
}
