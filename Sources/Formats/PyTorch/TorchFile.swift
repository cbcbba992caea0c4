import Checkpoint
import Files
import Kernels

/// A file of `torch.save`: a zip archive of a pickle and of one file for each storage of numbers.
///
///     var file = try TorchFile("out/ckpt.pt")
///     let state = file.pickle["model", in: file.pickle.root]
struct TorchFile {
    let path: String
    let pickle: Pickle
    var byteCount: Int { file.count }
    private let file: MappedFile
    private let archive: ZipArchive
    /// The folder in the archive that everything is in.
    private let root: String
    /// Storages whose bytes are known to be those that were written.
    private var checked: Set<String> = []

    /// Far more than the description of any model. A value of it takes a hundred bytes of memory at most.
    private static let mostDescription = 16 << 20

    init(_ path: String) throws(PyTorchError) {
        do { file = try MappedFile(path, writable: true) } catch { throw PyTorchError(error) }
        self.path = path
        (archive, root, pickle) = try file.read(as: UInt8.self) { bytes throws(PyTorchError) in
            if Self.isLegacy(bytes) { throw .legacy(path: path) }
            guard bytes.count >= 2, bytes[0] == 0x50, bytes[1] == 0x4B else {
                throw .malformed(path: path, part: "the file", offset: 0, expected: "a zip archive, as torch.save writes it", found: FileKind(of: bytes).rawValue)
            }
            let archive: ZipArchive, root: String, range: Range<Int>
            do throws(LayoutFault) { (archive, root, range) = try Self.open(bytes) } catch { throw PyTorchError(error, path: path, part: "the file") }
            return (archive, root, try Self.pickle(in: bytes.extracting(range), archive, root, path: path))
        }
    }

    private static func open(_ bytes: Span<UInt8>) throws(LayoutFault) -> (ZipArchive, root: String, pickle: Range<Int>) {
        let archive = try ZipArchive(bytes), root = try root(of: archive)
        try checkForm(of: archive, root, in: bytes)
        let range = try archive.contents(of: root + "data.pkl", in: bytes)
        guard range.count <= mostDescription else {
            throw LayoutFault(offset: range.lowerBound, expected: "a data.pkl of at most \(mostDescription) bytes", found: "\(range.count)")
        }
        return (archive, root, range)
    }

    private static func pickle(in bytes: Span<UInt8>, _ archive: ZipArchive, _ root: String, path: String) throws(PyTorchError) -> Pickle {
        var storages: [String: Int] = [:]
        for (name, entry) in archive.entries where name.hasPrefix(root + "data/") { storages[String(name.dropFirst(root.count + 5))] = entry.bytes.count }
        do { return try Unpickler.read(bytes, storages: storages) } catch { throw PyTorchError(error, path: path, part: "data.pkl") }
    }

    /// The number that such files begin with, as a pickle.
    private static func isLegacy(_ bytes: Span<UInt8>) -> Bool {
        let magic: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
        return bytes.count >= magic.count && magic.indices.allSatisfy { bytes[$0] == magic[$0] }
    }

    private static func root(of archive: ZipArchive) throws(LayoutFault) -> String {
        let roots = archive.entries.keys.filter { $0.hasSuffix("/data.pkl") && $0.split(separator: "/", omittingEmptySubsequences: false).count == 2 }
        guard let name = roots.first, roots.count == 1 else { throw LayoutFault(offset: 0, expected: "one file NAME/data.pkl in the archive", found: "\(roots.count)") }
        let root = String(name.dropLast("data.pkl".count))
        guard archive.entries[root + "constants.pkl"] == nil else {
            throw LayoutFault(offset: 0, expected: "what torch.save writes", found: "a TorchScript program; save its state_dict() instead")
        }
        return root
    }

    private static func checkForm(of archive: ZipArchive, _ root: String, in bytes: Span<UInt8>) throws(LayoutFault) {
        func text(_ name: String) throws(LayoutFault) -> String? {
            guard archive.entries[root + name] != nil else { return nil }
            let range = try archive.contents(of: root + name, in: bytes)
            return String(decoding: range.prefix(16).map { bytes[$0] }.filter { $0 != 10 }, as: UTF8.self)
        }
        let version = try text("version") ?? "none"
        guard let number = Int(version), 1...10 ~= number else { throw LayoutFault(offset: 0, expected: "an archive of version 1 to 10", found: Value.text(version).shown) }
        // Before PyTorch 2.1 nothing was said, and all was little-endian.
        let order = try text("byteorder") ?? "little"
        guard order == "little" else { throw LayoutFault(offset: 0, expected: "little-endian numbers", found: Value.text(order).shown) }
    }
}

// Numbers.
extension TorchFile {
    /// The numbers of a tensor as f32: where they are in the file, if they lie there so.
    mutating func floats(of tensor: TorchTensor, named name: String, on processor: Processor) throws(PyTorchError) -> Buffer {
        guard Self.floatTypes.contains(tensor.storage.type) else {
            throw .mismatch(path: path, name: name, expected: "numbers of f32, f16 or bf16", found: "a \(tensor.storage.type.rawValue)")
        }
        // A stride of 0 would make much of little.
        guard tensor.count <= tensor.storage.count else {
            throw .mismatch(path: path, name: name, expected: "a tensor that has each number once", found: "\(tensor.sizes) of \(tensor.storage.count) numbers")
        }
        let range = try contents(of: tensor.storage), start = range.lowerBound + 4 * tensor.offset
        if tensor.storage.type == .float32, tensor.isContiguous, tensor.count > 0, start % 4 == 0 { return Buffer(in: file, at: start, count: tensor.count, .float32) }
        let result = processor.buffer(of: tensor.count, .float32)
        file.read(as: UInt8.self) { bytes in
            result.write { numbers in Self.copy(tensor, bytes.extracting(range), into: &numbers) }
        }
        return result
    }

    private static func copy(_ tensor: TorchTensor, _ bytes: Span<UInt8>, into numbers: inout MutableSpan<Float>) {
        bytes.withUnsafeBytes { bytes in
            func half(_ place: Int) -> UInt16 { bytes.loadUnaligned(fromByteOffset: 2 * place, as: UInt16.self) }
            var i = 0
            tensor.forEachPlace { place in
                numbers[i] = switch tensor.storage.type {
                case .float16: Float(half: half(place))
                case .bfloat16: Float(bitPattern: UInt32(half(place)) << 16)
                case .float64: Float(bytes.loadUnaligned(fromByteOffset: 8 * place, as: Double.self))
                default: bytes.loadUnaligned(fromByteOffset: 4 * place, as: Float.self)
                }
                i += 1
            }
        }
    }

    /// A single number, also where it is a tensor of one; nil for what is none.
    mutating func number(_ value: PickleValue?) throws(PyTorchError) -> Double? {
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

    private mutating func contents(of storage: TorchStorage) throws(PyTorchError) -> Range<Int> {
        let name = root + "data/" + storage.key
        if checked.contains(storage.key), let entry = archive.entries[name] { return entry.bytes }
        let range = try file.read(as: UInt8.self) { bytes throws(PyTorchError) in
            do throws(LayoutFault) { return try archive.contents(of: name, in: bytes) } catch { throw PyTorchError(error, path: path, part: "the file") }
        }
        checked.insert(storage.key)
        return range
    }
}
