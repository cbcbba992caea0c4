/// The element type of a stored array: little-endian, without padding.
enum ElementType: Hashable {
    case float32, float64, int64, uint8
    /// UTF-8 of so many bytes, followed by a zero byte, because HDF5 has no strings of length 0.
    case text(length: Int)

    /// Bytes per element.
    var size: Int {
        switch self {
        case .float32: 4
        case .float64, .int64: 8
        case .uint8: 1
        case .text(let length): length + 1
        }
    }

    /// The type's name in messages.
    var name: String {
        switch self {
        case .float32: "f32"
        case .float64: "f64"
        case .int64: "i64"
        case .uint8: "u8"
        case .text: "string"
        }
    }
}

/// An array to be written.
struct ArrayDescription {
    /// Groups and name, as in `weights/tokens.weight`.
    let path: String
    let type: ElementType
    let shape: [Int]

    var byteCount: Int { shape.reduce(type.size, *) }
}

/// An array found in a file. Its range is checked: it lies in the file and overlaps no other array.
struct StoredArray {
    let path: String
    let type: ElementType
    let shape: [Int]
    /// The array's bytes in the file.
    let range: Range<Int>

    /// Type and shape in messages: f32 [512, 128].
    var typeDescription: String { "\(type.name) [\(shape.map(String.init).joined(separator: ", "))]" }
}
