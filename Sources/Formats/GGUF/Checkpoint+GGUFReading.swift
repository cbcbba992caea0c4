package import Checkpoint
import Autograd
import Files
package import Kernels
import Model
import Tokenize

extension Checkpoint {
    /// Reads a GGUF file of a GPT-2. Weights of every supported type are converted to f32.
    ///
    ///     let checkpoint = try Checkpoint(readingGGUF: "gpt2.Q8_0.gguf", on: processor)
    ///     try checkpoint.write(to: "checkpoints/gpt2/best.h5")
    ///
    /// A damaged or malicious file throws. Memory is allocated only after all names, sizes and offsets are checked; the weights then take
    /// up to seven times the size of a Q4_0 file.
    ///
    /// - Parameter hasTokenizer: whether to read the tokenizer; otherwise the checkpoint has none.
    package init(readingGGUF path: String, hasTokenizer: Bool = true, on processor: Processor) throws(GGUFError) {
        let file: MappedFile
        do { file = try MappedFile(path) } catch { throw .file(error) }
        self = try file.read(as: UInt8.self) { bytes throws(GGUFError) in
            try Checkpoint(GGUFReader.read(bytes, path: path), bytes, hasTokenizer, on: processor)
        }
    }

    private init(_ file: GGUFFile, _ bytes: Span<UInt8>, _ hasTokenizer: Bool, on processor: Processor) throws(GGUFError) {
        let configuration = try GPTConfiguration(file, bytes)
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        let tensors = try file.tensors(of: list.parameters)
        let vocabulary = hasTokenizer ? try file.vocabulary(rows: configuration.vocabulary, in: bytes) : nil
        let values = processor.zeros(list.count)
        for (parameter, tensor) in zip(list.parameters, tensors) {
            values[parameter.range].write { GGUFBlocks.decode(bytes.extracting(tensor.range), tensor.type, into: &$0) }
        }
        self.init(configuration, weights: OrderedDictionary(values, of: list.parameters))
        guard let vocabulary else { return }
        do throws(TokenizeError) { tokenizer = try StoredTokenizer(vocabulary) } catch { throw .tokenizer(error) }
        guard file.metadata["tokenizer.chat_template"] != nil else { return }
        chatTemplate = ChatTemplate(jinja: try file.text("tokenizer.chat_template", in: bytes))
    }
}

extension GGUFFile {
    /// Returns the tensor of each parameter. Throws if one is missing, has another shape, or if there are further tensors.
    fileprivate func tensors(of parameters: [Parameter]) throws(GGUFError) -> [GGUFTensor] {
        var found: [GGUFTensor] = [], known: Set<String> = []
        for parameter in parameters {
            let name = GGUFNames.name(of: parameter.name)
            guard let tensor = tensors[name], tensor.shape == parameter.shape.sizes else {
                throw .mismatch(
                    path: path, name: name, expected: "a tensor \(parameter.shape)", found: tensors[name]?.typeDescription ?? "nothing"
                )
            }
            found.append(tensor)
            known.insert(name)
        }
        if let other = tensors.keys.filter({ !known.contains($0) }).min() {
            throw .mismatch(path: path, name: other, expected: "no such tensor in a GPT-2", found: "a tensor")
        }
        return found
    }
}

extension GPTConfiguration {
    /// Reads the hyperparameters. llama.cpp's GPT-2 always has biases, learned positions, layer norm and GPT-2's GELU, which are slm's
    /// defaults.
    fileprivate init(_ file: GGUFFile, _ bytes: Span<UInt8>) throws(GGUFError) {
        let architecture = try file.text("general.architecture", in: bytes)
        guard architecture == "gpt2" else {
            throw .mismatch(path: file.path, name: "general.architecture", expected: "gpt2", found: architecture)
        }
        let width = try file.integer("gpt2.embedding_length", 1...1_048_576)
        let heads = try file.integer("gpt2.attention.head_count", 1...65_536)
        guard width % heads == 0 else { throw file.mismatch("gpt2.attention.head_count", "a divisor of the \(width) channels") }
        // Each layer has 12 tensors.
        let layers = try file.integer("gpt2.block_count", 0...min(1_024, file.tensors.count / 12))
        guard let rows = file.tensors["token_embd.weight"]?.shape.first, rows <= 16_777_216 else {
            throw .mismatch(
                path: file.path, name: "token_embd.weight", expected: "a tensor [vocabulary, \(width)]",
                found: file.tensors["token_embd.weight"]?.typeDescription ?? "nothing"
            )
        }
        self.init(
            layers: layers, heads: heads, width: width, context: try file.integer("gpt2.context_length", 1...16_777_216), vocabulary: rows
        )
        isTied = file.tensors["output.weight"] == nil
        _ = try file.integer("gpt2.feed_forward_length", 4 * width...4 * width)
        if file.metadata["gpt2.attention.head_count_kv"] != nil { _ = try file.integer("gpt2.attention.head_count_kv", heads...heads) }
        let epsilon = try file.number("gpt2.attention.layer_norm_epsilon")
        guard abs(epsilon - 1e-5) < 1e-8 else {
            throw file.mismatch("gpt2.attention.layer_norm_epsilon", "0.00001, the only supported one")
        }
    }
}
