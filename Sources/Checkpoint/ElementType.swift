/// What an array in a file is made of. Little-endian, without gaps.
enum ElementType: Hashable {
    case float32, float64, int64, uint8
    /// UTF-8 of so many bytes, with a zero byte behind them: HDF5 knows no text of length 0.
    case text(length: Int)

    /// Bytes of one element.
    var size: Int {
        switch self {
        case .float32: 4
        case .float64, .int64: 8
        case .uint8: 1
        case .text(let length): length + 1
        }
    }

    /// As a message calls it.
    var name: String {
        switch self {
        case .float32: "f32"
        case .float64: "f64"
        case .int64: "i64"
        case .uint8: "u8"
        case .text: "text"
        }
    }
}

/// An array that a file is to hold.
struct ArrayDescription {
    /// Groups and name, as in `weights/tokens.weight`.
    let path: String
    let type: ElementType
    let shape: [Int]

    var byteCount: Int { shape.reduce(type.size, *) }
}

/// An array that a file holds, every number of it checked: its bytes lie in the file, and in no other array.
struct StoredArray {
    let path: String
    let type: ElementType
    let shape: [Int]
    /// Where its bytes are in the file.
    let range: Range<Int>

    /// As a message calls it: f32 [512, 128].
    var kind: String { "\(type.name) [\(shape.map(String.init).joined(separator: ", "))]" }
}
