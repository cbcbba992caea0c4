import Checkpoint
import Files
import Glibc
import Kernels

/// The tensors of a safetensors file, of a model split into several, or of a GGUF file. Data stays in the mapped files until it is copied.
///
///     var tensors = TensorFiles()
///     try tensors.add(fileAt: "gpt2/model.safetensors")
///     try tensors.check("wte.weight", [50_257, 768], in: "gpt2")
struct TensorFiles {
    struct Entry {
        let file: MappedFile
        let range: Range<Int>
        let shape: [Int]
        /// The format's own type name.
        let type: String
        /// nil if its numbers are no weights.
        let format: StoredFormat?
        /// The scales of its blocks, if they are a tensor of their own.
        var scales: (file: MappedFile, range: Range<Int>)?
    }

    private(set) var entries: OrderedDictionary<Entry> = [:]
    /// The size of all files.
    private(set) var byteCount = 0

    init() {}

    init(_ gguf: GGUFFile, in file: MappedFile) {
        for (name, tensor) in gguf.tensors.sorted(by: { $0.value.range.lowerBound < $1.value.range.lowerBound }) {
            entries[name] = Entry(file: file, range: tensor.range, shape: tensor.shape, type: tensor.type.name, format: tensor.type)
        }
        byteCount = file.count
    }

    /// Adds the tensors of a safetensors file.
    mutating func add(fileAt path: String) throws(CheckpointError) {
        let file = try ImportedFile(path).mapped(staysOpen: true)
        byteCount += file.count
        let header = try file.read(as: UInt8.self) { bytes throws(CheckpointError) in try SafeTensorsHeader(of: bytes, path: path) }
        for (name, tensor) in header.tensors {
            if let other = entries[name] {
                let field = SafeTensorsHeader.field(name)
                throw ImportedFile(path).mismatch(field, "each tensor in one file", "it in \(other.file.path) as well")
            }
            entries[name] = Entry(
                file: file, range: tensor.range, shape: tensor.shape, type: tensor.type,
                format: WeightFormat(rawValue: tensor.type.lowercased())?.stored)
        }
    }

    /// Makes one tensor of the blocks of MXFP4 and their exponents, which are two in folders of Hugging Face.
    ///
    /// - Returns: The names of the two.
    mutating func joinBlocks(of name: String, in path: String) throws(CheckpointError) -> [String] {
        let names = ["\(name)_blocks", "\(name)_scales"]
        func entry(_ name: String, _ expected: String, _ isExpected: ([Int]) -> Bool) throws(CheckpointError) -> Entry {
            let field = SafeTensorsHeader.field(name)
            guard let entry = entries[name] else { throw ImportedFile(path).mismatch(field, expected, "nothing") }
            guard entry.type == "U8", isExpected(entry.shape) else {
                throw ImportedFile(entry.file.path).mismatch(field, expected, "\(entry.type) \(entry.shape.prefix(8))")
            }
            return entry
        }
        let bytes = MXFP4Blocks.codeBytes
        let blocks = try entry(names[0], "U8 [experts, rows, blocks, \(bytes)]") { $0.count == 4 && $0[3] == bytes }
        let rows = Array(blocks.shape.dropLast()), scales = try entry(names[1], "U8 \(rows)") { $0 == rows }
        if let other = entries[name] {
            throw ImportedFile(other.file.path).mismatch(SafeTensorsHeader.field(name), "no such tensor beside \(names[0])", other.type)
        }
        let format = StoredFormat.mxfp4
        // Wraps around only if another size is 0, which no model has.
        entries[name] = Entry(
            file: blocks.file, range: blocks.range, shape: [rows[0], rows[1], rows[2] &* format.blockCount], type: format.name,
            format: format, scales: (scales.file, scales.range))
        return names
    }

    /// Throws unless there is a tensor of weights with this name and shape.
    func check(_ name: String, _ shape: [Int], in path: String) throws(CheckpointError) {
        let field = SafeTensorsHeader.field(name)
        guard let entry = entries[name] else { throw ImportedFile(path).mismatch(field, "a tensor \(shape)", "nothing") }
        let file = ImportedFile(entry.file.path)
        guard entry.format != nil else { throw file.mismatch("\(field).dtype", "F32, F16 or BF16", entry.type) }
        guard entry.shape == shape else { throw file.mismatch("\(field).shape", "\(shape)", "\(entry.shape.prefix(8))") }
    }

    /// A checked tensor in its file.
    func stored(_ name: String) -> StoredTensor? {
        guard let entry = entries[name], let format = entry.format else { return nil }
        return StoredTensor(file: entry.file, range: entry.range, format: format, scales: entry.scales)
    }

    /// Copies a checked tensor into its part of an f32 parameter.
    func copy(_ part: TensorPart, into parameter: Buffer, columns: Int) {
        guard let tensor = stored(part.name) else { return }
        part.copy(into: parameter, columns: columns) { tensor.read($0, into: &$1) }
    }

    /// Returns whether two checked tensors have the same type and bytes.
    func areEqual(_ a: String, _ b: String) -> Bool {
        guard let a = entries[a], let b = entries[b], a.type == b.type, a.range.count == b.range.count else { return false }
        return a.file.read(as: UInt8.self) { first in
            b.file.read(as: UInt8.self) { second in
                first.extracting(a.range).withUnsafeBytes { x in
                    second.extracting(b.range).withUnsafeBytes { y in
                        guard let x = x.baseAddress, let y = y.baseAddress else { return true }
                        return memcmp(x, y, a.range.count) == 0
                    }
                }
            }
        }
    }
}
