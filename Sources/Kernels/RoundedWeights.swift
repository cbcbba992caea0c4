internal import CKernels

/// A weight matrix [O, I] in int8 or int4, row after row, as a file keeps it: the same on every machine.
///
///     let rounded = processor.round(values, outputs: O, inputs: I, to: .int8)
///     let packed = processor.pack(rounded)                                   // what packing the values themselves gives
///     processor.values(of: rounded, into: values)                            // what they stand for
package struct RoundedWeights {
    package let form: WeightPrecision
    package let outputs, inputs: Int
    /// [O, I] of int8: how many steps of its scale a weight is, + 128. [O, (I + 1)/2] of int4: the place of its level, two a byte, the first in the low half.
    package let codes: Buffer
    /// [O, groups], for each 64 inputs.
    package let scales: Buffer

    package init(_ form: WeightPrecision, outputs: Int, inputs: Int, codes: Buffer, scales: Buffer) {
        require(codes.type == .byte && codes.count == outputs * Self.codeBytes(form, inputs: inputs) && scales.count == outputs * Self.groups(inputs: inputs),
                "\(form.rawValue) weights [\(outputs), \(inputs)] of \(codes.count) codes and \(scales.count) scales")
        (self.form, self.outputs, self.inputs, self.codes, self.scales) = (form, outputs, inputs, codes, scales)
    }

    /// Bytes of a row's codes.
    package static func codeBytes(_ form: WeightPrecision, inputs: Int) -> Int {
        require(form == .int8 || form == .int4, "\(form.rawValue) weights have no codes")
        return form == .int8 ? inputs : (inputs + 1) / 2
    }

    package static func groups(inputs: Int) -> Int { (inputs + Int(SLM_GROUP) - 1) / Int(SLM_GROUP) }
}

extension Processor {
    package func round(_ values: Buffer, outputs O: Int, inputs I: Int, to form: WeightPrecision) -> RoundedWeights {
        let packed = pack(values, outputs: O, inputs: I, as: form), width = RoundedWeights.codeBytes(form, inputs: I), groups = RoundedWeights.groups(inputs: I)
        let codes = buffer(of: O * width, .byte), scales = buffer(of: O * groups, .float32)
        split(O) { rows in
            table.weights_unpack(form.code, packed.panels.pointer, I, rows.lowerBound, rows.upperBound, codes.bytes + rows.lowerBound * width,
                                 scales.floats + rows.lowerBound * groups)
        }
        return RoundedWeights(form, outputs: O, inputs: I, codes: codes, scales: scales)
    }

    /// - Parameter forgetting: Gives back what was read of a file, soon after it was (see ``Buffer/forgetFile()``).
    package func pack(_ rounded: RoundedWeights, forgetting: Bool = false) -> PackedWeights {
        let (O, I) = (rounded.outputs, rounded.inputs), form = rounded.form
        let panels = buffer(of: (table.weights_bytes(form.code, O, I) + 3) / 4, .int32)
        let width = RoundedWeights.codeBytes(form, inputs: I), count = table.panels(of: O), together = max(threads, (1 << 20) / (width * table.weights_panel))      // a MB
        measured("pack weights", bytes: rounded.codes.count + panels.count * 4) {
            for first in stride(from: 0, to: count, by: together) {
                let last = min(first + together, count)
                split(last - first) { range in
                    table.weights_repack(form.code, rounded.codes.bytes, rounded.scales.floats, O, I, first + range.lowerBound, first + range.upperBound, panels.pointer)
                }
                if forgetting { rounded.codes.forgetFile() }
            }
        }
        return PackedWeights(form: form, outputs: O, inputs: I, layout: form.code, panels: panels)
    }

    /// What it stands for.   into [O, I]
    package func values(of rounded: RoundedWeights, into values: Buffer) {
        let (O, I) = (rounded.outputs, rounded.inputs), width = RoundedWeights.codeBytes(rounded.form, inputs: I), groups = RoundedWeights.groups(inputs: I)
        require(values.count == O * I, "weights [\(O), \(I)] into \(values.count) numbers")
        split(O, atLeast: 64) { rows in
            let n = rows.lowerBound
            table.weights_values(rounded.form.code, rounded.codes.bytes + n * width, rounded.scales.floats + n * groups, rows.count, I, values.floats + n * I)
        }
    }
}
