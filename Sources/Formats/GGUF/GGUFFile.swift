/// What a GGUF file says, every number of it checked. Texts, rows and tensors stay in the file; this knows where.
struct GGUFFile {
    let path: String
    let metadata: [String: GGUFValue]
    let tensors: [String: GGUFTensor]
}

struct GGUFTensor {
    let type: GGUFType
    /// Outermost first, as PyTorch has it: the file has it the other way round.
    let shape: [Int]
    /// Where its bytes are in the file.
    let range: Range<Int>

    /// As a message calls it: Q8_0 [1536, 512].
    var kind: String { "\(type.name) [\(shape.map(String.init).joined(separator: ", "))]" }
}

enum GGUFValue {
    case unsigned(UInt64), signed(Int64), number(Double), boolean(Bool)
    /// Where its UTF-8 is.
    case text(Range<Int>)
    case array(GGUFArray)

    /// As a message calls it.
    var kind: String {
        switch self {
        case .unsigned(let value): "\(value)"
        case .signed(let value): "\(value)"
        case .number(let value): "\(value)"
        case .boolean(let value): "\(value)"
        case .text: "a text"
        case .array(let array): "\(array.count) of \(array.element)"
        }
    }
}

struct GGUFArray {
    let element: GGUFKind
    let count: Int
    let range: Range<Int>
}

/// The types of values beside the tensors.
enum GGUFKind: UInt32 {
    case u8, i8, u16, i16, u32, i32, f32, bool, string, array, u64, i64, f64

    /// Bytes of one; of a string or an array at least so many.
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

/// Keys that must be there. What is there as something else is an error, too.
///
///     let heads = try file.integer("gpt2.attention.head_count", 1...65_536)
extension GGUFFile {
    func mismatch(_ key: String, _ expected: String) -> GGUFError {
        .mismatch(path: path, name: key, expected: expected, found: metadata[key]?.kind ?? "nothing")
    }

    func integer(_ key: String, _ range: ClosedRange<Int>) throws(GGUFError) -> Int {
        let value: Int? = switch metadata[key] {
        case .unsigned(let value)?: Int(exactly: value)
        case .signed(let value)?: Int(value)
        default: nil
        }
        guard let value, range.contains(value) else { throw mismatch(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") }
        return value
    }

    func number(_ key: String) throws(GGUFError) -> Double {
        guard case .number(let value)? = metadata[key] else { throw mismatch(key, "a number") }
        return value
    }

    func text(_ key: String, in bytes: Span<UInt8>) throws(GGUFError) -> String {
        guard case .text(let range)? = metadata[key] else { throw mismatch(key, "a text") }
        return String(decoding: range.map { bytes[$0] }, as: UTF8.self)
    }

    func array(_ key: String, of elements: [GGUFKind]) throws(GGUFError) -> GGUFArray {
        guard case .array(let array)? = metadata[key], elements.contains(array.element) else {
            throw mismatch(key, "a row of " + elements.map { "\($0)" }.joined(separator: " or "))
        }
        return array
    }
}
