internal import CKernels

/// A weight matrix [O, I] as a file stores it: row by row, in f32, bf16, int8, int6 or int4, or in the number formats of another program's
/// file. The same on every CPU, unlike ``PackedWeights``.
///
///     let quantized = processor.quantize(values, outputs: O, inputs: I, to: .int8)
///     let packed = processor.pack(quantized, as: .int8)                      // equals pack(values, …, as: .int8)
///     processor.dequantize(quantized, into: values)
package struct QuantizedWeights {
    private enum Content { case codes(Buffer, scales: Buffer), rows([StoredRows]) }

    /// The smallest precision of inference that keeps these weights.
    package let precision: WeightPrecision
    package let outputs, inputs: Int
    private let content: Content

    /// int8: [O, I], each weight in steps of its scale, + 128. int6 and int4: [O, bytes], rows with their scales and minimums
    /// (affine_weights.h). f32 and bf16: [O, I], the numbers themselves.
    package var codes: Buffer {
        guard case .codes(let codes, _) = content else { preconditionFailure("rows of another program's file have no codes") }
        return codes
    }

    /// int8: [O, groups], one scale for each 64 inputs. Empty for others.
    package var scales: Buffer {
        guard case .codes(_, let scales) = content else { preconditionFailure("rows of another program's file have no scales") }
        return scales
    }

    /// [I]: a scale for each input, in addition to those of the codes; nil if all are 1. See ``InputScales``.
    package let inputScales: Buffer?

    /// Whether memory equals the mapped file that holds the weights, if any. Rows in f32 are then read from the file instead of mapped,
    /// which takes less time and memory; mapped pages of other numbers are released soon after they are read.
    let equalsFile: Bool

    /// The rows, if they lie in another program's file; nil if these are codes.
    package var storedRows: [StoredRows]? { if case .rows(let rows) = content { rows } else { nil } }

    /// Weights in f32 that stay where they are.
    ///
    /// - Parameter equalsFile: Whether weights in a mapped file have not been changed in memory.
    package init(_ values: Buffer, outputs: Int, inputs: Int, equalsFile: Bool = false) {
        self.init(.float32, outputs: outputs, inputs: inputs, codes: values, scales: values[0..<0], equalsFile: equalsFile)
    }

    package init(
        _ precision: WeightPrecision, outputs: Int, inputs: Int, codes: Buffer, scales: Buffer, inputScales: Buffer? = nil,
        equalsFile: Bool = true
    ) {
        require(
            codes.type == (precision == .float32 ? .float32 : precision == .bfloat16 ? .bfloat16 : .byte) && inputs > 0
                && codes.count * codes.type.size == outputs * Self.codeBytes(precision, inputs: inputs)
                && scales.count == (precision == .int8 ? outputs * Self.groups(inputs: inputs) : 0)
                && (inputScales?.count ?? inputs) == inputs,
            "\(precision.rawValue) weights [\(outputs), \(inputs)] of \(codes.count) codes and \(scales.count) scales")
        self.precision = precision
        self.outputs = outputs
        self.inputs = inputs
        content = .codes(codes, scales: scales)
        self.inputScales = inputScales
        self.equalsFile = equalsFile
    }

    /// Uses rows of another program's file where they lie.
    package init(rows: [StoredRows], outputs O: Int, inputs I: Int) {
        var end = 0
        for part in rows {
            let columns = part.isTransposed ? part.rows.count : I
            require(
                part.rows.lowerBound == end && columns % part.format.blockCount == 0 && part.hasBytes(inputs: I)
                    && (part.order?.count ?? part.rows.count) == part.rows.count && (!part.isTransposed || part.format.blockCount == 1),
                "rows \(part.rows) of [\(O), \(I)] in \(part.byteCount) bytes of \(part.format.name)")
            end = part.rows.upperBound
        }
        require(end == O, "\(end) of \(O) rows")
        let precisions = rows.map(\.format.precision)
        // The finest format of all rows.
        precision = [WeightPrecision.float32, .bfloat16, .int8, .int6].first { precisions.contains($0) } ?? .int4
        outputs = O
        inputs = I
        content = .rows(rows)
        inputScales = nil
        equalsFile = true
    }

    /// The numbers [O, I] of weights in bf16, which matmuls read as they are; nil for codes and for rows of another program's file.
    package var bfloat16: Buffer? { storedRows == nil && precision == .bfloat16 ? codes : nil }

    /// The numbers [O, I] of weights in f32; nil for others.
    var float32: Buffer? { storedRows == nil && precision == .float32 ? codes : nil }

    /// Whether rows are copied out of a file, instead of mapped.
    var readsFile: Bool { equalsFile && float32?.isInFile ?? false }

    /// Where rows in f32 or bf16 lie one behind the other; nil if they do not, are read from a file, or are in another format.
    func plainRows(_ rows: Range<Int>) -> UnsafeRawPointer? {
        if readsFile { return nil }
        guard let parts = storedRows else {
            return precision.isInteger ? nil : UnsafeRawPointer(codes.pointer + rows.lowerBound * rowBytes)
        }
        guard let part = parts.first(where: { $0.rows.contains(rows.lowerBound) }), part.format == .bf16, part.order == nil,
            !part.isTransposed, rows.upperBound <= part.rows.upperBound
        else { return nil }
        return part.row(rows.lowerBound, inputs: inputs, copy: nil)
    }

    /// Columns at multiples of this begin a group with a scale of its own, in codes and in every ``StoredFormat``.
    package static let columnsTogether = 256

    /// Bytes of the codes of one row; those of int6 and int4 contain their scales.
    package static func codeBytes(_ precision: WeightPrecision, inputs: Int) -> Int {
        switch precision {
        case .float32: return 4 * inputs
        case .bfloat16: return 2 * inputs
        case .int8: return inputs
        case .int6, .int4: return 4 + (inputs + 31) / 32 * (precision == .int6 ? 26 : 18)
        }
    }

    /// Bytes of the numbers or codes of one row, without scales.
    var rowBytes: Int {
        storedRows?.first.map { inputs / $0.format.blockCount * $0.format.blockSize } ?? Self.codeBytes(precision, inputs: inputs)
    }

    /// The layout that holds the codes and scales of some rows unchanged; nil if there is none, or if it is not the same for all of them.
    func layout(of rows: Range<Int>) -> Int32? {
        guard let parts = storedRows else { return precision.isInteger ? precision.code : nil }
        let formats = parts.filter { $0.rows.overlaps(rows) }.map(\.format)
        return formats.allSatisfy { $0 == formats.first } ? formats.first?.layout : nil
    }

    /// The layouts that hold the codes and scales of all rows unchanged; nil if some rows have none, or if others begin within a panel:
    /// then all are quantized once more. How many rows a panel has depends on the CPU.
    ///
    /// - Parameter panel: The rows of a panel.
    func sections(panel: Int) -> [PackedWeights.Section]? {
        guard let parts = storedRows else { return layout(of: 0..<outputs).map { [PackedWeights.Section(rows: 0..<outputs, layout: $0)] } }
        var sections: [PackedWeights.Section] = []
        for part in parts {
            guard let layout = part.format.layout else { return nil }
            if let last = sections.last, last.layout == layout {
                sections[sections.count - 1] = PackedWeights.Section(rows: last.rows.lowerBound..<part.rows.upperBound, layout: layout)
            } else {
                if part.rows.lowerBound % panel != 0 { return nil }
                sections.append(PackedWeights.Section(rows: part.rows, layout: layout))
            }
        }
        return sections
    }

    /// Bytes of the numbers, or of the codes and scales.
    package var storedBytes: Int {
        switch content {
        case .codes(let codes, let scales): codes.count * codes.type.size + scales.count * scales.type.size
        case .rows(let parts): parts.reduce(0) { $0 + $1.byteCount }
        }
    }

    package func releasePages() { releasePages(0..<outputs) }

    /// Returns the pages of some rows to the system: they are read from the file again on the next access.
    func releasePages(_ rows: Range<Int>) {
        if !equalsFile || readsFile { return }
        switch content {
        case .codes(let codes, let scales):
            let width = Self.codeBytes(precision, inputs: inputs) / codes.type.size, groups = scales.count / outputs
            codes[rows.lowerBound * width..<rows.upperBound * width].releaseFilePages()
            scales[rows.lowerBound * groups..<rows.upperBound * groups].releaseFilePages()
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
    ///
    /// - Parameter calibration: What is known of the inputs of the matrix, for int8, int6 and int4.
    package func quantize(
        _ values: Buffer, outputs O: Int, inputs I: Int, to precision: WeightPrecision, calibration: InputStatistics? = nil
    ) -> QuantizedWeights {
        if precision == .bfloat16 {
            let rounded = buffer(of: O * I, .bfloat16)
            copy(values, into: rounded)
            return QuantizedWeights(.bfloat16, outputs: O, inputs: I, codes: rounded, scales: buffer(of: 0, .float32))
        }
        require(
            values.count == O * I && I > 0 && (calibration?.inputs ?? I) == I,
            "weights: \(values.count) elements for [\(O), \(I)], and statistics of \(calibration?.inputs ?? I) inputs")
        let width = QuantizedWeights.codeBytes(precision, inputs: I), panel = table.weights_panel
        let groups = precision == .int8 ? QuantizedWeights.groups(inputs: I) : 0
        let codes = buffer(of: O * width, .byte), scales = buffer(of: O * groups, .float32)
        let inputScales = inputScales(of: QuantizedWeights(values, outputs: O, inputs: I), as: precision)
        let scratch = scratch(table.weights_pack_scratch(I)), errors = calibration?.errorWeights(on: self, dividedBy: inputScales)
        measured("quantize", bytes: O * I * 4) {
            parallelFor(table.panels(of: O)) { item, thread in
                let rows = item * panel..<min((item + 1) * panel, O)
                table.weights_quantize(
                    precision.code, values.floats + rows.lowerBound * I, rows.count, I, inputScales?.floats, errors?.factor?.floats,
                    errors?.importance?.floats, codes.bytes + rows.lowerBound * width, scales.floats + rows.lowerBound * groups,
                    scratch[thread])
            }
        }
        return QuantizedWeights(precision, outputs: O, inputs: I, codes: codes, scales: scales, inputScales: inputScales)
    }

    /// The bytes of blocks of another program's file for weights [O, I].
    ///
    /// - Parameters:
    ///   - format: One that is fitted (``StoredFormat/isFitted``), whose blocks divide I.
    ///   - errors: Those of the statistics of the matrix's inputs (``InputStatistics/errorWeights(on:dividedBy:)``).
    package func blocks(
        _ values: Buffer, outputs O: Int, inputs I: Int, as format: StoredFormat, weighting errors: ErrorWeights? = nil
    ) -> Buffer {
        guard let layout = format.layout, format.isFitted else { preconditionFailure("\(format.name) blocks are not fitted") }
        require(
            values.count == O * I && I % format.blockCount == 0 && (errors?.factor?.count ?? I * I) == I * I
                && (errors?.importance?.count ?? I) >= I,
            "\(format.name): \(values.count) elements for [\(O), \(I)], and statistics of another number of inputs")
        let width = table.weights_row_bytes(layout, I), panel = table.weights_panel, bytes = buffer(of: O * width, .byte)
        let scratch = scratch(table.weights_pack_scratch(I))
        measured("quantize", bytes: O * I * 4) {
            parallelFor(table.panels(of: O)) { item, thread in
                let first = item * panel
                table.weights_quantize(
                    layout, values.floats + first * I, min(panel, O - first), I, nil, errors?.factor?.floats, errors?.importance?.floats,
                    bytes.bytes + first * width, nil, scratch[thread])
            }
        }
        return bytes
    }

    /// Writes the dequantized weights, or some rows and columns of them, in f32 or rounded to bf16.
    ///
    /// - Parameter columns: Begin at a multiple of ``QuantizedWeights/columnsTogether``.
    package func dequantize(
        _ weights: QuantizedWeights, rows: Range<Int>? = nil, columns: Range<Int>? = nil, into values: Buffer
    ) {
        let (O, I) = (weights.outputs, weights.inputs), rows = rows ?? 0..<O, columns = columns ?? 0..<I
        require(
            0 <= rows.lowerBound && rows.upperBound <= O && 0 <= columns.lowerBound && columns.upperBound <= I
                && columns.lowerBound % QuantizedWeights.columnsTogether == 0 && values.count == rows.count * columns.count,
            "dequantize: rows \(rows) and columns \(columns) of [\(O), \(I)] into \(values.count) elements")
        let width = values.type.size
        measured("dequantize", bytes: values.count * weights.rowBytes / max(I, 1) + width * values.count) {
            split(rows.count, atLeast: 64) { part in
                dequantize(
                    weights, rows: rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound, columns: columns,
                    into: values.pointer + part.lowerBound * columns.count * width, as: values.type)
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
                dequantize(weights, row: Int(ids[n]), into: y.floats + n * I)
            }
        }
    }

    func dequantize(_ weights: QuantizedWeights, row: Int, into values: UnsafeMutablePointer<Float>) {
        dequantize(weights, rows: row..<row + 1, columns: 0..<weights.inputs, into: values, as: .float32)
    }

    func dequantize(
        _ weights: QuantizedWeights, rows: Range<Int>, columns: Range<Int>, into values: UnsafeMutableRawPointer, as type: DataType
    ) {
        guard let stored = weights.storedRows else {
            let codes = weights.codes.pointer + rows.lowerBound * weights.rowBytes
            let scales = weights.scales.floats + rows.lowerBound * weights.scales.count / weights.outputs
            return decode(weights, codes, scales, rows: rows.count, columns: columns, into: values, as: type)
        }
        for part in stored where part.rows.overlaps(rows) {
            let wanted = rows.clamped(to: part.rows)
            let target = values + (wanted.lowerBound - rows.lowerBound) * columns.count * type.size
            part.read(wanted, columns: columns, inputs: weights.inputs, into: target, as: type, with: table.read_stored)
        }
    }

    /// Decodes rows of `weights`, or copies of them: numbers, or codes and their scales.
    func decode(
        _ weights: QuantizedWeights, _ codes: UnsafeRawPointer, _ scales: UnsafePointer<Float>, rows: Int, columns: Range<Int>,
        into values: UnsafeMutableRawPointer, as type: DataType
    ) {
        let I = weights.inputs, first = columns.lowerBound
        if !weights.precision.isInteger {
            let format = weights.precision == .float32 ? SLM_STORED_F32 : SLM_STORED_BF16, size = weights.codes.type.size
            for n in 0..<rows {
                table.read_stored(
                    Int32(format), codes + n * weights.rowBytes + size * first, columns.count, values + n * columns.count * type.size,
                    type.code)
            }
        } else {
            table.weights_dequantize(
                weights.precision.code, codes.assumingMemoryBound(to: UInt8.self), scales, weights.inputScales?.floats, rows, I, first,
                columns.count, values, type.code)
        }
    }
}

extension Collection<QuantizedWeights> {
    /// The average over all matrices; nil without any.
    package var storedBytesPerWeight: Double? {
        let count = reduce(0) { $0 + $1.outputs * $1.inputs }
        return count == 0 ? nil : Double(reduce(0) { $0 + $1.storedBytes }) / Double(count)
    }
}
