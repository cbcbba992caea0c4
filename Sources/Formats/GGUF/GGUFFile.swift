import Kernels
/// The checked content of a GGUF file. Strings, arrays and tensors are ranges of the file.
struct GGUFFile {
    let path: String
    let metadata: [String: GGUFValue]
    let tensors: [String: GGUFTensor]
}

struct GGUFTensor {
    let type: StoredFormat
    /// Outermost dimension first, as in PyTorch. The file has the reverse order.
    let shape: [Int]
    /// The tensor's bytes in the file.
    let range: Range<Int>

    /// Type and shape in messages: Q8_0 [1536, 512].
    var typeDescription: String { "\(type.name) [\(shape.map(String.init).joined(separator: ", "))]" }
}

enum GGUFValue {
    case unsigned(UInt64), signed(Int64), number(Double), boolean(Bool)
    /// The range of its UTF-8.
    case text(Range<Int>)
    case array(GGUFArray)

    /// The value in messages.
    var displayText: String {
        switch self {
        case .unsigned(let value): "\(value)"
        case .signed(let value): "\(value)"
        case .number(let value): "\(value)"
        case .boolean(let value): "\(value)"
        case .text: "a string"
        case .array(let array): "an array of \(array.count) \(array.element)"
        }
    }
}

struct GGUFArray {
    let element: GGUFValueType
    let count: Int
    let range: Range<Int>
}

/// The types of metadata values.
enum GGUFValueType: UInt32 {
    case u8, i8, u16, i16, u32, i32, f32, bool, string, array, u64, i64, f64

    /// Bytes per value; the minimum for strings and arrays.
    var size: Int {
        switch self {
        case .u8, .i8, .bool: 1
        case .u16, .i16: 2
        case .u32, .i32, .f32: 4
        case .u64, .i64, .f64, .string: 8
        case .array: 12
        }
    }
}

/// Required metadata. Each accessor throws if the key is missing or has another type.
///
///     let heads = try file.integer("gpt2.attention.head_count", 1...65_536)
extension GGUFFile {
    func mismatch(_ key: String, _ expected: String) -> GGUFError {
        .mismatch(path: path, name: key, expected: expected, found: metadata[key]?.displayText ?? "nothing")
    }

    func integer(_ key: String, _ range: ClosedRange<Int>) throws(GGUFError) -> Int {
        let value: Int? = switch metadata[key] {
        case .unsigned(let value)?: Int(exactly: value)
        case .signed(let value)?: Int(value)
        default: nil
        }
        guard let value, range.contains(value) else {
            throw mismatch(key, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func number(_ key: String, _ range: ClosedRange<Double>) throws(GGUFError) -> Double {
        let value: Double? = switch metadata[key] {
        case .number(let value)?: value
        case .unsigned(let value)?: Double(value)
        default: nil
        }
        guard let value, range.contains(value) else {
            throw mismatch(key, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func boolean(_ key: String) throws(GGUFError) -> Bool {
        guard case .boolean(let value)? = metadata[key] else { throw mismatch(key, "true or false") }
        return value
    }

    func text(_ key: String, in bytes: Span<UInt8>) throws(GGUFError) -> String {
        guard case .text(let range)? = metadata[key] else { throw mismatch(key, "a string") }
        return String(decoding: range.map { bytes[$0] }, as: UTF8.self)
    }

    func array(_ key: String, of elements: [GGUFValueType]) throws(GGUFError) -> GGUFArray {
        guard case .array(let array)? = metadata[key], elements.contains(array.element) else {
            throw mismatch(key, "an array of " + elements.map { "\($0)" }.joined(separator: " or "))
        }
        return array
    }
}
