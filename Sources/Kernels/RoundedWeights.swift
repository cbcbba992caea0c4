internal import CKernels

/// A weight matrix [O, I] in int8 or int4, row after row, as a file keeps it: the same on every machine.
///
///     let rounded = processor.quantize(values, outputs: O, inputs: I, to: .int8)
///     let packed = processor.pack(rounded)                                   // what packing the values themselves gives
///     processor.dequantize(rounded, into: values)                            // what they stand for
package struct QuantizedWeights {
    package let precision: WeightPrecision
    package let outputs, inputs: Int
    /// [O, I] of int8: how many steps of its scale a weight is, + 128. [O, (I + 1)/2] of int4: the place of its level, two a byte, the
    /// first in the low half.
    package let codes: Buffer
    /// [O, groups], for each 64 inputs.
    package let scales: Buffer

    package init(_ precision: WeightPrecision, outputs: Int, inputs: Int, codes: Buffer, scales: Buffer) {
        require(
            codes.type == .byte && codes.count == outputs * Self.codeBytes(precision, inputs: inputs)
                && scales.count == outputs * Self.groups(inputs: inputs),
            "\(precision.rawValue) weights [\(outputs), \(inputs)] of \(codes.count) codes and \(scales.count) scales")
        self.precision = precision
        self.outputs = outputs
        self.inputs = inputs
        self.codes = codes
        self.scales = scales
    }

    /// Bytes of a row's codes.
    package static func codeBytes(_ precision: WeightPrecision, inputs: Int) -> Int {
        require(precision == .int8 || precision == .int4, "\(precision.rawValue) weights have no codes")
        return precision == .int8 ? inputs : (inputs + 1) / 2
    }

    package static func groups(inputs: Int) -> Int { (inputs + Int(SLM_GROUP) - 1) / Int(SLM_GROUP) }
}

extension Processor {
    package func quantize(_ values: Buffer, outputs O: Int, inputs I: Int, to precision: WeightPrecision) -> QuantizedWeights {
        let packed = pack(values, outputs: O, inputs: I, as: precision), width = QuantizedWeights.codeBytes(precision, inputs: I),
            groups = QuantizedWeights.groups(inputs: I)
        let codes = buffer(of: O * width, .byte), scales = buffer(of: O * groups, .float32)
        split(O) { rows in
            table.weights_unpack(
                precision.code, packed.panels.pointer, I, rows.lowerBound, rows.upperBound, codes.bytes + rows.lowerBound * width,
                scales.floats + rows.lowerBound * groups)
        }
        return QuantizedWeights(precision, outputs: O, inputs: I, codes: codes, scales: scales)
    }

    /// - Parameter releasingFile: Gives back what was read of a file, soon after it was (see ``Buffer/releaseFilePages()``).
    package func pack(_ rounded: QuantizedWeights, releasingFile: Bool = false) -> PackedWeights {
        let (O, I) = (rounded.outputs, rounded.inputs), precision = rounded.precision
        let panels = buffer(of: (table.weights_bytes(precision.code, O, I) + 3) / 4, .int32)
        // a MB
        let width = QuantizedWeights.codeBytes(precision, inputs: I), count = table.panels(of: O),
            together = max(threads, (1 << 20) / (width * table.weights_panel))
        measured("pack weights", bytes: rounded.codes.count + panels.count * 4) {
            for first in stride(from: 0, to: count, by: together) {
                let last = min(first + together, count)
                split(last - first) { range in
                    table.weights_repack(
                        precision.code, rounded.codes.bytes, rounded.scales.floats, O, I, first + range.lowerBound,
                        first + range.upperBound, panels.pointer)
                }
                if releasingFile { rounded.codes.releaseFilePages() }
            }
        }
        return PackedWeights(precision: precision, outputs: O, inputs: I, layout: precision.code, panels: panels)
    }

    /// What it stands for.   into [O, I]
    package func dequantize(_ rounded: QuantizedWeights, into values: Buffer) {
        let (O, I) = (rounded.outputs, rounded.inputs), width = QuantizedWeights.codeBytes(rounded.precision, inputs: I),
            groups = QuantizedWeights.groups(inputs: I)
        require(values.count == O * I, "weights [\(O), \(I)] into \(values.count) numbers")
        split(O, atLeast: 64) { rows in
            let n = rows.lowerBound
            table.weights_values(
                rounded.precision.code, rounded.codes.bytes + n * width, rounded.scales.floats + n * groups, rows.count, I,
                values.floats + n * I)
        }
    }
}
