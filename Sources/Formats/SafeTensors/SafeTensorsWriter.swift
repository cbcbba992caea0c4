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
        let name: String
        /// The shape in the file.
        let shape: [Int]
        let values: Values
    }

    enum Values {
        case matrix(Buffer)
        /// The transpose of the matrix in the file.
        case transposed(Buffer)
        case zeros
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
            header.key("__metadata__"); header.object { $0.key("format"); $0.string("pt") }
            for array in arrays {
                let start = end
                end += array.shape.reduce(format.size, *)
                header.key(array.name); header.object {
                    $0.key("dtype"); $0.string(format.rawValue.uppercased())
                    $0.key("shape"); $0.array { for size in array.shape { $0.integer(size) } }
                    $0.key("data_offsets"); $0.array { $0.integer(start); $0.integer(end) }
                }
            }
        }
        let text = writer.bytes + [UInt8](repeating: 32, count: (8 - writer.bytes.count % 8) % 8)
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
    }

    /// Writes an array 16 rows at a time.
    private mutating func write(_ array: Array, as format: WeightFormat) throws(FileError) {
        let isMatrix = array.shape.count == 2
        let rows = isMatrix ? array.shape[0] : 1
        let columns = isMatrix ? array.shape[1] : array.shape.reduce(1, *)
        var bytes: [UInt8] = []
        for first in stride(from: 0, to: rows, by: 16) {
            bytes.removeAll(keepingCapacity: true)
            let range = first..<min(first + 16, rows)
            switch array.values {
            case .matrix(let values):
                values.read { span in
                    for i in range.lowerBound * columns..<range.upperBound * columns { format.append(span[i], to: &bytes) }
                }
            case .transposed(let values):
                values.read { span in
                    for row in range {
                        for column in 0..<columns { format.append(span[column * rows + row], to: &bytes) }
                    }
                }
            case .zeros: bytes = [UInt8](repeating: 0, count: range.count * columns * format.size)
            }
            try file.write(bytes)
        }
    }
}
