import Checkpoint
import Files
import Glibc
import Kernels

/// The tensors of one safetensors file, or of a model split into several. Data stays in the mapped files until it is copied.
///
///     var tensors = SafeTensorsCollection()
///     try tensors.add(fileAt: "gpt2/model.safetensors")
///     try tensors.check("wte.weight", [50_257, 768], in: "gpt2")
struct SafeTensorsCollection {
    struct Entry {
        let file: MappedFile
        let tensor: SafeTensorsHeader.Tensor
    }

    private(set) var entries: OrderedDictionary<Entry> = [:]

    mutating func add(fileAt path: String) throws(CheckpointError) {
        let file: MappedFile
        do { file = try MappedFile(path, staysOpen: true) } catch { throw CheckpointError(error) }
        byteCount += file.count
        let header = try file.read(as: UInt8.self) { bytes throws(CheckpointError) in try SafeTensorsHeader(of: bytes, path: path) }
        for (name, tensor) in header.tensors {
            if let other = entries[name] {
                let field = SafeTensorsHeader.field(name)
                throw ImportedFile(path).mismatch(field, "each tensor in one file", "it in \(other.file.path) as well")
            }
            entries[name] = Entry(file: file, tensor: tensor)
        }
    }

    /// The size of all files.
    private(set) var byteCount = 0

    /// Throws unless there is a floating-point tensor with this name and shape.
    func check(_ name: String, _ shape: [Int], in folder: String) throws(CheckpointError) {
        let field = SafeTensorsHeader.field(name)
        guard let entry = entries[name] else { throw ImportedFile(folder).mismatch(field, "a tensor \(shape)", "nothing") }
        let tensor = entry.tensor, file = ImportedFile(entry.file.path)
        guard WeightFormat(rawValue: tensor.type.lowercased()) != nil else {
            throw file.mismatch("\(field).dtype", "F32, F16 or BF16", tensor.type)
        }
        guard tensor.shape == shape else { throw file.mismatch("\(field).shape", "\(shape)", "\(tensor.shape.prefix(8))") }
    }

    /// A checked tensor in its file.
    func stored(_ name: String) -> StoredTensor? {
        guard let entry = entries[name], let format = WeightFormat(rawValue: entry.tensor.type.lowercased()) else { return nil }
        return StoredTensor(file: entry.file, range: entry.tensor.range, format: format.stored)
    }

    /// Copies a checked tensor into its part of an f32 parameter.
    func copy(_ part: TensorPart, into parameter: Buffer, columns: Int) {
        guard let tensor = stored(part.name) else { return }
        part.copy(into: parameter, columns: columns) { tensor.read($0, into: &$1) }
    }

    /// Returns whether two checked tensors have the same type and bytes.
    func areEqual(_ a: String, _ b: String) -> Bool {
        guard let a = entries[a], let b = entries[b], a.tensor.type == b.tensor.type,
              a.tensor.range.count == b.tensor.range.count else { return false }
        return a.file.read(as: UInt8.self) { first in
            b.file.read(as: UInt8.self) { second in
                first.extracting(a.tensor.range).withUnsafeBytes { x in
                    second.extracting(b.tensor.range).withUnsafeBytes { y in
                        guard let x = x.baseAddress, let y = y.baseAddress else { return true }
                        return memcmp(x, y, a.tensor.range.count) == 0
                    }
                }
            }
        }
    }
}
