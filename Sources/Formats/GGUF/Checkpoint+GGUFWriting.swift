package import Checkpoint
import Autograd
import Files
import Kernels
import Model
import Tokenize

extension Checkpoint {
    /// Writes the model atomically as a GGUF file of architecture gpt2, for llama.cpp and programs based on it.
    ///
    ///     try checkpoint.writeGGUF(to: "chat.Q8_0.gguf", as: .q8_0, name: "chat")
    ///
    /// Matrices, the token embedding and the head are stored as `format`; norms, biases and positions stay f32. A model without biases
    /// gets zeros.
    package func writeGGUF(to path: String, as format: GGUFFormat, name: String = "slm") throws(GGUFError) {
        if let reason = ggufIncompatibility(format) { throw .notExpressible(path: path, reason: reason) }
        let tensors = try tensors(format)
        var header = try header(format, name)
        for tensor in tensors { header.add(tensor.name, tensor.shape.sizes, tensor.format.type) }
        let size = header.byteCount
        do {
            var file = try AtomicFile(path)
            try file.write(header.bytes)
            for tensor in tensors { try write(tensor, to: &file) }
            try file.commit()
        } catch let error as FileError {
            throw .checkpoint(CheckpointError(error, needed: size))
        } catch let error as GGUFError {
            throw error
        } catch { fatalError("\(error)") }
    }

    /// Why llama.cpp's GPT-2 cannot represent this model; nil if it can.
    private func ggufIncompatibility(_ format: GGUFFormat) -> String? {
        let c = configuration, type = format.type
        if adapter != nil { return "it is a LoRA adapter; merge it into its base model first" }
        if c.layers == 0 { return "it has no layers" }
        if c.positions != .learned { return "its positions are \(c.positions.rawValue), and must be learned" }
        if c.norm != .layer { return "its norms are \(c.norm.rawValue), and must be layer norms" }
        if c.qkNorm != .none { return "it normalizes queries and keys (QK-norm)" }
        if c.activation != .gelu { return "its activation is \(c.activation), and must be GPT-2's gelu" }
        if c.width % type.blockCount != 0 {
            return "its width \(c.width) is not a multiple of \(type.name)'s block size \(type.blockCount)"
        }
        return nil
    }

    private func header(_ format: GGUFFormat, _ name: String) throws(GGUFError) -> GGUFHeader {
        var header = GGUFHeader()
        header.add("general.architecture", "gpt2")
        header.add("general.type", "model")
        header.add("general.name", name)
        header.add("general.alignment", UInt32(GGUFHeader.alignment))
        header.add("general.file_type", format.fileType)
        header.add("general.quantization_version", 2 as UInt32)
        for (key, value) in [
            ("context_length", configuration.context), ("embedding_length", configuration.width), ("block_count", configuration.layers),
            ("feed_forward_length", 4 * configuration.width), ("attention.head_count", configuration.heads),
            ("vocab_size", configuration.vocabulary),
        ] { header.add("gpt2.\(key)", UInt32(value)) }
        header.add("gpt2.attention.layer_norm_epsilon", 1e-5 as Float)
        guard tokenizer != nil else {
            header.add("tokenizer.ggml.model", "none")
            return header
        }
        let vocabulary: Vocabulary
        do { vocabulary = try self.vocabulary() } catch { throw .checkpoint(error) }
        do throws(TokenizeError) { try header.add(vocabulary, chatTemplate, rows: configuration.vocabulary) } catch {
            throw .tokenizer(error)
        }
        return header
    }

    private struct Tensor {
        let name: String
        let shape: Shape
        let format: GGUFFormat
        /// nil for zeros.
        let values: Buffer?
    }

    private func tensors(_ format: GGUFFormat) throws(GGUFError) -> [Tensor] {
        var biased = configuration, list = ParameterList(), tensors: [Tensor] = []
        biased.hasBias = true
        _ = GPT(biased, in: &list)
        for parameter in list.parameters {
            let array = weights[parameter.name]
            let isZero = array == nil && !configuration.hasBias && parameter.name.hasSuffix(".bias")
            guard isZero || array?.shape == parameter.shape else {
                let found = array.map { "f32 \($0.shape)" } ?? "nothing"
                throw .checkpoint(
                    .mismatch(path: self.name, name: "weights/\(parameter.name)", expected: "f32 \(parameter.shape)", found: found)
                )
            }
            let staysF32 = parameter.shape.rank < 2 || parameter.name.hasPrefix("positions.")
            let name = GGUFNames.name(of: parameter.name)
            tensors.append(Tensor(name: name, shape: parameter.shape, format: staysF32 ? .f32 : format, values: array?.values))
        }
        return tensors
    }

    private func write(_ tensor: Tensor, to file: inout AtomicFile) throws {
        let start = file.count
        let step = 1 << 16          // numbers at a time: whole blocks of every format
        var bytes: [UInt8] = []
        for first in stride(from: 0, to: tensor.shape.count, by: step) {
            let range = first..<min(tensor.shape.count, first + step)
            bytes.removeAll(keepingCapacity: true)
            if let values = tensor.values {
                let outOfRange = values[range].read { numbers in
                    let index = numbers.firstIndex(above: tensor.format.limit)
                    if index == nil { GGUFBlocks.encode(numbers, tensor.format, into: &bytes) }
                    return index.map { ($0, numbers[$0]) }
                }
                if let (index, number) = outOfRange {
                    let limit = "\(tensor.format.type.name)'s limit is \(tensor.format.limit)"
                    let reason = "number \(first + index) of \(tensor.name) is \(number), and \(limit)"
                    throw GGUFError.notExpressible(path: file.path, reason: reason)
                }
            } else {
                bytes.append(contentsOf: repeatElement(0, count: 4 * range.count))
            }
            try file.write(bytes)
        }
        let size = file.count - start
        try file.write([UInt8](repeating: 0, count: GGUFHeader.aligned(size) - size))
    }
}

extension Span<Float> {
    /// The first number whose magnitude exceeds the limit, or NaN. Nil without a limit.
    fileprivate func firstIndex(above limit: Float) -> Int? {
        limit == .infinity ? nil : indices.first { !(abs(self[$0]) <= limit) }
    }
}
