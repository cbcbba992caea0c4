import Files
import Kernels

/// Builds the part of a GGUF file before the tensor data: metadata and tensor list.
///
///     var header = GGUFHeader()
///     header.add("general.architecture", "gpt2")
///     header.add("output_norm.weight", [512], .f32)
///     let bytes = header.bytes
struct GGUFHeader {
    static let alignment = 32

    private var keys: [UInt8] = [], tensors: [UInt8] = []
    private var keyCount = 0, tensorCount = 0
    /// The size of all tensors so far, each aligned.
    private var dataSize = 0

    mutating func add(_ key: String, _ value: String) {
        begin(key, .string)
        Self.append(Array(value.utf8), to: &keys)
    }

    mutating func add(_ key: String, _ value: UInt32) {
        begin(key, .u32)
        keys.append(littleEndian: value)
    }

    mutating func add(_ key: String, _ value: Int32) {
        begin(key, .i32)
        keys.append(littleEndian: value)
    }

    mutating func add(_ key: String, _ value: Float) {
        begin(key, .f32)
        keys.append(littleEndian: value.bitPattern)
    }

    mutating func add(_ key: String, _ value: Bool) {
        begin(key, .bool)
        keys.append(value ? 1 : 0)
    }

    mutating func add(_ key: String, _ values: [[UInt8]]) {
        begin(key, .string, count: values.count)
        for value in values { Self.append(value, to: &keys) }
    }

    mutating func add(_ key: String, _ values: [Int32]) {
        begin(key, .i32, count: values.count)
        for value in values { keys.append(littleEndian: value) }
    }

    mutating func add(_ key: String, _ values: [Bool]) {
        begin(key, .bool, count: values.count)
        for value in values { keys.append(value ? 1 : 0) }
    }

    mutating func add(_ key: String, _ values: [Float]) {
        begin(key, .f32, count: values.count)
        for value in values { keys.append(littleEndian: value.bitPattern) }
    }

    /// Adds a tensor whose data follows the previous tensor's, aligned.
    mutating func add(_ tensor: String, _ shape: [Int], _ type: StoredFormat) {
        Self.append(Array(tensor.utf8), to: &tensors)
        tensors.append(littleEndian: UInt32(shape.count))
        for size in shape.reversed() { tensors.append(littleEndian: UInt64(size)) }
        tensors.append(littleEndian: type.rawValue)
        tensors.append(littleEndian: UInt64(dataSize))
        dataSize += Self.aligned(shape.reduce(1, *) / type.blockCount * type.blockSize)
        tensorCount += 1
    }

    static func aligned(_ size: Int) -> Int { (size + alignment - 1) / alignment * alignment }

    var bytes: [UInt8] {
        var bytes = Array("GGUF".utf8)
        bytes.append(littleEndian: UInt32(3))
        bytes.append(littleEndian: UInt64(tensorCount))
        bytes.append(littleEndian: UInt64(keyCount))
        bytes += keys + tensors
        bytes += repeatElement(0, count: Self.aligned(bytes.count) - bytes.count)
        return bytes
    }

    /// The size of the whole file.
    var byteCount: Int { bytes.count + dataSize }

    private mutating func begin(_ key: String, _ type: GGUFValueType, count: Int? = nil) {
        Self.append(Array(key.utf8), to: &keys)
        if let count {
            keys.append(littleEndian: GGUFValueType.array.rawValue)
            keys.append(littleEndian: type.rawValue)
            keys.append(littleEndian: UInt64(count))
        } else {
            keys.append(littleEndian: type.rawValue)
        }
        keyCount += 1
    }

    private static func append(_ text: [UInt8], to bytes: inout [UInt8]) {
        bytes.append(littleEndian: UInt64(text.count))
        bytes += text
    }
}
