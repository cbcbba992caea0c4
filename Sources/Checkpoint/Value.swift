/// What a checkpoint keeps under a name beside its weights: a number, a text, or a row of numbers.
///
///     checkpoint.training = ["step": 2_000, "rate": 3e-4, "settings": "{\"batch\":12}", "data/order": .integers(order)]
///
/// An unsigned number, such as a seed, is kept by its bits: `.integer(Int(truncatingIfNeeded: seed))`.
package enum Value: Sendable {
    case integer(Int), number(Double), text(String)
    case integers([Int]), numbers([Double]), floats([Float]), bytes([UInt8])
}

extension Value: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringInterpolation {
    package init(integerLiteral value: Int) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(stringLiteral value: String) { self = .text(value) }
}

extension Value: Equatable {
    /// Bit for bit, as a run that goes on needs it: -0 is not 0, and a NaN is itself. Texts are compared by their bytes.
    package static func == (a: Value, b: Value) -> Bool {
        a.content.type == b.content.type && a.content.shape == b.content.shape && a.content.bytes == b.content.bytes
    }
}

extension Value {
    /// As a message calls it.
    var kind: String {
        switch self {
        case .integer: "a whole number"
        case .number: "a number"
        case .text: "a text"
        case .integers(let row): "\(row.count) whole numbers"
        case .numbers(let row): "\(row.count) numbers"
        case .floats(let row): "\(row.count) f32 numbers"
        case .bytes(let row): "\(row.count) bytes"
        }
    }

    /// As the file holds it.
    var content: (type: ElementType, shape: [Int], bytes: [UInt8]) {
        switch self {
        case .integer(let value): (.int64, [], [value].littleEndian)
        case .number(let value): (.float64, [], [value].littleEndian)
        case .text(let text): (.text(length: text.utf8.count), [], Array(text.utf8) + [0])
        case .integers(let row): (.int64, [row.count], row.littleEndian)
        case .numbers(let row): (.float64, [row.count], row.littleEndian)
        case .floats(let row): (.float32, [row.count], row.littleEndian)
        case .bytes(let row): (.uint8, [row.count], row)
        }
    }

    /// nil where a value of such a type and shape is none of ours, or its bytes are no text.
    init?(_ type: ElementType, shape: [Int], bytes: Span<UInt8>) {
        switch (type, shape.count) {
        case (.int64, 0): self = .integer([Int](littleEndian: bytes)[0])
        case (.float64, 0): self = .number([Double](littleEndian: bytes)[0])
        case (.int64, 1): self = .integers([Int](littleEndian: bytes))
        case (.float64, 1): self = .numbers([Double](littleEndian: bytes))
        case (.float32, 1): self = .floats([Float](littleEndian: bytes))
        case (.uint8, 1): self = .bytes([UInt8](littleEndian: bytes))
        case (.text(let length), 0):
            guard bytes[length] == 0, let text = String(validating: [UInt8](littleEndian: bytes.extracting(first: length)), as: UTF8.self) else { return nil }
            self = .text(text)
        default: return nil
        }
    }
}

extension Value {
    /// A single value as it is, rows as what they are; in one line, and safe for a terminal whoever wrote the file.
    package var shown: String {
        switch self {
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .text(let text): "'" + String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 })) + "'"
        default: kind
        }
    }
}

extension Array where Element: BitwiseCopyable {
    // Every machine that slm runs on is little-endian, as the file is.
    fileprivate var littleEndian: [UInt8] { withUnsafeBytes { Array<UInt8>($0) } }

    fileprivate init(littleEndian bytes: Span<UInt8>) {
        self.init(unsafeUninitializedCapacity: bytes.count / MemoryLayout<Element>.size) { buffer, count in
            bytes.withUnsafeBytes { source in if !source.isEmpty { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source) } }
            count = bytes.count / MemoryLayout<Element>.size
        }
    }
}
