import Files
import JSON
import Kernels

/// Writes a safetensors file without copying the arrays.
///
///     var file = try SafeTensorsWriter(path)
///     try file.write(arrays, as: .f32)
///     try file.commit()
struct SafeTensorsWriter: ~Copyable {
    struct Array {
        let part: TensorPart
        /// The parameter that the tensor is part of; nil for zeros.
        let parameter: (values: Buffer, columns: Int)?
    }

    private var file: AtomicFile

    init(_ path: String) throws(FileError) { file = try AtomicFile(path) }

    /// Writes the header and all data, and syncs them to disk.
    mutating func write(_ arrays: [Array], as format: WeightFormat) throws(FileError) {
        try file.write(Self.header(of: arrays, as: format))
        for array in arrays { try write(array, as: format) }
        try file.finish()
    }

    /// Renames the file to its final path.
    consuming func commit() throws(FileError) { try file.commit() }

    /// The length and the JSON, padded with spaces so that the data starts at a multiple of 8.
    private static func header(of arrays: [Array], as format: WeightFormat) -> [UInt8] {
        var writer = JSONWriter(), end = 0
        writer.object { header in
            // transformers requires it.
            header.object("__metadata__") { $0["format"] = "pt" }
            // The parts of a tensor follow each other.
            for array in arrays where array.part.isFirst {
                let start = end
                end += array.part.tensorShape.reduce(format.size, *)
                header.object(array.part.name) {
                    $0["dtype"] = format.rawValue.uppercased()
                    $0.array("shape") { for size in array.part.tensorShape { $0.integer(size) } }
                    $0.array("data_offsets") { $0.integer(start); $0.integer(end) }
                }
            }
        }
        let text = writer.bytes + [UInt8](repeating: 32, count: (8 - writer.bytes.count % 8) % 8)
        return text.count.littleEndianBytes + text
    }

    private mutating func write(_ array: Array, as format: WeightFormat) throws(FileError) {
        let part = array.part
        var bytes: [UInt8] = []
        for first in stride(from: 0, to: part.count, by: part.step) {
            let range = first..<min(first + part.step, part.count)
            bytes.removeAll(keepingCapacity: true)
            if let (values, columns) = array.parameter {
                for number in part.numbers(range, of: values, columns: columns) { format.append(number, to: &bytes) }
            } else {
                bytes = [UInt8](repeating: 0, count: range.count * format.size)
            }
            try file.write(bytes)
        }
    }
}
