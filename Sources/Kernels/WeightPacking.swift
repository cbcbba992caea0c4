internal import CKernels

/// A weight matrix [O, I] as it is stored, from which panels are packed.
struct WeightSource {
    enum Numbers {
        /// Rows in f32.
        case values(Buffer)
        case quantized(QuantizedWeights)
    }

    let numbers: Numbers
    /// Whether memory equals the mapped file that holds the weights, if any. Rows in f32 are then read from the file instead of mapped,
    /// which takes less time and memory; mapped pages of other numbers are released soon after they are read.
    let equalsFile: Bool

    /// Bytes of a row.
    func rowBytes(inputs I: Int) -> Int {
        switch numbers {
        case .values: I * MemoryLayout<Float>.size
        case .quantized(let weights): weights.rowBytes
        }
    }

    /// Returns the pages of some rows that packing mapped to the system: they are read from the file again on the next access.
    func releasePages(_ rows: Range<Int>) {
        if equalsFile, case .quantized(let weights) = numbers { weights.releasePages(rows) }
    }
}

extension Processor {
    /// Packs weights [O, I].
    ///
    /// - Parameter equalsFile: Whether weights in a mapped file have not been changed in memory. Packing then leaves none of its pages
    ///   in memory.
    package func pack(
        _ values: Buffer, outputs O: Int, inputs I: Int, as precision: WeightPrecision, equalsFile: Bool = false
    ) -> PackedWeights {
        require(values.count == O * I && I > 0, "weights: \(values.count) elements for [\(O), \(I)]")
        let source = WeightSource(numbers: .values(values), equalsFile: equalsFile)
        if let packed = packedOnDevice(source, outputs: O, inputs: I, as: precision) { return packed }
        let scales = inputScales(for: precision, of: source, outputs: O, inputs: I)
        return pack(source, outputs: O, inputs: I, as: precision, scales)
    }

    /// Packs weights in a precision. Weights that a file stores in another one are converted a few rows at a time.
    ///
    /// - Parameter equalsFile: Whether weights in a mapped file have not been changed in memory. Its pages are then released soon after
    ///   they are read; see ``Buffer/releaseFilePages()``.
    package func pack(_ weights: QuantizedWeights, as precision: WeightPrecision, equalsFile: Bool = false) -> PackedWeights {
        let O = weights.outputs, I = weights.inputs, source = WeightSource(numbers: .quantized(weights), equalsFile: equalsFile)
        if let packed = packedOnDevice(source, outputs: O, inputs: I, as: precision) { return packed }
        if weights.precision == precision, let sections = weights.sections(panel: table.weights_panel) {
            let packed = sections.map {
                PackedWeights.Section(rows: $0.rows, layout: $0.layout, panels: panels(of: source, $0.rows, inputs: I, nil, in: $0.layout))
            }
            return self.packed(packed, of: nil, outputs: O, inputs: I, as: precision, weights.inputScales, keepsCodes: true)
        }
        let scales = inputScales(for: precision, of: source, outputs: O, inputs: I)
        return pack(source, outputs: O, inputs: I, as: precision, scales)
    }

    /// f32 weights [O, I] that stay where they are stored: a matmul takes longer than with packed weights, but gives the same bits. nil for
    /// int6 and int4, because finding the scales of all weights each time takes longer than packing them, and for a device, which has its
    /// own memory.
    ///
    /// - Parameter equalsFile: Whether weights in a mapped file have not been changed in memory. A matmul then leaves none of its pages
    ///   in memory.
    package func unpacked(
        _ values: Buffer, outputs O: Int, inputs I: Int, as precision: WeightPrecision, equalsFile: Bool = false
    ) -> PackedWeights? {
        require(values.count == O * I && I > 0, "weights: \(values.count) elements for [\(O), \(I)]")
        if gpu != nil { return nil }
        return unpacked(WeightSource(numbers: .values(values), equalsFile: equalsFile), outputs: O, inputs: I, as: precision)
    }

    /// The same for weights that a file stores in other numbers, also for int6 and int4 if their codes are kept.
    package func unpacked(_ weights: QuantizedWeights, as precision: WeightPrecision, equalsFile: Bool = false) -> PackedWeights? {
        if gpu != nil { return nil }
        let O = weights.outputs, I = weights.inputs, source = WeightSource(numbers: .quantized(weights), equalsFile: equalsFile)
        if weights.precision == precision, let sections = weights.sections(panel: table.weights_panel) {
            return packed(sections, of: source, outputs: O, inputs: I, as: precision, weights.inputScales, keepsCodes: true)
        }
        return unpacked(source, outputs: O, inputs: I, as: precision)
    }

    private func unpacked(_ source: WeightSource, outputs O: Int, inputs I: Int, as precision: WeightPrecision) -> PackedWeights? {
        if precision.isAffine { return nil }
        let scales = inputScales(for: precision, of: source, outputs: O, inputs: I)
        return packed(
            [PackedWeights.Section(rows: 0..<O, layout: precision.code)], of: source, outputs: O, inputs: I, as: precision, scales,
            expected: precision.layouts(inputs: I, on: self)[0])
    }

    /// Weights in the memory of a device, where codes become bf16; nil without one.
    private func packedOnDevice(
        _ source: WeightSource, outputs O: Int, inputs I: Int, as precision: WeightPrecision
    ) -> PackedWeights? {
        matrix(of: source, outputs: O, inputs: I, as: precision).map {
            PackedWeights(
                precision: precision, outputs: O, inputs: I, sections: [], matrix: $0, source: nil, keepsCodes: false, inputScales: nil,
                byteCount: $0.count * $0.type.size)
        }
    }

    /// - Parameter expected: The layout that weights which are not packed yet are expected to get.
    private func packed(
        _ sections: [PackedWeights.Section], of source: WeightSource?, outputs O: Int, inputs I: Int, as precision: WeightPrecision,
        _ inputScales: Buffer? = nil, keepsCodes: Bool = false, expected: Int32? = nil
    ) -> PackedWeights {
        PackedWeights(
            precision: precision, outputs: O, inputs: I, sections: sections, source: source, keepsCodes: keepsCodes,
            inputScales: inputScales,
            byteCount: sections.reduce(0) { $0 + table.weights_bytes(expected ?? $1.layout, $1.rows.count, I) })
    }

    private func pack(
        _ source: WeightSource, outputs O: Int, inputs I: Int, as precision: WeightPrecision, _ inputScales: Buffer?
    ) -> PackedWeights {
        for layout in precision.layouts(inputs: I, on: self) {
            let panels = panels(of: source, 0..<O, inputs: I, inputScales, in: layout)
            if table.weights_fit(layout, panels.pointer, O, I) {
                let section = PackedWeights.Section(rows: 0..<O, layout: layout, panels: panels)
                return packed([section], of: nil, outputs: O, inputs: I, as: precision, inputScales)
            }
        }
        preconditionFailure("weights: the last layout of \(precision.rawValue) fits all weights")
    }

    /// The scales for the inputs of weights [O, I]; nil if all are 1, or if the precision has none.
    private func inputScales(for precision: WeightPrecision, of source: WeightSource, outputs O: Int, inputs I: Int) -> Buffer? {
        guard precision.isInteger else { return nil }
        let together = precision.isAffine ? I : Int(SLM_GROUP)
        let scales = InputScales.find(outputs: O, inputs: I, together: together) { read($0, of: source, inputs: I, into: $1) }
        guard let scales else { return nil }
        let result = buffer(of: I, .float32)
        result.write { span in for i in span.indices { span[i] = scales[i] } }
        return result
    }
}

extension Processor {
    /// The scales for the inputs of weights [O, I] in memory; nil if all are 1.
    func inputScales(of values: Buffer, outputs O: Int, inputs I: Int, for precision: WeightPrecision) -> Buffer? {
        inputScales(for: precision, of: WeightSource(numbers: .values(values), equalsFile: false), outputs: O, inputs: I)
    }
}

// Panels.
extension Processor {
    /// Packs the panels of some rows.
    private func panels(
        of source: WeightSource, _ rows: Range<Int>, inputs I: Int, _ inputScales: Buffer?, in layout: Int32
    ) -> Buffer {
        let panels = buffer(of: (table.weights_bytes(layout, rows.count, I) + 3) / 4, .int32)
        let panelBytes = table.weights_bytes(layout, 1, I), scratch = scratch(packScratch(inputs: I))
        let width = table.weights_panel, count = table.panels(of: rows.count)
        let panelsPerMegabyte = max(concurrency, (1 << 20) / (source.rowBytes(inputs: I) * width))
        measured("pack weights", bytes: rows.count * source.rowBytes(inputs: I) + panels.count * 4) {
            for first in stride(from: 0, to: count, by: panelsPerMegabyte) {
                let last = min(first + panelsPerMegabyte, count)
                parallelFor(last - first) { item, thread in
                    let panel = first + item
                    pack(rows.clamped(toPanels: panel..<panel + 1, of: width), of: source, inputs: I, inputScales, in: layout,
                         to: panels.pointer + panel * panelBytes, scratch[thread])
                }
                source.releasePages(rows.clamped(toPanels: first..<last, of: width))
            }
        }
        return panels
    }

    /// Packs each panel of some rows into memory that stays in the cache, and calls `body` with it.
    func forEachPanel(
        of source: WeightSource, _ rows: Range<Int>, inputs I: Int, _ inputScales: Buffer?, in layout: Int32,
        _ body: (_ panel: Int, UnsafeMutableRawPointer) -> Void
    ) {
        let panelBytes = (table.weights_bytes(layout, 1, I) + 63) / 64 * 64, scratch = scratch(panelBytes + packScratch(inputs: I))
        let width = table.weights_panel
        parallelFor(table.panels(of: rows.count)) { panel, thread in
            pack(rows.clamped(toPanels: panel..<panel + 1, of: width), of: source, inputs: I, inputScales, in: layout,
                 to: scratch[thread], scratch[thread] + panelBytes)
            body(panel, scratch[thread])
        }
    }

    /// Bytes of the memory that packing a panel needs: for the kernel, and for the rows in f32.
    private func packScratch(inputs I: Int) -> Int { table.weights_pack_scratch(I) + table.weights_panel * I * MemoryLayout<Float>.size }

    /// Packs the rows of a panel.
    private func pack(
        _ rows: Range<Int>, of source: WeightSource, inputs I: Int, _ inputScales: Buffer?, in layout: Int32,
        to panel: UnsafeMutableRawPointer, _ scratch: UnsafeMutableRawPointer
    ) {
        let numbers: UnsafeRawPointer, copy = scratch + table.weights_pack_scratch(I)
        var type = DataType.float32
        switch source.numbers {
        case .values(let values) where source.equalsFile && values.isInFile:
            values.copyBytes(ofElements: rows.lowerBound * I..<rows.upperBound * I, into: copy)
            numbers = UnsafeRawPointer(copy)
        case .values(let values): numbers = UnsafeRawPointer(values.floats + rows.lowerBound * I)
        case .quantized(let weights) where weights.layout(of: rows) == layout: return packStored(rows, of: weights, in: layout, to: panel)
        case .quantized(let weights):
            if let stored = weights.bfloat16Rows(rows) {
                numbers = stored
                type = .bfloat16
            } else {
                dequantize(weights, rows: rows, columns: 0..<I, into: copy, as: .float32)
                numbers = UnsafeRawPointer(copy)
            }
        }
        table.weights_pack(layout, numbers, type.code, I, rows.count, I, inputScales?.floats, 0, 1, panel, scratch)
    }

    /// Packs the codes and scales of a panel unchanged.
    private func packStored(_ rows: Range<Int>, of weights: QuantizedWeights, in layout: Int32, to panel: UnsafeMutableRawPointer) {
        let I = weights.inputs
        if weights.storedRows == nil, weights.precision == .int8 {
            let scales = weights.scales.floats + rows.lowerBound * QuantizedWeights.groups(inputs: I)
            return table.weights_pack_codes(
                weights.codes.bytes + rows.lowerBound * weights.rowBytes, scales, rows.count, I, 0, 1, panel)
        }
        withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: rows.count) { pointers in
            if let parts = weights.storedRows {
                for part in parts where part.rows.overlaps(rows) {
                    for row in rows.clamped(to: part.rows) { pointers[row - rows.lowerBound] = part.row(row, inputs: I) }
                }
            } else {
                for row in rows { pointers[row - rows.lowerBound] = UnsafeRawPointer(weights.codes.bytes + row * weights.rowBytes) }
            }
            table.weights_pack_rows(layout, pointers.baseAddress, rows.count, I, panel)
        }
    }

    /// y [I] = a row of weights that stay where they are stored, with the bits that packed ones have (+ more [I]).
    func read(
        _ row: Int, of w: PackedWeights, in source: WeightSource, plus more: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>
    ) {
        let I = w.inputs
        if w.roundsRows {
            let layout = w.sections[0].layout, panelBytes = (table.weights_bytes(layout, 1, I) + 63) / 64 * 64
            return withUnsafeTemporaryAllocation(byteCount: panelBytes + packScratch(inputs: I), alignment: 64) { scratch in
                guard let panel = scratch.baseAddress else { return }
                pack(row..<row + 1, of: source, inputs: I, w.inputScales, in: layout, to: panel, panel + panelBytes)
                var first: Int32 = 0
                table.weights_lookup(layout, panel, I, w.inputScales?.floats, &first, more, y, 1)
            }
        }
        read(row, of: source, inputs: I, into: y)
        if w.precision == .bfloat16 { for i in 0..<I { y[i] = y[i].roundedToBFloat16 } }
        if let more { for i in 0..<I { y[i] += more[i] } }
    }

    /// y [I] = a row as it is stored.
    private func read(_ row: Int, of source: WeightSource, inputs I: Int, into y: UnsafeMutablePointer<Float>) {
        switch source.numbers {
        case .values(let values) where source.equalsFile: values.copyBytes(ofElements: row * I..<(row + 1) * I, into: y)
        case .values(let values): y.update(from: values.floats + row * I, count: I)
        case .quantized(let weights) where source.equalsFile: readRow(row, of: weights, into: y)
        case .quantized(let weights): dequantize(weights, row: row, into: y)
        }
    }
}

extension Processor {
    /// y [I] = a row. Copies its bytes out of a mapped file: on access, the system would map up to 2 MB around them.
    private func readRow(_ row: Int, of weights: QuantizedWeights, into y: UnsafeMutablePointer<Float>) {
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
