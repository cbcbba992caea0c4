import Checkpoint
import Files
import Kernels

/// A file written by `torch.save`: a zip archive with a pickle and one file per storage.
///
///     var file = try TorchFile("out/ckpt.pt")
///     let state = file.pickle["model", in: file.pickle.root]
struct TorchFile {
    let path: String
    let pickle: Pickle
    var byteCount: Int { file.count }
    private let file: MappedFile
    private let archive: ZipArchive
    /// The archive's top-level folder, with a slash.
    private let root: String
    /// The storages whose checksum has been verified.
    private var checked: Set<String> = []

    /// Far more than any model needs. A value takes at most a hundred bytes of memory per byte of pickle.
    static let maximumPickleSize = 16 << 20

    init(_ path: String) throws(CheckpointError) {
        file = try ImportedFile(path).mapped(writable: true)
        self.path = path
        (archive, root, pickle) = try file.read(as: UInt8.self) { bytes throws(CheckpointError) in
            if Self.isLegacy(bytes) { throw .legacyPyTorch(path: path) }
            guard bytes.count >= 2, bytes[0] == 0x50, bytes[1] == 0x4B else {
                throw .malformedPyTorch(
                    path: path, part: "the file", offset: 0, expected: "a zip archive, the format of torch.save",
                    found: FileKind(of: bytes).rawValue
                )
            }
            let archive: ZipArchive, root: String, range: Range<Int>
            do throws(ParseError) { (archive, root, range) = try Self.open(bytes) } catch {
                throw CheckpointError(error, path: path, part: "the file")
            }
            return (archive, root, try Self.pickle(in: bytes.extracting(range), archive, root, path: path))
        }
    }

    private static func open(_ bytes: Span<UInt8>) throws(ParseError) -> (ZipArchive, root: String, pickle: Range<Int>) {
        let archive = try ZipArchive(bytes), root = try root(of: archive)
        try checkVersionAndByteOrder(of: archive, root, in: bytes)
        let range = try archive.contents(of: root + "data.pkl", in: bytes)
        guard range.count <= maximumPickleSize else {
            let expected = "a data.pkl of at most \(maximumPickleSize) bytes"
            throw ParseError(offset: range.lowerBound, expected: expected, found: "\(range.count)")
        }
        return (archive, root, range)
    }

    private static func pickle(
        in bytes: Span<UInt8>, _ archive: ZipArchive, _ root: String, path: String
    ) throws(CheckpointError) -> Pickle {
        var storages: [String: Int] = [:]
        for (name, entry) in archive.entries where name.hasPrefix(root + "data/") {
            storages[String(name.dropFirst(root.count + 5))] = entry.bytes.count
        }
        do { return try Unpickler.read(bytes, storages: storages) } catch { throw CheckpointError(error, path: path, part: "data.pkl") }
    }

    /// Returns whether the file starts with the pickled magic number of the old format.
    private static func isLegacy(_ bytes: Span<UInt8>) -> Bool {
        let magic: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
        return bytes.count >= magic.count && magic.indices.allSatisfy { bytes[$0] == magic[$0] }
    }

    private static func root(of archive: ZipArchive) throws(ParseError) -> String {
        let pickles = archive.entries.keys.filter {
            $0.hasSuffix("/data.pkl") && $0.split(separator: "/", omittingEmptySubsequences: false).count == 2
        }
        guard let name = pickles.first, pickles.count == 1 else {
            throw ParseError(offset: 0, expected: "one file NAME/data.pkl in the archive", found: "\(pickles.count)")
        }
        let root = String(name.dropLast("data.pkl".count))
        guard archive.entries[root + "constants.pkl"] == nil else {
            let found = "a TorchScript program; save its state_dict() instead"
            throw ParseError(offset: 0, expected: "a file written by torch.save", found: found)
        }
        return root
    }

    private static func checkVersionAndByteOrder(
        of archive: ZipArchive, _ root: String, in bytes: Span<UInt8>
    ) throws(ParseError) {
        func text(_ name: String) throws(ParseError) -> String? {
            guard archive.entries[root + name] != nil else { return nil }
            let range = try archive.contents(of: root + name, in: bytes)
            return String(decoding: range.prefix(16).map { bytes[$0] }.filter { $0 != 10 }, as: UTF8.self)
        }
        let version = try text("version") ?? "none"
        guard let number = Int(version), 1...10 ~= number else {
            throw ParseError(offset: 0, expected: "an archive of version 1 to 10", found: version.quoted)
        }
        // PyTorch before 2.1 wrote no byte order, and only little-endian files.
        let order = try text("byteorder") ?? "little"
        guard order == "little" else { throw ParseError(offset: 0, expected: "little-endian numbers", found: order.quoted) }
    }
}

// Tensor data.
extension TorchFile {
    /// Returns a tensor's numbers as f32: a region of the mapped file if they are contiguous f32, a copy otherwise.
    mutating func floats(of tensor: TorchTensor, name: String, on processor: Processor) throws(CheckpointError) -> Buffer {
        guard Self.floatTypes.contains(tensor.storage.type) else {
            let found = "a \(tensor.storage.type.rawValue)"
            throw .mismatch(path: path, name: name, expected: "numbers of f32, f16, bf16 or f64", found: found)
        }
        // An empty tensor may have any offset and strides.
        if tensor.count == 0 { return processor.buffer(of: 0, .float32) }
        // With a stride of 0, a small storage could become a huge tensor.
        guard tensor.count <= tensor.storage.count else {
            let found = "\(tensor.sizes) of \(tensor.storage.count) numbers"
            throw .mismatch(path: path, name: name, expected: "a tensor without repeated numbers", found: found)
        }
        let range = try contents(of: tensor.storage), start = range.lowerBound + 4 * tensor.offset
        if tensor.storage.type == .float32, tensor.isContiguous, start % 4 == 0 {
            return Buffer(in: file, at: start, count: tensor.count, .float32)
        }
        let result = processor.buffer(of: tensor.count, .float32)
        file.read(as: UInt8.self) { bytes in
            result.write { numbers in Self.copy(tensor, bytes.extracting(range), into: &numbers) }
        }
        return result
    }

    private static func copy(_ tensor: TorchTensor, _ bytes: Span<UInt8>, into numbers: inout MutableSpan<Float>) {
        bytes.withUnsafeBytes { bytes in
            func uint16(_ index: Int) -> UInt16 { bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self) }
            var i = 0
            tensor.forEachIndex { index in
                numbers[i] = switch tensor.storage.type {
                case .float16: Float(f16Bits: uint16(index))
                case .bfloat16: Float(bf16Bits: uint16(index))
                case .float64: Float(bytes.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
                default: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
                }
                i += 1
            }
        }
    }

    /// Converts a Python number or a tensor of one element; nil for anything else.
    mutating func number(_ value: PickleValue?) throws(CheckpointError) -> Double? {
        switch value {
        case .number(let number): return number
        case .integer(let number): return Double(number)
        case .tensor(let tensor) where tensor.count == 1 && Self.floatTypes.contains(tensor.storage.type):
            let range = try contents(of: tensor.storage)
            var number: Float = 0
            file.read(as: UInt8.self) { bytes in
                withUnsafeMutableBytes(of: &number) { raw in
                    var span = raw.assumingMemoryBound(to: Float.self).mutableSpan
                    Self.copy(tensor, bytes.extracting(range), into: &span)
                }
            }
            return Double(number)
        default: return nil
        }
    }

    static let floatTypes: Set<TorchType> = [.float32, .float16, .bfloat16, .float64]

    private mutating func contents(of storage: TorchStorage) throws(CheckpointError) -> Range<Int> {
        let name = root + "data/" + storage.key
        if checked.contains(storage.key), let entry = archive.entries[name] { return entry.bytes }
        let range = try file.read(as: UInt8.self) { bytes throws(CheckpointError) in
            do throws(ParseError) { return try archive.contents(of: name, in: bytes) } catch {
                throw CheckpointError(error, path: path, part: "the file")
            }
        }
        checked.insert(storage.key)
        return range
    }
}

extension CheckpointError {
    init(_ error: ParseError, path: String, part: String) {
        self = .malformedPyTorch(path: path, part: part, offset: error.offset, expected: error.expected, found: error.found)
    }
}
