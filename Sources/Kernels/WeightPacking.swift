internal import CKernels

extension Processor {
    /// Packs weights [O, I] in f32.
    package func pack(_ values: Buffer, outputs O: Int, inputs I: Int, as precision: WeightPrecision) -> PackedWeights {
        pack(QuantizedWeights(values, outputs: O, inputs: I), as: precision)
    }

    /// Packs weights in a precision. Weights that a file stores in another one are converted a few rows at a time.
    package func pack(_ weights: QuantizedWeights, as precision: WeightPrecision) -> PackedWeights {
        if let matrix = matrix(of: weights, as: precision) {
            return PackedWeights(
                precision: precision, outputs: weights.outputs, inputs: weights.inputs, sections: [], matrix: matrix, source: nil,
                keepsCodes: false, inputScales: nil, byteCount: matrix.count * matrix.type.size)
        }
        if weights.precision == precision, let sections = weights.sections(panel: table.weights_panel) {
            let packed = sections.map {
                PackedWeights.Section(rows: $0.rows, layout: $0.layout, panels: panels(of: weights, $0.rows, nil, in: $0.layout))
            }
            return self.packed(packed, of: weights, as: precision, weights.inputScales, keepsCodes: true)
        }
        let scales = inputScales(of: weights, as: precision), O = weights.outputs
        for layout in precision.layouts(inputs: weights.inputs, on: self) {
            let panels = panels(of: weights, 0..<O, scales, in: layout)
            if table.weights_fit(layout, panels.pointer, O, weights.inputs) {
                return packed([PackedWeights.Section(rows: 0..<O, layout: layout, panels: panels)], of: weights, as: precision, scales)
            }
        }
        preconditionFailure("weights: the last layout of \(precision.rawValue) fits all weights")
    }

    /// f32 weights [O, I] that stay where they are stored.
    package func unpacked(_ values: Buffer, outputs O: Int, inputs I: Int, as precision: WeightPrecision) -> PackedWeights? {
        unpacked(QuantizedWeights(values, outputs: O, inputs: I), as: precision)
    }

    /// Weights that stay where they are stored: a matmul takes longer than with packed weights, but gives the same bits. nil for int6 and
    /// int4 unless their codes are kept, because finding the scales of all weights each time takes longer than packing them, and for a
    /// device, which has its own memory.
    package func unpacked(_ weights: QuantizedWeights, as precision: WeightPrecision) -> PackedWeights? {
        if gpu != nil { return nil }
        if weights.precision == precision, let sections = weights.sections(panel: table.weights_panel) {
            return packed(sections, of: weights, as: precision, weights.inputScales, keepsCodes: true)
        }
        if precision.isAffine { return nil }
        return packed(
            [PackedWeights.Section(rows: 0..<weights.outputs, layout: precision.code)], of: weights, as: precision,
            inputScales(of: weights, as: precision), expected: precision.layouts(inputs: weights.inputs, on: self)[0])
    }

    /// - Parameter expected: The layout that weights which are not packed yet are expected to get.
    private func packed(
        _ sections: [PackedWeights.Section], of weights: QuantizedWeights, as precision: WeightPrecision, _ inputScales: Buffer?,
        keepsCodes: Bool = false, expected: Int32? = nil
    ) -> PackedWeights {
        PackedWeights(
            precision: precision, outputs: weights.outputs, inputs: weights.inputs, sections: sections,
            source: sections.contains { $0.panels == nil } ? weights : nil, keepsCodes: keepsCodes, inputScales: inputScales,
            byteCount: sections.reduce(0) { $0 + table.weights_bytes(expected ?? $1.layout, $1.rows.count, weights.inputs) })
    }

    /// The scales for the inputs of weights [O, I]; nil if all are 1, or if the precision has none.
    func inputScales(of weights: QuantizedWeights, as precision: WeightPrecision) -> Buffer? {
        guard precision.isInteger else { return nil }
        let I = weights.inputs, together = precision.isAffine ? I : Int(SLM_GROUP)
        let scales = InputScales.find(outputs: weights.outputs, inputs: I, together: together) { read($0, of: weights, into: $1) }
        guard let scales else { return nil }
        let result = buffer(of: I, .float32)
        result.write { span in for i in span.indices { span[i] = scales[i] } }
        return result
    }
}

// Panels.
extension Processor {
    /// Packs the panels of some rows.
    private func panels(of weights: QuantizedWeights, _ rows: Range<Int>, _ inputScales: Buffer?, in layout: Int32) -> Buffer {
        let I = weights.inputs, panels = buffer(of: (table.weights_bytes(layout, rows.count, I) + 3) / 4, .int32)
        let panelBytes = table.weights_bytes(layout, 1, I), scratch = scratch(packScratch(inputs: I))
        let width = table.weights_panel, count = table.panels(of: rows.count)
        let panelsPerMegabyte = max(concurrency, (1 << 20) / (weights.rowBytes * width))
        measured("pack weights", bytes: rows.count * weights.rowBytes + panels.count * 4) {
            for first in stride(from: 0, to: count, by: panelsPerMegabyte) {
                let last = min(first + panelsPerMegabyte, count)
                parallelFor(last - first) { item, thread in
                    let panel = first + item
                    pack(rows.clamped(toPanels: panel..<panel + 1, of: width), of: weights, inputScales, in: layout,
                         to: panels.pointer + panel * panelBytes, scratch[thread])
                }
                weights.releasePages(rows.clamped(toPanels: first..<last, of: width))
            }
        }
        return panels
    }

    /// Packs each panel of some rows into memory that stays in the cache, and calls `body` with it.
    func forEachPanel(
        of weights: QuantizedWeights, _ rows: Range<Int>, _ inputScales: Buffer?, in layout: Int32,
        _ body: (_ panel: Int, UnsafeMutableRawPointer) -> Void
    ) {
        let I = weights.inputs, width = table.weights_panel
        let panelBytes = (table.weights_bytes(layout, 1, I) + 63) / 64 * 64, scratch = scratch(panelBytes + packScratch(inputs: I))
        parallelFor(table.panels(of: rows.count)) { panel, thread in
            pack(rows.clamped(toPanels: panel..<panel + 1, of: width), of: weights, inputScales, in: layout, to: scratch[thread],
                 scratch[thread] + panelBytes)
            body(panel, scratch[thread])
        }
    }

    /// Bytes of the memory that packing a panel needs: for the kernel, and for the rows in f32.
    private func packScratch(inputs I: Int) -> Int { table.weights_pack_scratch(I) + table.weights_panel * I * MemoryLayout<Float>.size }

    /// Packs the rows of a panel.
    private func pack(
        _ rows: Range<Int>, of weights: QuantizedWeights, _ inputScales: Buffer?, in layout: Int32, to panel: UnsafeMutableRawPointer,
        _ scratch: UnsafeMutableRawPointer
    ) {
        if weights.layout(of: rows) == layout { return packStored(rows, of: weights, in: layout, to: panel) }
        let I = weights.inputs, copy = scratch + table.weights_pack_scratch(I)
        let stored = weights.plainRows(rows), type = stored == nil || weights.float32 != nil ? DataType.float32 : .bfloat16
        if weights.readsFile {
            weights.codes.copyBytes(ofElements: rows.lowerBound * I..<rows.upperBound * I, into: copy)
        } else if stored == nil {
            dequantize(weights, rows: rows, columns: 0..<I, into: copy, as: .float32)
        }
        table.weights_pack(layout, stored ?? UnsafeRawPointer(copy), type.code, I, rows.count, I, inputScales?.floats, 0, 1, panel, scratch)
    }

    /// Packs the codes and scales of a panel unchanged.
    private func packStored(_ rows: Range<Int>, of weights: QuantizedWeights, in layout: Int32, to panel: UnsafeMutableRawPointer) {
        let I = weights.inputs
        if weights.storedRows == nil, weights.precision == .int8 {
            let scales = weights.scales.floats + rows.lowerBound * QuantizedWeights.groups(inputs: I)
            return table.weights_pack_codes(
                weights.codes.bytes + rows.lowerBound * weights.rowBytes, scales, rows.count, I, 0, 1, panel)
        }
        let copyBytes = weights.storedRows?.map { $0.copyBytes(I) }.max() ?? 0
        withUnsafeTemporaryAllocation(byteCount: rows.count * copyBytes, alignment: 16) { copies in
            withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: rows.count) { pointers in
                if let parts = weights.storedRows {
                    for part in parts where part.rows.overlaps(rows) {
                        for row in rows.clamped(to: part.rows) {
                            let n = row - rows.lowerBound
                            pointers[n] = part.row(row, inputs: I, copy: copies.baseAddress.map { $0 + n * copyBytes })
                        }
                    }
                } else {
                    for row in rows { pointers[row - rows.lowerBound] = UnsafeRawPointer(weights.codes.bytes + row * weights.rowBytes) }
                }
                table.weights_pack_rows(layout, pointers.baseAddress, rows.count, I, panel)
            }
        }
    }

    /// y [I] = a row of weights that stay where they are stored, with the bits that packed ones have (+ more [I]).
    func read(
        _ row: Int, of w: PackedWeights, in weights: QuantizedWeights, plus more: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>
    ) {
        let I = w.inputs
        if w.roundsRows {
            let layout = w.sections[0].layout, panelBytes = (table.weights_bytes(layout, 1, I) + 63) / 64 * 64
            return withUnsafeTemporaryAllocation(byteCount: panelBytes + packScratch(inputs: I), alignment: 64) { scratch in
                guard let panel = scratch.baseAddress else { return }
                pack(row..<row + 1, of: weights, w.inputScales, in: layout, to: panel, panel + panelBytes)
                var first: Int32 = 0
                table.weights_lookup(layout, panel, I, w.inputScales?.floats, &first, more, y, 1)
            }
        }
        read(row, of: weights, into: y)
        if w.precision == .bfloat16 { for i in 0..<I { y[i] = y[i].roundedToBFloat16 } }
        if let more { for i in 0..<I { y[i] += more[i] } }
    }

    /// y [I] = a row as it is stored. Copies its bytes out of a mapped file: on access, the system would map up to 2 MB around them.
    private func read(_ row: Int, of weights: QuantizedWeights, into y: UnsafeMutablePointer<Float>) {
        guard weights.equalsFile else { return dequantize(weights, row: row, into: y) }
        let I = weights.inputs
        if let part = weights.storedRows?.first(where: { $0.rows.contains(row) }) {
            if part.isTransposed { return dequantize(weights, row: row, into: y) }
            return withUnsafeTemporaryAllocation(byteCount: part.rowBytes(I), alignment: 16) { bytes in
                part.copyRow(row, inputs: I, into: bytes)
                table.read_stored(Int32(part.format.rawValue), bytes.baseAddress, I, y, DataType.float32.code)
            }
        }
        let width = weights.rowBytes, groups = weights.scales.count / weights.outputs, codes = weights.codes
        withUnsafeTemporaryAllocation(byteCount: groups * MemoryLayout<Float>.size + width, alignment: 16) { bytes in
            guard let scales = bytes.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            let numbers = UnsafeMutableRawPointer(scales + groups), elements = width / codes.type.size
            weights.scales.copyBytes(ofElements: row * groups..<(row + 1) * groups, into: scales)
            codes.copyBytes(ofElements: row * elements..<(row + 1) * elements, into: numbers)
            decode(weights, numbers, scales, rows: 1, columns: 0..<I, into: y, as: .float32)
        }
    }
}

extension Range<Int> {
    /// The rows of some panels, each `width` rows.
    fileprivate func clamped(toPanels panels: Range<Int>, of width: Int) -> Range<Int> {
        lowerBound + panels.lowerBound * width..<Swift.min(lowerBound + panels.upperBound * width, upperBound)
    }
}

extension Float {
    /// The nearest number in bf16; of two, the even one.
    fileprivate var roundedToBFloat16: Float {
        if isNaN { return self }
        return Float(bitPattern: (bitPattern &+ 0x7fff &+ bitPattern >> 16 & 1) & 0xffff_0000)
    }
}
