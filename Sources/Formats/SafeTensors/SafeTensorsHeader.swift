package import Checkpoint
import JSON

/// What a safetensors file says of itself: 8 bytes of length, a JSON object of so many bytes, and the numbers it speaks of, without gaps.
///
///     let header = try SafeTensorsHeader(of: bytes, path: "model.safetensors")
///     header.tensors["wte.weight"]?.shape                      // [50257, 768]
///
/// It comes from outside, and every length, type, shape and place is checked here: what a tensor's `range` says lies in the file, and in no other tensor.
package struct SafeTensorsHeader {
    package struct Tensor: Equatable {
        /// As the file calls it: F32, BF16, …
        package let type: String
        package let shape: [Int]
        /// Where its bytes are in the file.
        package let range: Range<Int>
    }

    package private(set) var tensors: Named<Tensor> = [:]

    /// Bytes of an element, by what the format calls them.
    static let types = ["BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4,
                        "U64": 8, "I64": 8, "F64": 8]
    /// As in Hugging Face's own reader.
    private static let largestHeader = 100_000_000

    package init(of bytes: Span<UInt8>, path: String) throws(CheckpointError) {
        let file = ForeignFile(path)
        guard bytes.count >= 8 else { throw file.wrong("the length of its header", "8 bytes", "the end of the file after \(bytes.count)") }
        let length = (0..<8).reduce(0) { $0 | UInt64(bytes[$1]) << UInt64(8 * $1) }, limit = min(bytes.count - 8, Self.largestHeader)
        guard length <= UInt64(limit) else { throw file.wrong("the length of its header", "at most \(limit) bytes, for such a file", "\(length)") }
        let start = 8 + Int(length), root = try file.json(bytes.extracting(8..<start))
        guard let members = root.members else { throw file.wrong("its header", "an object", root.kind.rawValue) }
        for (key, value) in members where !key.isString("__metadata__") {
            guard let name = key.string else { continue }            // a key is a string
            guard tensors[name] == nil else { throw file.wrong(Self.place(name), "each tensor once", "a second one") }
            tensors[name] = try Self.tensor(value, at: Self.place(name), start..<bytes.count, file)
        }
        try checkPlaces(start..<bytes.count, file)
    }

    static func place(_ name: String) -> String { "tensor " + Value.text(String(name.prefix(100))).shown }

    private static func tensor(_ value: JSONElement, at place: String, _ room: Range<Int>, _ file: ForeignFile) throws(CheckpointError) -> Tensor {
        let type = try file.ask(place) { () throws(JSONError) in try value.string("dtype") }
        guard let size = types[type] else {
            throw file.wrong("\(place).dtype", "one of \(types.keys.sorted().joined(separator: ", "))", Value.text(String(type.prefix(40))).shown)
        }
        let shape = try integers(value, "shape", at: place, file), offsets = try integers(value, "data_offsets", at: place, file)
        var count = 1
        for length in shape {
            let (product, isTooLarge) = count.multipliedReportingOverflow(by: length)
            guard !isTooLarge else { throw file.wrong("\(place).shape", "sizes that fit into the file", "\(shape.prefix(8))") }
            count = product
        }
        guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= room.count else {
            throw file.wrong("\(place).data_offsets", "a beginning and an end among the \(room.count) bytes of numbers", "\(offsets.prefix(8))")
        }
        let (bytes, isTooLarge) = count.multipliedReportingOverflow(by: size)
        guard !isTooLarge, bytes == offsets[1] - offsets[0] else {
            throw file.wrong("\(place).data_offsets", "the bytes of \(count) \(type)", "\(offsets[1] - offsets[0]) bytes")
        }
        return Tensor(type: type, shape: shape, range: room.lowerBound + offsets[0]..<room.lowerBound + offsets[1])
    }

    /// Whole numbers from 0 on.
    private static func integers(_ value: JSONElement, _ key: String, at place: String, _ file: ForeignFile) throws(CheckpointError) -> [Int] {
        var result: [Int] = []
        for element in try file.ask(place, { () throws(JSONError) in try value.array(key) }) {
            guard let number = element.integer, number >= 0 else {
                throw file.wrong("\(place).\(key)", "whole numbers from 0 on", element.number.map { "\($0)" } ?? element.kind.rawValue)
            }
            result.append(number)
        }
        return result
    }

    /// The format allows no byte that belongs to two tensors, or to none.
    private func checkPlaces(_ room: Range<Int>, _ file: ForeignFile) throws(CheckpointError) {
        var end = room.lowerBound
        let placed = tensors.sorted { ($0.element.range.lowerBound, $0.element.range.upperBound) < ($1.element.range.lowerBound, $1.element.range.upperBound) }
        for (name, tensor) in placed {
            guard tensor.range.lowerBound == end else {
                throw file.wrong("\(Self.place(name)).data_offsets", "\(end - room.lowerBound) as its beginning, where the one before it ends",
                                 "\(tensor.range.lowerBound - room.lowerBound)")
            }
            end = tensor.range.upperBound
        }
        guard end == room.upperBound else { throw file.wrong("its numbers", "\(end - room.lowerBound) bytes, as its header says", "\(room.count)") }
    }
}
