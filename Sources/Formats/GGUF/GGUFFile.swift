import Checkpoint
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

/// Metadata. Each accessor throws if the key has another type, or is missing without a value in its place (`else`).
///
///     let heads = try file.integer("gpt2.attention.head_count", 1...65_536)
extension GGUFFile {
    /// What a message calls a file that cannot hold a model.
    static func format(at path: String) -> String { "\(path): a GGUF file" }

    /// - Parameter found: by default, the value of the key `name`
    func mismatch(_ name: String, _ expected: String, _ found: String? = nil) -> CheckpointError {
        .mismatch(path: path, name: name, expected: expected, found: found ?? metadata[name]?.displayText ?? "nothing")
    }

    func integer(_ key: String, else other: Int? = nil, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
        if let other, metadata[key] == nil { return other }
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

    func number(_ key: String, else other: Double? = nil, _ range: ClosedRange<Double>) throws(CheckpointError) -> Double {
        if let other, metadata[key] == nil { return other }
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

    func boolean(_ key: String, else other: Bool) throws(CheckpointError) -> Bool {
        if metadata[key] == nil { return other }
        guard case .boolean(let value)? = metadata[key] else { throw mismatch(key, "true or false") }
        return value
    }

    func text(_ key: String, else other: String? = nil, in bytes: Span<UInt8>) throws(CheckpointError) -> String {
        if let other, metadata[key] == nil { return other }
        guard case .text(let range)? = metadata[key] else { throw mismatch(key, "a string") }
        return String(decoding: range.map { bytes[$0] }, as: UTF8.self)
    }

    func array(_ key: String, of elements: [GGUFValueType]) throws(CheckpointError) -> GGUFArray {
        guard case .array(let array)? = metadata[key], elements.contains(array.element) else {
            throw mismatch(key, "an array of " + elements.map { "\($0)" }.joined(separator: " or "))
        }
        return array
    }

    /// Whether each layer has a sliding window: the pattern in the file is a list, or a period, of which `full` is the one layer without.
    func isSliding(
        _ prefix: String, layers: Int, period usual: Int, full: (_ period: Int) -> Int, in bytes: Span<UInt8>
    ) throws(CheckpointError) -> [Bool] {
        let key = "\(prefix).attention.sliding_window_pattern"
        guard case .array? = metadata[key] else {
            let period = try integer(key, else: usual, 1...1_024)
            return (0..<layers).map { $0 % period != full(period) }
        }
        let pattern = try array(key, of: [.bool])
        guard pattern.count == layers else { throw mismatch(key, "one for each of the \(layers) layers") }
        return pattern.range.map { bytes[$0] != 0 }
    }
}
