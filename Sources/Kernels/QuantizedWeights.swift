internal import CKernels

/// A weight matrix [O, I] in int8 or int4, row by row, as checkpoints store it, or in bf16. The same on every CPU, unlike
/// ``PackedWeights``.
///
///     let quantized = processor.quantize(values, outputs: O, inputs: I, to: .int8)
///     let packed = processor.pack(quantized)                                 // equals pack(values, …, as: .int8)
///     processor.dequantize(quantized, into: values)
package struct QuantizedWeights {
    package let precision: WeightPrecision
    package let outputs, inputs: Int
    /// int8: [O, I], each weight in steps of its scale, + 128. int4: [O, (I + 1)/2], indices of levels, two per byte, the first in the low
    /// half. bf16: [O, I], the numbers themselves.
    package let codes: Buffer
    /// [O, groups]: one scale for each 64 inputs; none for bf16.
    package let scales: Buffer

    package init(_ precision: WeightPrecision, outputs: Int, inputs: Int, codes: Buffer, scales: Buffer) {
        require(
            codes.type == (precision == .bfloat16 ? .bfloat16 : .byte)
                && codes.count * codes.type.size == outputs * Self.codeBytes(precision, inputs: inputs)
                && scales.count == (precision == .bfloat16 ? 0 : outputs * Self.groups(inputs: inputs)),
            "\(precision.rawValue) weights [\(outputs), \(inputs)] of \(codes.count) codes and \(scales.count) scales")
        self.precision = precision
        self.outputs = outputs
        self.inputs = inputs
        self.codes = codes
        self.scales = scales
    }

    /// The numbers [O, I] of weights in bf16, which matmuls read as they are; nil for codes.
    package var bfloat16: Buffer? { precision == .bfloat16 ? codes : nil }

    /// Bytes of the codes of one row.
    package static func codeBytes(_ precision: WeightPrecision, inputs: Int) -> Int {
        switch precision {
        case .bfloat16: return 2 * inputs
        case .int8: return inputs
        case .int4: return (inputs + 1) / 2
        case .float32: preconditionFailure("quantized weights: expected bf16, int8 or int4, found f32")
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
        return QuantizedWeights(precision, outputs: O, inputs: I, codes: codes, scales: scales)
    }

    /// Packs quantized weights.
    ///
    /// - Parameter releasingFile: Releases pages of the file that holds the codes soon after they are read; see
    ///   ``Buffer/releaseFilePages()``.
    package func pack(_ weights: QuantizedWeights, releasingFile: Bool = false) -> PackedWeights {
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
                if releasingFile {
                    let rows = first * table.weights_panel..<min(last * table.weights_panel, O)
                    weights.codes[rows.lowerBound * width..<rows.upperBound * width].releaseFilePages()
                }
            }
        }
        return PackedWeights(precision: precision, outputs: O, inputs: I, layout: precision.code, panels: panels)
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
        measured("dequantize", bytes: rows.count * QuantizedWeights.codeBytes(weights.precision, inputs: I) + 4 * values.count) {
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
        if let numbers = weights.bfloat16 {
            let I = weights.inputs, row = numbers[row * I..<(row + count) * I].pointer.assumingMemoryBound(to: UInt16.self)
            for i in 0..<count * I { values[i] = Float(bitPattern: UInt32(row[i]) << 16) }
            return
        }
        let width = QuantizedWeights.codeBytes(weights.precision, inputs: weights.inputs)
        let groups = QuantizedWeights.groups(inputs: weights.inputs)
        table.weights_dequantize(
            weights.precision.code, weights.codes.bytes + row * width, weights.scales.floats + row * groups, count, weights.inputs, values)
    }
}
