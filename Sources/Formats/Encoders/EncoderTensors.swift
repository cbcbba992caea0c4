import Checkpoint
import Files
import Kernels

/// The tensors of an encoder in mapped files: safetensors or GGUF.
struct EncoderTensors {
    struct Entry {
        let file: MappedFile
        let range: Range<Int>
        let shape: [Int]
        let type: String
        /// nil if its numbers are no weights.
        let format: StoredFormat?
    }

    let entries: OrderedDictionary<Entry>
    /// The size of all files.
    let byteCount: Int

    init(_ tensors: SafeTensorsCollection) {
        var entries: OrderedDictionary<Entry> = [:]
        for (name, entry) in tensors.entries {
            entries[name] = Entry(
                file: entry.file, range: entry.tensor.range, shape: entry.tensor.shape, type: entry.tensor.type,
                format: tensors.stored(name)?.format)
        }
        self.entries = entries
        byteCount = tensors.byteCount
    }

    init(_ gguf: GGUFFile, in file: MappedFile) {
        var entries: OrderedDictionary<Entry> = [:]
        for (name, tensor) in gguf.tensors.sorted(by: { $0.value.range.lowerBound < $1.value.range.lowerBound }) {
            entries[name] = Entry(file: file, range: tensor.range, shape: tensor.shape, type: tensor.type.name, format: tensor.type)
        }
        self.entries = entries
        byteCount = file.count
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
        return StoredTensor(file: entry.file, range: entry.range, format: format)
    }

    /// Copies a checked tensor into its part of an f32 parameter.
    func copy(_ part: TensorPart, into parameter: Buffer, columns: Int) {
        guard let tensor = stored(part.name) else { return }
        part.copy(into: parameter, columns: columns) { tensor.read($0, into: &$1) }
    }
}
