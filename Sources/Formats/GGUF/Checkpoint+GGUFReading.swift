package import Checkpoint
import Autograd
import Files
package import Kernels
import Model
import Tokenize

extension Checkpoint {
    /// Reads a GGUF file of one of the architectures of ``GGUFArchitecture``. Its matrices stay in the mapped file as they are; norms and
    /// biases are converted to f32.
    ///
    ///     let checkpoint = try Checkpoint(mappingGGUF: "qwen2.5-0.5b.Q8_0.gguf")
    ///
    /// A damaged or malicious file throws. Memory is allocated only after all names, sizes and offsets are checked.
    ///
    /// - Parameter hasTokenizer: whether to read the tokenizer; otherwise the checkpoint has none.
    package init(mappingGGUF path: String, hasTokenizer: Bool = true) throws(CheckpointError) {
        let file = try ImportedFile(path).mapped(staysOpen: true)
        self = try file.read(as: UInt8.self) { bytes throws(CheckpointError) in
            try Checkpoint(GGUFReader.read(bytes, path: path), bytes, in: file, hasTokenizer)
        }
    }

    /// Reads a GGUF file and converts all weights to f32.
    ///
    ///     let checkpoint = try Checkpoint(readingGGUF: "gpt2.Q8_0.gguf", on: processor)
    ///     try checkpoint.write(to: "checkpoints/gpt2/best.h5")
    ///
    /// The weights then take up to seven times the size of a Q4_0 file.
    package init(readingGGUF path: String, hasTokenizer: Bool = true, on processor: Processor) throws(CheckpointError) {
        self = try Checkpoint(mappingGGUF: path, hasTokenizer: hasTokenizer).dequantized(on: processor)
    }

    private init(_ file: GGUFFile, _ bytes: Span<UInt8>, in mapped: MappedFile, _ hasTokenizer: Bool) throws(CheckpointError) {
        let architecture = try file.architecture(bytes), configuration = try GPTConfiguration(file, architecture, bytes)
        let layout = TensorLayout(configuration, architecture.names)
        let parameters = try file.storedParameters(of: layout, architecture)
        let vocabulary = hasTokenizer ? try file.vocabulary(rows: configuration.vocabulary, in: bytes) : nil
        self.init(path: file.path, byteCount: bytes.count, configuration: configuration, format: .gguf)
        for (parameter, parts) in parameters {
            add(parameter, parts.map { ($0, StoredTensor(file: mapped, range: $1.range, format: $1.type).slice($0)) })
        }
        addMissingBiases(of: layout)
        servingDefaults.sampling = file.samplingDefaults
        guard let vocabulary else { return }
        tokenizer = StoredTokenizer(read: vocabulary)
        var ends = EndTokens(vocabulary)
        for role in GGUFFile.endRoles {
            let key = "tokenizer.ggml.\(role)_token_id"
            guard case .unsigned(let id)? = file.metadata[key] else { continue }
            ends.add([Int(clamping: id)], of: key)
        }
        if file.metadata["tokenizer.chat_template"] != nil {
            var template = try file.chatTemplate(in: bytes, vocabulary)
            template.template.stopTokens = ends.ids
            template.add(to: &self, vocabulary)
        }
        ends.set(in: &self)
    }
}

extension GGUFFile {
    /// Returns the tensors of each parameter. Throws if one is missing, has another shape, or if there are further tensors.
    ///
    /// The tensors of each parameter. Only biases of families that have models without them can be missing; they are zeros.
    fileprivate func storedParameters(
        of layout: TensorLayout, _ architecture: GGUFArchitecture
    ) throws(CheckpointError) -> [(Parameter, [(TensorPart, GGUFTensor)])] {
        var found: [(Parameter, [(TensorPart, GGUFTensor)])] = [], known = Set(GPTConfiguration.rotaryTensors)
        for (parameter, parts) in layout.parameters {
            if architecture.canLackBiases, parameter.name.hasSuffix(".bias"), parts.allSatisfy({ tensors[$0.name] == nil }) { continue }
            var stored: [(TensorPart, GGUFTensor)] = []
            for part in parts {
                guard let tensor = tensors[part.name], tensor.shape == part.tensorShape else {
                    throw mismatch(part.name, "a tensor \(part.tensorShape)", tensors[part.name]?.typeDescription)
                }
                stored.append((part, tensor))
                known.insert(part.name)
            }
            found.append((parameter, stored))
        }
        if let other = tensors.keys.filter({ !known.contains($0) }).min() {
            throw mismatch(other, "no such tensor in a model of architecture \(architecture.rawValue)", "a tensor")
        }
        return found
    }
}
