import Kernels
import Checkpoint

/// Reads metadata and tensor list of a GGUF file (version 2 or 3, little-endian).
///
/// Each count is compared with the remaining bytes before anything is allocated for it, so that memory is bounded by a small multiple of
/// the file's size.
struct GGUFReader {
    private var cursor: ByteCursor
    private var metadata: [String: GGUFValue] = [:]
    private var tensors: [String: GGUFTensor] = [:]

    /// An entry of the tensor list. Its range is relative to the start of the tensor data.
    private typealias TensorEntry = (name: String, entryOffset: Int, tensor: GGUFTensor)

    static func read(_ bytes: Span<UInt8>, path: String) throws(CheckpointError) -> GGUFFile {
        guard bytes.count >= 4, (0..<4).allSatisfy({ bytes[$0] == magic[$0] }) else {
            throw .notGGUF(path: path, found: FileKind(of: bytes).rawValue)
        }
        var reader = GGUFReader(cursor: ByteCursor(at: 4, to: bytes.count))
        do throws(ParseError) { try reader.read(bytes) } catch {
            throw .malformedGGUF(path: path, offset: error.offset, expected: error.expected, found: error.found)
        }
        return GGUFFile(path: path, metadata: reader.metadata, tensors: reader.tensors)
    }

    private init(cursor: ByteCursor) { self.cursor = cursor }

    private static let magic = Array("GGUF".utf8)
    /// llama.cpp's files contain no nested arrays; the specification allows them.
    private static let maximumNesting = 4
    /// A larger alignment would only inflate the file.
    private static let maximumAlignment = 1 << 20

    private mutating func read(_ bytes: Span<UInt8>) throws(ParseError) {
        let version = try cursor.readUnsigned(bytes: 4, of: bytes, "the version")
        guard version == 2 || version == 3 else {
            let isSwapped = UInt32(version).byteSwapped <= 3
            throw ParseError(offset: 4, expected: "version 2 or 3", found: isSwapped ? "a big-endian file" : "\(version)")
        }
        let tensorCount = try count(of: 33, "tensors", bytes), keyCount = try count(of: 14, "keys", bytes)
        for _ in 0..<keyCount { try readKey(bytes) }
        let alignment = try self.alignment()
        var entries: [TensorEntry] = []
        for _ in 0..<tensorCount { entries.append(try readTensor(bytes, alignment)) }
        try addTensors(entries, dataStart: (cursor.offset + alignment - 1) / alignment * alignment, fileEnd: bytes.count)
    }

    /// Reads the number of items that take at least `size` bytes each.
    private mutating func count(of size: Int, _ items: String, _ bytes: Span<UInt8>) throws(ParseError) -> Int {
        let start = cursor.offset, number = try cursor.readUnsigned(bytes: 8, of: bytes, "the number of \(items)")
        guard number <= UInt64(cursor.remaining / size) else {
            let expected = "at most \(cursor.remaining / size) \(items) in the remaining \(cursor.remaining) bytes"
            throw ParseError(offset: start, expected: expected, found: "\(number)")
        }
        return Int(number)
    }

    private mutating func text(_ field: String, _ lengths: ClosedRange<Int>, _ bytes: Span<UInt8>) throws(ParseError) -> Range<Int> {
        let start = cursor.offset, length = try count(of: 1, "bytes of \(field)", bytes)
        guard lengths.contains(length) else {
            let expected = "\(field) of \(lengths.lowerBound) to \(lengths.upperBound) bytes"
            throw ParseError(offset: start, expected: expected, found: "\(length)")
        }
        return try cursor.readRange(length, field)
    }

    private mutating func name(_ field: String, maximumLength: Int, _ bytes: Span<UInt8>) throws(ParseError) -> String {
        String(decoding: try text(field, 1...maximumLength, bytes).map { bytes[$0] }, as: UTF8.self)
    }

    // MARK: Metadata

    private mutating func readKey(_ bytes: Span<UInt8>) throws(ParseError) {
        let start = cursor.offset, key = try name("a key", maximumLength: 65_535, bytes)
        let value = try value(try valueType(bytes), bytes, depth: 0)
        guard metadata.updateValue(value, forKey: key) == nil else {
            throw ParseError(offset: start, expected: "each key once", found: "\(key.debugDescription) again")
        }
    }

    private mutating func valueType(_ bytes: Span<UInt8>) throws(ParseError) -> GGUFValueType {
        let start = cursor.offset, code = try cursor.readUnsigned(bytes: 4, of: bytes, "the type of a value")
        guard let type = GGUFValueType(rawValue: UInt32(code)) else {
            throw ParseError(offset: start, expected: "a value type from 0 to 12", found: "\(code)")
        }
        return type
    }

    private mutating func value(_ type: GGUFValueType, _ bytes: Span<UInt8>, depth: Int) throws(ParseError) -> GGUFValue {
        let start = cursor.offset
        switch type {
        case .string: return .text(try text("a string", 0...bytes.count, bytes))
        case .array: return .array(try array(bytes, depth: depth + 1))
        default: break
        }
        let bits = try cursor.readUnsigned(bytes: type.size, of: bytes, "a \(type)")
        switch type {
        case .i8: return .signed(Int64(Int8(truncatingIfNeeded: bits)))
        case .i16: return .signed(Int64(Int16(truncatingIfNeeded: bits)))
        case .i32: return .signed(Int64(Int32(truncatingIfNeeded: bits)))
        case .i64: return .signed(Int64(bitPattern: bits))
        case .f32: return .number(Double(Float(bitPattern: UInt32(bits))))
        case .f64: return .number(Double(bitPattern: bits))
        case .bool:
            guard bits <= 1 else { throw ParseError(offset: start, expected: "0 or 1", found: "\(bits)") }
            return .boolean(bits == 1)
        default: return .unsigned(bits)
        }
    }

    private mutating func array(_ bytes: Span<UInt8>, depth: Int) throws(ParseError) -> GGUFArray {
        guard depth <= Self.maximumNesting else {
            throw ParseError(offset: cursor.offset, expected: "arrays nested at most \(Self.maximumNesting) deep", found: "a deeper one")
        }
        let element = try valueType(bytes), count = try count(of: element.size, "elements", bytes), start = cursor.offset
        switch element {
        case .string, .array: for _ in 0..<count { _ = try value(element, bytes, depth: depth) }
        default: _ = try cursor.readRange(count * element.size, "an array")
        }
        return GGUFArray(element: element, count: count, range: start..<cursor.offset)
    }

    private func alignment() throws(ParseError) -> Int {
        guard let value = metadata["general.alignment"] else { return 32 }
        guard case .unsigned(let number) = value, let alignment = Int(exactly: number), (8...Self.maximumAlignment).contains(alignment),
              alignment & (alignment - 1) == 0 else {
            let expected = "a general.alignment that is a power of two from 8 to \(Self.maximumAlignment)"
            throw ParseError(offset: cursor.offset, expected: expected, found: value.displayText)
        }
        return alignment
    }

    // MARK: Tensors

    private mutating func readTensor(_ bytes: Span<UInt8>, _ alignment: Int) throws(ParseError) -> TensorEntry {
        let name = try name("a tensor name", maximumLength: 64, bytes), shape = try self.shape(name, bytes)
        let start = cursor.offset, code = UInt32(try cursor.readUnsigned(bytes: 4, of: bytes, "the type of \(name)"))
        guard let type = StoredFormat(rawValue: code) else {
            let known = StoredFormat.allCases.map(\.name).joined(separator: ", ")
            throw ParseError(offset: start, expected: "\(name) as one of \(known)", found: StoredFormat.name(of: code))
        }
        guard let row = shape.last, row % type.blockCount == 0 else {
            let expected = "\(name) in rows of whole \(type.name) blocks of \(type.blockCount)"
            throw ParseError(offset: start, expected: expected, found: "\(shape.last ?? 0)")
        }
        var size = type.blockSize, overflows = false
        for factor in shape.dropLast() + [row / type.blockCount] where !overflows {
            (size, overflows) = size.multipliedReportingOverflow(by: factor)
        }
        let offsetField = cursor.offset, offset = try cursor.readUnsigned(bytes: 8, of: bytes, "the offset of \(name)")
        guard !overflows, size <= bytes.count else {
            let expected = "\(name) no larger than the file, \(bytes.count) bytes"
            throw ParseError(offset: start, expected: expected, found: "\(type.name) \(shape)")
        }
        guard offset <= UInt64(bytes.count), Int(offset) % alignment == 0 else {
            let expected = "an offset of \(name) in the file, a multiple of \(alignment)"
            throw ParseError(offset: offsetField, expected: expected, found: "\(offset)")
        }
        return (name, offsetField, GGUFTensor(type: type, shape: shape, range: Int(offset)..<Int(offset) + size))
    }

    private mutating func shape(_ name: String, _ bytes: Span<UInt8>) throws(ParseError) -> [Int] {
        let start = cursor.offset, rank = try cursor.readUnsigned(bytes: 4, of: bytes, "the number of dimensions")
        guard (1...4).contains(rank) else { throw ParseError(offset: start, expected: "1 to 4 dimensions of \(name)", found: "\(rank)") }
        var sizes: [Int] = []
        for _ in 0..<rank {
            let start = cursor.offset, size = try cursor.readUnsigned(bytes: 8, of: bytes, "a size of \(name)")
            guard size > 0, let size = Int(exactly: size) else {
                throw ParseError(offset: start, expected: "a size of \(name) above 0", found: "\(size)")
            }
            sizes.append(size)
        }
        return sizes.reversed()
    }

    /// Converts the tensors' ranges to offsets in the file, and checks that each lies in the file and overlaps no other.
    private mutating func addTensors(_ entries: [TensorEntry], dataStart: Int, fileEnd: Int) throws(ParseError) {
        var last = (end: 0, name: "")
        for (name, entryOffset, tensor) in entries.sorted(by: { $0.tensor.range.lowerBound < $1.tensor.range.lowerBound }) {
            let range = tensor.range
            guard range.upperBound <= fileEnd - dataStart else {
                let expected = "\(name), \(range.count) bytes, in the \(max(0, fileEnd - dataStart)) bytes of tensors"
                throw ParseError(offset: entryOffset, expected: expected, found: "the offset \(range.lowerBound)")
            }
            guard range.lowerBound >= last.end else {
                let expected = "\(name) after \(last.name), which ends at \(last.end)"
                throw ParseError(offset: entryOffset, expected: expected, found: "the offset \(range.lowerBound)")
            }
            last = (range.upperBound, name)
            let fileRange = dataStart + range.lowerBound..<dataStart + range.upperBound
            let checked = GGUFTensor(type: tensor.type, shape: tensor.shape, range: fileRange)
            guard tensors.updateValue(checked, forKey: name) == nil else {
                throw ParseError(offset: entryOffset, expected: "each tensor once", found: "\(name.debugDescription) again")
            }
        }
    }
}
