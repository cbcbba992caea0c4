package import Checkpoint
import Files
import JSON

/// The header of a safetensors file: an 8-byte length and a JSON object of that many bytes. The tensors' data follow without gaps.
///
///     let header = try SafeTensorsHeader(of: bytes, path: "model.safetensors")
///     header.tensors["wte.weight"]?.shape                      // [50257, 768]
///
/// Every length, type, shape and offset is checked: a tensor's `range` lies in the file and overlaps no other tensor.
package struct SafeTensorsHeader {
    package struct Tensor: Equatable {
        /// The format's own type name: F32, BF16, …
        package let type: String
        package let shape: [Int]
        /// The tensor's bytes in the file.
        package let range: Range<Int>
    }

    package private(set) var tensors: OrderedDictionary<Tensor> = [:]

    /// Bytes per element by type name.
    static let elementSizes = [
        "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4,
        "U64": 8, "I64": 8, "F64": 8,
    ]
    /// The limit of Hugging Face's own reader.
    private static let maximumHeaderSize = 100_000_000

    package init(of bytes: Span<UInt8>, path: String) throws(CheckpointError) {
        let file = ImportedFile(path)
        let kind = FileKind(of: bytes)
        if kind == .lfsPointer || kind == .webPage { throw file.mismatch("the file", "tensors", kind.rawValue) }
        guard bytes.count >= 8 else { throw file.mismatch("header length", "8 bytes", "\(bytes.count)") }
        let length = UInt64(littleEndian: bytes.extracting(0..<8))
        let limit = min(bytes.count - 8, Self.maximumHeaderSize)
        guard length <= UInt64(limit) else {
            throw file.mismatch("header length", "at most \(limit) bytes in a file of this size", "\(length)")
        }
        let start = 8 + Int(length), root = try file.json(bytes.extracting(8..<start))
        guard let members = root.members else { throw file.mismatch("header", "an object", root.kind.rawValue) }
        for (key, value) in members where !key.isString("__metadata__") {
            guard let name = key.string else { continue }            // keys are strings
            guard tensors[name] == nil else { throw file.mismatch(Self.field(name), "each tensor once", "a duplicate") }
            tensors[name] = try Self.tensor(value, Self.field(name), data: start..<bytes.count, file)
        }
        try checkGaps(data: start..<bytes.count, file)
    }

    /// The name of a tensor in error messages.
    static func field(_ name: String) -> String { "tensor " + String(name.prefix(100)).quoted }

    private static func tensor(
        _ value: JSONElement, _ field: String, data: Range<Int>, _ file: ImportedFile
    ) throws(CheckpointError) -> Tensor {
        let type = try file.read(field) { () throws(JSONError) in try value.string("dtype") }
        guard let size = elementSizes[type] else {
            let known = elementSizes.keys.sorted().joined(separator: ", ")
            throw file.mismatch("\(field).dtype", "one of \(known)", String(type.prefix(40)).quoted)
        }
        let shape = try integers(value, "shape", of: field, file)
        let offsets = try integers(value, "data_offsets", of: field, file)
        var count = 1
        for length in shape {
            let (product, overflows) = count.multipliedReportingOverflow(by: length)
            guard !overflows else { throw file.mismatch("\(field).shape", "sizes that fit into the file", "\(shape.prefix(8))") }
            count = product
        }
        guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= data.count else {
            throw file.mismatch("\(field).data_offsets", "a start and an end within the \(data.count) data bytes", "\(offsets.prefix(8))")
        }
        let (bytes, overflows) = count.multipliedReportingOverflow(by: size)
        guard !overflows, bytes == offsets[1] - offsets[0] else {
            throw file.mismatch("\(field).data_offsets", "the bytes of \(count) \(type)", "\(offsets[1] - offsets[0]) bytes")
        }
        return Tensor(type: type, shape: shape, range: data.lowerBound + offsets[0]..<data.lowerBound + offsets[1])
    }

    private static func integers(
        _ value: JSONElement, _ key: String, of field: String, _ file: ImportedFile
    ) throws(CheckpointError) -> [Int] {
        var result: [Int] = []
        for element in try file.read(field, { () throws(JSONError) in try value.array(key) }) {
            guard let number = element.integer, number >= 0 else {
                let found = element.number.map { "\($0)" } ?? element.kind.rawValue
                throw file.mismatch("\(field).\(key)", "non-negative whole numbers", found)
            }
            result.append(number)
        }
        return result
    }

    /// The format requires that each data byte belongs to exactly one tensor.
    private func checkGaps(data: Range<Int>, _ file: ImportedFile) throws(CheckpointError) {
        var end = data.lowerBound
        let sorted = tensors.sorted {
            ($0.element.range.lowerBound, $0.element.range.upperBound) < ($1.element.range.lowerBound, $1.element.range.upperBound)
        }
        for (name, tensor) in sorted {
            guard tensor.range.lowerBound == end else {
                throw file.mismatch(
                    "\(Self.field(name)).data_offsets", "the start \(end - data.lowerBound), the end of the previous tensor",
                    "\(tensor.range.lowerBound - data.lowerBound)"
                )
            }
            end = tensor.range.upperBound
        }
        guard end == data.upperBound else {
            throw file.mismatch("data", "\(end - data.lowerBound) bytes, as in the header", "\(data.count)")
        }
    }
}
