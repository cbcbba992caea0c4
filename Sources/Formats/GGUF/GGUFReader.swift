import Checkpoint
/// Reads what stands before the tensors of a GGUF file (version 2 or 3, little-endian). Nothing is believed: a count is held against the bytes that
/// are left before anything is made of it, so what is kept is at most as large as the file, times a small constant.
struct GGUFReader {
    private var cursor: ByteCursor
    private var metadata: [String: GGUFValue] = [:]
    private var tensors: [String: GGUFTensor] = [:]

    static func read(_ bytes: Span<UInt8>, path: String) throws(GGUFError) -> GGUFFile {
        guard bytes.count >= 4, (0..<4).allSatisfy({ bytes[$0] == magic[$0] }) else { throw .foreign(path: path, found: FileKind(of: bytes).rawValue) }
        var reader = GGUFReader(cursor: ByteCursor(at: 4, to: bytes.count))
        do throws(LayoutFault) { try reader.read(bytes) } catch {
            throw .malformed(path: path, offset: error.offset, expected: error.expected, found: error.found)
        }
        return GGUFFile(path: path, metadata: reader.metadata, tensors: reader.tensors)
    }

    private static let magic = Array("GGUF".utf8)
    /// llama.cpp's arrays do not nest at all; the format's description lets them.
    private static let deepestArray = 4
    /// Beyond a page or two, an alignment only blows a file up.
    private static let largestAlignment = 1 << 20

    private mutating func read(_ bytes: Span<UInt8>) throws(LayoutFault) {
        let version = try cursor.unsigned(bytes: 4, of: bytes, "the version")
        guard version == 2 || version == 3 else {
            let isSwapped = UInt32(version).byteSwapped <= 3
            throw LayoutFault(offset: 4, expected: "version 2 or 3", found: isSwapped ? "a big-endian file" : "\(version)")
        }
        let tensorCount = try count(of: 33, "tensors", bytes), keyCount = try count(of: 14, "keys", bytes)
        for _ in 0..<keyCount { try readKey(bytes) }
        let alignment = try self.alignment()
        var stored: [(name: String, place: Int, tensor: GGUFTensor)] = []
        for _ in 0..<tensorCount { stored.append(try readTensor(bytes, alignment)) }
        try place(stored, from: (cursor.place + alignment - 1) / alignment * alignment, fileEnd: bytes.count)
    }

    /// A number of things of which each takes at least `size` bytes.
    private mutating func count(of size: Int, _ what: String, _ bytes: Span<UInt8>) throws(LayoutFault) -> Int {
        let place = cursor.place, number = try cursor.unsigned(bytes: 8, of: bytes, "the number of \(what)")
        guard number <= UInt64(cursor.left / size) else {
            throw LayoutFault(offset: place, expected: "at most \(cursor.left / size) \(what) in the \(cursor.left) bytes that follow", found: "\(number)")
        }
        return Int(number)
    }

    private mutating func text(_ what: String, _ lengths: ClosedRange<Int>, _ bytes: Span<UInt8>) throws(LayoutFault) -> Range<Int> {
        let place = cursor.place, length = try count(of: 1, "bytes of \(what)", bytes)
        guard lengths.contains(length) else {
            throw LayoutFault(offset: place, expected: "\(what) of \(lengths.lowerBound) to \(lengths.upperBound) bytes", found: "\(length)")
        }
        return try cursor.take(length, what)
    }

    private mutating func name(_ what: String, _ longest: Int, _ bytes: Span<UInt8>) throws(LayoutFault) -> String {
        String(decoding: try text(what, 1...longest, bytes).map { bytes[$0] }, as: UTF8.self)
    }

    // MARK: Keys

    private mutating func readKey(_ bytes: Span<UInt8>) throws(LayoutFault) {
        let place = cursor.place, key = try name("a key", 65_535, bytes)
        let value = try value(try kind(bytes), bytes, depth: 0)
        guard metadata.updateValue(value, forKey: key) == nil else {
            throw LayoutFault(offset: place, expected: "each key once", found: "\(key.debugDescription) again")
        }
    }

    private mutating func kind(_ bytes: Span<UInt8>) throws(LayoutFault) -> GGUFKind {
        let place = cursor.place, code = try cursor.unsigned(bytes: 4, of: bytes, "the type of a value")
        guard let kind = GGUFKind(rawValue: UInt32(code)) else { throw LayoutFault(offset: place, expected: "a type of value from 0 to 12", found: "\(code)") }
        return kind
    }

    private mutating func value(_ kind: GGUFKind, _ bytes: Span<UInt8>, depth: Int) throws(LayoutFault) -> GGUFValue {
        let place = cursor.place
        switch kind {
        case .string: return .text(try text("a text", 0...bytes.count, bytes))
        case .array: return .array(try array(bytes, depth: depth + 1))
        default: break
        }
        let bits = try cursor.unsigned(bytes: kind.size, of: bytes, "a \(kind)")
        switch kind {
        case .i8: return .signed(Int64(Int8(truncatingIfNeeded: bits)))
        case .i16: return .signed(Int64(Int16(truncatingIfNeeded: bits)))
        case .i32: return .signed(Int64(Int32(truncatingIfNeeded: bits)))
        case .i64: return .signed(Int64(bitPattern: bits))
        case .f32: return .number(Double(Float(bitPattern: UInt32(bits))))
        case .f64: return .number(Double(bitPattern: bits))
        case .bool:
            guard bits <= 1 else { throw LayoutFault(offset: place, expected: "0 or 1", found: "\(bits)") }
            return .boolean(bits == 1)
        default: return .unsigned(bits)
        }
    }

    private mutating func array(_ bytes: Span<UInt8>, depth: Int) throws(LayoutFault) -> GGUFArray {
        guard depth <= Self.deepestArray else {
            throw LayoutFault(offset: cursor.place, expected: "arrays at most \(Self.deepestArray) deep", found: "another in them")
        }
        let element = try kind(bytes), count = try count(of: element.size, "elements", bytes), start = cursor.place
        switch element {
        case .string, .array: for _ in 0..<count { _ = try value(element, bytes, depth: depth) }
        default: _ = try cursor.take(count * element.size, "an array")
        }
        return GGUFArray(element: element, count: count, range: start..<cursor.place)
    }

    private func alignment() throws(LayoutFault) -> Int {
        guard let value = metadata["general.alignment"] else { return 32 }
        guard case .unsigned(let number) = value, let alignment = Int(exactly: number), (8...Self.largestAlignment).contains(alignment),
              alignment & (alignment - 1) == 0 else {
            throw LayoutFault(offset: cursor.place, expected: "a general.alignment that is a power of two from 8 to \(Self.largestAlignment)", found: value.kind)
        }
        return alignment
    }

    // MARK: Tensors

    private mutating func readTensor(_ bytes: Span<UInt8>, _ alignment: Int) throws(LayoutFault) -> (String, Int, GGUFTensor) {
        let name = try name("the name of a tensor", 64, bytes), shape = try self.shape(name, bytes)
        let place = cursor.place, code = UInt32(try cursor.unsigned(bytes: 4, of: bytes, "the type of \(name)"))
        guard let type = GGUFType(rawValue: code) else {
            let known = GGUFType.allCases.map(\.name).joined(separator: ", ")
            throw LayoutFault(offset: place, expected: "\(name) as one of \(known)", found: GGUFType.name(of: code))
        }
        guard let row = shape.last, row % type.blockCount == 0 else {
            throw LayoutFault(offset: place, expected: "\(name) in rows of whole \(type.name) blocks of \(type.blockCount)", found: "\(shape.last ?? 0)")
        }
        var size = type.blockSize, overflows = false
        for factor in shape.dropLast() + [row / type.blockCount] where !overflows { (size, overflows) = size.multipliedReportingOverflow(by: factor) }
        let offsetPlace = cursor.place, offset = try cursor.unsigned(bytes: 8, of: bytes, "the place of \(name)")
        guard !overflows, size <= bytes.count else {
            throw LayoutFault(offset: place, expected: "\(name) no larger than the file, \(bytes.count) bytes", found: "\(type.name) \(shape)")
        }
        guard offset <= UInt64(bytes.count), Int(offset) % alignment == 0 else {
            throw LayoutFault(offset: offsetPlace, expected: "the place of \(name) in the file, a multiple of \(alignment)", found: "\(offset)")
        }
        return (name, offsetPlace, GGUFTensor(type: type, shape: shape, range: Int(offset)..<Int(offset) + size))
    }

    private mutating func shape(_ name: String, _ bytes: Span<UInt8>) throws(LayoutFault) -> [Int] {
        let place = cursor.place, rank = try cursor.unsigned(bytes: 4, of: bytes, "the number of dimensions")
        guard (1...4).contains(rank) else { throw LayoutFault(offset: place, expected: "1 to 4 dimensions of \(name)", found: "\(rank)") }
        var sizes: [Int] = []
        for _ in 0..<rank {
            let place = cursor.place, size = try cursor.unsigned(bytes: 8, of: bytes, "a size of \(name)")
            guard size > 0, let size = Int(exactly: size) else { throw LayoutFault(offset: place, expected: "a size of \(name) above 0", found: "\(size)") }
            sizes.append(size)
        }
        return sizes.reversed()
    }

    /// Puts tensors, whose places count from `start`, into the file: all of each, and none in another.
    private mutating func place(_ stored: [(name: String, place: Int, tensor: GGUFTensor)], from start: Int, fileEnd: Int) throws(LayoutFault) {
        var last = (end: 0, name: "")
        for (name, place, tensor) in stored.sorted(by: { $0.tensor.range.lowerBound < $1.tensor.range.lowerBound }) {
            guard tensor.range.upperBound <= fileEnd - start else {
                throw LayoutFault(offset: place, expected: "\(name), \(tensor.range.count) bytes, in the \(max(0, fileEnd - start)) bytes of tensors",
                                  found: "it at \(tensor.range.lowerBound)")
            }
            guard tensor.range.lowerBound >= last.end else {
                throw LayoutFault(offset: place, expected: "\(name) behind \(last.name), which ends at \(last.end)", found: "it at \(tensor.range.lowerBound)")
            }
            last = (tensor.range.upperBound, name)
            let moved = GGUFTensor(type: tensor.type, shape: tensor.shape, range: start + tensor.range.lowerBound..<start + tensor.range.upperBound)
            guard tensors.updateValue(moved, forKey: name) == nil else {
                throw LayoutFault(offset: place, expected: "each tensor once", found: "\(name.debugDescription) again")
            }
        }
    }
}

extension GGUFReader {
    private init(cursor: ByteCursor) { self.cursor = cursor }
}
