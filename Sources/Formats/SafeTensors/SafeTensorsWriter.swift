import Checkpoint
import Files
import JSON
import Kernels

/// Writes a folder with a safetensors file, without copying the arrays.
///
///     try SafeTensorsWriter.write(arrays, as: .f32, named: "model.safetensors", with: files, to: folder)
enum SafeTensorsWriter {
    struct Array {
        let part: TensorPart
        /// The parameter that the tensor is part of; nil for zeros.
        let parameter: (values: Buffer, columns: Int)?
    }

    /// Writes the weights and other files. Each appears as a whole; the weights, which may fill the disk, are synced before the others are
    /// written.
    ///
    /// - Parameter outdated: Files that are deleted.
    static func write(
        _ arrays: [Array], as format: WeightFormat, named name: String, with files: [(name: String, bytes: [UInt8])],
        removing outdated: [String] = [], to folder: String
    ) throws(CheckpointError) {
        do {
            try Folder.create(folder)
            var file = try AtomicFile("\(folder)/\(name)")
            try file.write(header(of: arrays, as: format))
            for array in arrays { try write(array, as: format, to: &file) }
            try file.finish()
            try Folder.remove(outdated, in: folder)
            for (name, bytes) in files { try AtomicFile.write(bytes, to: "\(folder)/\(name)") }
            try file.commit()
        } catch { throw CheckpointError(error, needed: arrays.reduce(0) { $0 + $1.part.count * format.size }) }
    }

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

    private static func write(_ array: Array, as format: WeightFormat, to file: inout AtomicFile) throws(FileError) {
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
