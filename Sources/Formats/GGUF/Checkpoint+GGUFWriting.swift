package import Checkpoint
package import Kernels
import Autograd
import Files
import Glibc
import Model
import Tokenize

extension Checkpoint {
    /// Writes the model atomically as a GGUF file, for llama.cpp and programs based on it.
    ///
    ///     try checkpoint.writeGGUF(to: "chat.Q8_0.gguf", as: .q8_0, name: "chat")
    ///
    /// Matrices, the token embedding and the head are stored as `format`; norms, biases and positions stay f32. A model without biases
    /// gets zeros.
    ///
    /// - Parameters:
    ///   - processor: Fits weights to blocks; nil for formats that are not fitted.
    ///   - calibration: The statistics of a matrix's inputs, by its name, for formats that are fitted.
    package func writeGGUF(
        to path: String, as format: GGUFFormat, name: String = "slm", on processor: Processor? = nil,
        calibration: ((_ name: String) -> InputStatistics?)? = nil
    ) throws(CheckpointError) {
        func refusal(_ reason: String) -> CheckpointError { .notExpressible(format: GGUFFile.format(at: path), reason: reason) }
        if adapter != nil { throw refusal("it is a LoRA adapter; merge it into its base model first") }
        let own = configuration.withoutWindow, (found, reason) = GGUFArchitecture.family(of: own)
        guard let architecture = found else { throw refusal(reason) }
        let stored = architecture.features.stored(own)
        let tensors = try tensors(stored, architecture, format, isCalibrated: calibration != nil)
        for tensor in tensors {
            let type = tensor.type, row = tensor.part.shape.last ?? 0
            if row % type.blockCount != 0 {
                let rows = "the rows of \(tensor.part.name), \(row) numbers"
                throw refusal("\(rows), are not a multiple of \(type.name)'s block size \(type.blockCount)")
            }
        }
        var header = try header(stored, architecture, format, name)
        for tensor in tensors where tensor.part.isFirst { header.add(tensor.part.name, tensor.part.tensorShape, tensor.type) }
        let size = header.byteCount
        do {
            var file = try AtomicFile(path)
            try file.write(header.bytes)
            var known: (name: String, errors: ErrorWeights?)?
            for tensor in tensors {
                if let processor, tensor.type.isFitted, known?.name != tensor.matrix {
                    known = (tensor.matrix, calibration?(tensor.matrix)?.errorWeights(on: processor))
                }
                try write(tensor, to: &file, on: processor, weighting: known?.name == tensor.matrix ? known?.errors : nil)
            }
            try file.commit()
        } catch let error as FileError {
            throw CheckpointError(error, needed: size)
        } catch let error as CheckpointError {
            throw error
        } catch { fatalError("\(error)") }
    }

    private func header(
        _ stored: GPTConfiguration, _ architecture: GGUFArchitecture, _ format: GGUFFormat, _ name: String
    ) throws(CheckpointError) -> GGUFHeader {
        var header = GGUFHeader()
        header.add("general.architecture", architecture.rawValue)
        header.add("general.type", "model")
        header.add("general.name", name)
        header.add("general.alignment", UInt32(GGUFHeader.alignment))
        header.add("general.file_type", format.fileType)
        header.add("general.quantization_version", 2 as UInt32)
        header.add(stored, architecture)
        if let sampling = servingDefaults.sampling { header.add(sampling) }
        guard tokenizer != nil else {
            header.add("tokenizer.ggml.model", "none")
            return header
        }
        let vocabulary = try self.vocabulary()
        do throws(TokenizeError) {
            try header.add(vocabulary, chatTemplate, endTokens: servingDefaults.endTokens, rows: configuration.vocabulary)
        } catch { throw .tokenizer(error) }
        return header
    }

    private struct Tensor {
        let part: TensorPart
        let type: StoredFormat
        /// The name of the matrix that the tensor is part of.
        let matrix: String
        /// The parameter that the tensor is part of; nil for zeros.
        let parameter: (values: Buffer, columns: Int)?
    }

    private func tensors(
        _ stored: GPTConfiguration, _ architecture: GGUFArchitecture, _ format: GGUFFormat, isCalibrated: Bool
    ) throws(CheckpointError) -> [Tensor] {
        var configuration = stored, tensors: [Tensor] = []
        if architecture.storesTiedHead { configuration.isTied = false }
        for (parameter, part) in TensorLayout(configuration, architecture.names).fileOrder {
            let isTiedHead = self.configuration.isTied && parameter.name == "head.weight"
            let array = weights[isTiedHead ? "tokens.weight" : parameter.name]
            let isZero = array == nil && parameter.name.hasSuffix(".bias")
            guard isZero || array?.shape == parameter.shape else {
                let found = array.map { "f32 \($0.shape)" } ?? "nothing"
                throw .mismatch(path: self.name, name: "weights/\(parameter.name)", expected: "f32 \(parameter.shape)", found: found)
            }
            let staysF32 = part.shape.count < 2 || parameter.name.hasPrefix("positions.") || parameter.name.hasSuffix(".router.weight")
            let values = array.map { ($0.values, columns: parameter.columns) }
            let isHead = parameter.name == "head.weight" || configuration.isTied && parameter.name == "tokens.weight"
            let type = format.type(
                of: part.name, columns: part.shape.last ?? 0, in: stored, isHead: isHead, isCalibrated: isCalibrated)
            tensors.append(Tensor(
                part: part, type: staysF32 ? .f32 : type, matrix: isTiedHead ? "tokens.weight" : parameter.name, parameter: values))
        }
        for (name, factors) in stored.rotaryTensors {
            let values = Buffer(zeros: factors.count)
            values.write { for i in factors.indices { $0[i] = factors[i] } }
            let part = TensorPart(name: name, shape: [factors.count], rows: 0..<factors.count)
            tensors.append(Tensor(part: part, type: .f32, matrix: name, parameter: (values, columns: 1)))
        }
        return tensors
    }

    private func write(
        _ tensor: Tensor, to file: inout AtomicFile, on processor: Processor?, weighting errors: ErrorWeights?
    ) throws {
        let part = tensor.part
        // Threads fit rows together.
        let step = tensor.type.isFitted ? 16 * part.step : part.step
        var bytes: [UInt8] = []
        for first in stride(from: 0, to: part.count, by: step) {
            let range = first..<min(part.count, first + step)
            bytes.removeAll(keepingCapacity: true)
            if let (values, columns) = tensor.parameter {
                let numbers = part.numbers(range, of: values, columns: columns)
                if let index = numbers.span.firstIndex(above: tensor.type.limit) {
                    let limit = "\(tensor.type.name)'s limit is \(tensor.type.limit)"
                    let reason = "number \(first + index) of \(part.name) is \(numbers[index]), and \(limit)"
                    throw CheckpointError.notExpressible(format: GGUFFile.format(at: file.path), reason: reason)
                }
                if tensor.type.isFitted {
                    guard let processor else { preconditionFailure("\(tensor.type.name) needs a processor that fits the weights") }
                    let values = processor.buffer(of: numbers.count, .float32), columns = part.shape.last ?? 1
                    values.write { for i in numbers.indices { $0[i] = numbers[i] } }
                    let blocks = processor.blocks(
                        values, outputs: numbers.count / columns, inputs: columns, as: tensor.type, weighting: errors)
                    blocks.readBytes { span in for i in span.indices { bytes.append(span[i]) } }
                } else {
                    GGUFBlocks.encode(numbers.span, tensor.type, into: &bytes)
                }
            } else {
                bytes.append(contentsOf: repeatElement(0, count: 4 * range.count))
            }
            try file.write(bytes)
        }
        // Each tensor starts at a multiple of the alignment, like the data as a whole.
        if part.isLast { try file.write([UInt8](repeating: 0, count: GGUFHeader.aligned(file.count) - file.count)) }
    }
}

extension Span<Float> {
    /// The first number whose magnitude exceeds the limit, or NaN. Nil without a limit.
    fileprivate func firstIndex(above limit: Float) -> Int? {
        limit == .infinity ? nil : indices.first { !(abs(self[$0]) <= limit) }
    }
}

extension GGUFHeader {
    /// Adds the hyperparameters.
    fileprivate mutating func add(_ c: GPTConfiguration, _ architecture: GGUFArchitecture) {
        let prefix = architecture.rawValue
        for (key, value) in [
            ("context_length", c.context), ("embedding_length", c.width), ("block_count", c.layers), ("feed_forward_length", c.hiddenWidth),
            ("attention.head_count", c.heads), ("vocab_size", c.vocabulary),
        ] { add("\(prefix).\(key)", UInt32(value)) }
        if architecture.features.hasOwnHeads {
            add("\(prefix).attention.head_count_kv", UInt32(c.keyValueHeads))
            for key in ["key_length", "value_length"] { add("\(prefix).attention.\(key)", UInt32(c.headWidth)) }
        }
        if let experts = c.experts {
            for (key, value) in [
                ("expert_count", experts.count), ("expert_used_count", experts.active), ("expert_feed_forward_length", c.hiddenWidth),
            ] { add("\(prefix).\(key)", UInt32(value)) }
            if let shared = experts.shared { add("\(prefix).expert_shared_feed_forward_length", UInt32(shared.width)) }
        }
        if architecture.features.hasMultipliers {
            for (key, factor) in [
                ("embedding_scale", c.embeddingScale), ("residual_scale", c.residualScale), ("logit_scale", 1 / c.logitScale),
                ("attention.scale", c.attentionHeads(of: 0).scale),
            ] { add("\(prefix).\(key)", factor) }
        }
        add("\(prefix).attention.layer_norm_\(c.norm == .rms ? "rms_" : "")epsilon", c.normEpsilon)
        if [.gptNeoX, .stableLM].contains(architecture) { add("\(prefix).use_parallel_residual", c.isParallel) }
        if c.positions == .rotary { addRotary(c.rotary, c, prefix) }
        if let cap = c.scoreCap { add("\(prefix).attn_logit_softcapping", cap) }
        if let cap = c.logitCap { add("\(prefix).final_logit_softcapping", cap) }
        if c.layerAttention.contains(.sliding) {
            let isSliding = (0..<c.layers).map { c.attention(of: $0) == .sliding }
            add("\(prefix).attention.sliding_window", UInt32(c.slidingWindow))
            // Older versions of llama.cpp know only this pattern, and no key for it.
            if architecture == .gemma3, isSliding.indices.contains(where: { isSliding[$0] == (($0 + 1) % 6 == 0) }) {
                add("\(prefix).attention.sliding_window_pattern", isSliding)
            }
            if architecture == .gemma3 { add("\(prefix).rope.freq_base_swa", Float((c.slidingRotary ?? c.rotary).base)) }
        }
    }

    private mutating func addRotary(_ rotary: RotaryPositions, _ c: GPTConfiguration, _ prefix: String) {
        add("\(prefix).rope.dimension_count", UInt32(c.rotaryWidth))
        add("\(prefix).rope.freq_base", Float(rotary.base))
        switch rotary.scaling {
        // Llama 3's is the tensor of factors.
        case .none, .llama3: break
        case .long(let factors):
            add("\(prefix).rope.scaling.original_context_length", UInt32(factors.context))
            add("\(prefix).rope.scaling.attn_factor", Float(factors.magnitude))
        case .linear(let factor):
            add("\(prefix).rope.scaling.type", "linear")
            add("\(prefix).rope.scaling.factor", Float(factor))
        case .yarn(let factor, let fast, let slow, let context, let magnitude, _):
            add("\(prefix).rope.scaling.type", "yarn")
            add("\(prefix).rope.scaling.factor", Float(factor))
            add("\(prefix).rope.scaling.original_context_length", UInt32(context))
            // llama.cpp multiplies it by YaRN's usual magnitude.
            add("\(prefix).rope.scaling.attn_factor", Float(magnitude / (factor > 1 ? 1 + 0.1 * Glibc.log(factor) : 1)))
            add("\(prefix).rope.scaling.yarn_beta_fast", Float(fast))
            add("\(prefix).rope.scaling.yarn_beta_slow", Float(slow))
        }
    }
}
