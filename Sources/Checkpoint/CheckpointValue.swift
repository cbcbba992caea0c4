/// A value stored beside the weights: a number, a string, or an array of numbers.
///
///     checkpoint.training = ["step": 2_000, "plan/lr": 3e-4, "plan/preset": "tiny", "data/order": .integers(order)]
///
/// An unsigned number, such as a seed, is stored by its bits: `.integer(Int(truncatingIfNeeded: seed))`.
package enum CheckpointValue: Sendable {
    case integer(Int), number(Double), text(String)
    case integers([Int]), numbers([Double]), floats([Float]), bytes([UInt8])
}

extension CheckpointValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringInterpolation {
    package init(integerLiteral value: Int) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(stringLiteral value: String) { self = .text(value) }
}

extension CheckpointValue: Equatable {
    /// Compares bit by bit, as exact resumption requires: -0 differs from 0, and a NaN equals itself. Strings are compared by bytes.
    package static func == (a: CheckpointValue, b: CheckpointValue) -> Bool {
        a.encoded.type == b.encoded.type && a.encoded.shape == b.encoded.shape && a.encoded.bytes == b.encoded.bytes
    }
}

extension CheckpointValue {
    /// The type in messages.
    var typeDescription: String {
        switch self {
        case .integer: "a whole number"
        case .number: "a number"
        case .text: "a string"
        case .integers(let array): "\(array.count) whole numbers"
        case .numbers(let array): "\(array.count) numbers"
        case .floats(let array): "\(array.count) f32 numbers"
        case .bytes(let array): "\(array.count) bytes"
        }
    }

    /// Type, shape and bytes in the file.
    var encoded: (type: ElementType, shape: [Int], bytes: [UInt8]) {
        switch self {
        case .integer(let value): (.int64, [], [value].littleEndian)
        case .number(let value): (.float64, [], [value].littleEndian)
        case .text(let text): (.text(length: text.utf8.count), [], Array(text.utf8) + [0])
        case .integers(let array): (.int64, [array.count], array.littleEndian)
        case .numbers(let array): (.float64, [array.count], array.littleEndian)
        case .floats(let array): (.float32, [array.count], array.littleEndian)
        case .bytes(let array): (.uint8, [array.count], array)
        }
    }

    /// Decodes a stored array; nil for a type or shape that is not supported, or for invalid UTF-8.
    init?(_ type: ElementType, shape: [Int], bytes: Span<UInt8>) {
        switch (type, shape.count) {
        case (.int64, 0): self = .integer([Int](littleEndian: bytes)[0])
        case (.float64, 0): self = .number([Double](littleEndian: bytes)[0])
        case (.int64, 1): self = .integers([Int](littleEndian: bytes))
        case (.float64, 1): self = .numbers([Double](littleEndian: bytes))
        case (.float32, 1): self = .floats([Float](littleEndian: bytes))
        case (.uint8, 1): self = .bytes([UInt8](littleEndian: bytes))
        case (.text(let length), 0):
            let utf8 = [UInt8](littleEndian: bytes.extracting(first: length))
            guard bytes[length] == 0, let text = String(validating: utf8, as: UTF8.self) else { return nil }
            self = .text(text)
        default: return nil
        }
    }
}

extension CheckpointValue {
    /// The value on one line for messages: scalars in full, the lines of a text one by one, arrays by type and count.
    package var displayText: String {
        switch self {
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .text(let text):
            text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).quoted }.joined(separator: ", ")
        default: typeDescription
        }
    }
}

extension String {
    /// The string in single quotes, with control characters replaced by U+FFFD: safe to print whatever the file contains.
    package var quoted: String {
        let printable = unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }
        return "'" + String(String.UnicodeScalarView(printable)) + "'"
    }
}

extension Array where Element: BitwiseCopyable {
    // All supported machines are little-endian, like the file.
    fileprivate var littleEndian: [UInt8] { withUnsafeBytes { Array<UInt8>($0) } }

    fileprivate init(littleEndian bytes: Span<UInt8>) {
        // The initializer below writes the count of an empty array, too, to the storage that all of them share: a data race.
        if bytes.isEmpty {
            self = []
            return
        }
        self.init(unsafeUninitializedCapacity: bytes.count / MemoryLayout<Element>.size) { buffer, count in
            bytes.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
            }
            count = bytes.count / MemoryLayout<Element>.size
        }
    }
}
