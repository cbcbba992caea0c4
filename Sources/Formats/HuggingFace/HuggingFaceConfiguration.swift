import Checkpoint
import Autograd
import JSON
import Kernels
import Model

/// The config.json of Hugging Face's GPT-2.
extension GPTConfiguration {
    /// Hugging Face's names for slm's activations. If there are several, the first one is written.
    private static let activations: [(name: String, function: UnaryFunction)] = [
        ("gelu_new", .gelu), ("gelu_pytorch_tanh", .gelu), ("gelu_fast", .gelu), ("gelu", .exactGELU),
        ("relu", .relu), ("relu2", .reluSquared), ("silu", .silu), ("swish", .silu), ("tanh", .tanh),
        ("sigmoid", .sigmoid), ("linear", .identity),
    ]
    private static let epsilon = 1e-5

    /// Reads a config.json. Missing fields have the defaults of transformers, those of the smallest GPT-2.
    init(huggingFace root: JSONElement, _ file: ImportedFile) throws(CheckpointError) {
        func integer(_ key: String, else other: Int, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
            let value = try file.read { () throws(JSONError) in try root.integer(key, default: other) }
            guard range.contains(value) else {
                throw file.mismatch(key, "a whole number from \(range.lowerBound) to \(range.upperBound)", "\(value)")
            }
            return value
        }
        func text(_ key: String, else other: String) throws(CheckpointError) -> String {
            try file.read { () throws(JSONError) in try root.string(key, default: other) }
        }
        let type = try text("model_type", else: "gpt2")
        guard type == "gpt2" else { throw file.mismatch("model_type", "gpt2, the only supported one", String(type.prefix(60)).quoted) }
        let heads = try integer("n_head", else: 12, 1...65_536)
        let width = try integer("n_embd", else: 768, 1...1_048_576)
        guard width % heads == 0 else { throw file.mismatch("n_embd", "a multiple of the \(heads) heads (n_head)", "\(width)") }
        let context = try integer("n_positions", else: integer("n_ctx", else: 1_024, 1...16_777_216), 1...16_777_216)
        self.init(
            layers: try integer("n_layer", else: 12, 0...1_024), heads: heads, width: width, context: context,
            vocabulary: try integer("vocab_size", else: 50_257, 1...16_777_216)
        )
        let name = try text("activation_function", else: "gelu_new")
        guard let found = Self.activations.first(where: { $0.name == name }) else {
            let known = Self.activations.map(\.name).joined(separator: ", ")
            throw file.mismatch("activation_function", "one of \(known)", String(name.prefix(60)).quoted)
        }
        activation = found.function
        isTied = try file.read { () throws(JSONError) in try root.boolean("tie_word_embeddings", default: true) }
        let dropout = try file.read { () throws(JSONError) in try root.number("resid_pdrop", default: 0.1) }
        guard dropout >= 0, dropout < 1, Float(dropout) < 1 else {
            throw file.mismatch("resid_pdrop", "a number from 0 to below 1", "\(dropout)")
        }
        self.dropout = Float(dropout)
        try Self.checkUnsupportedOptions(root, width: width, file)
    }

    /// Throws if GPT-2 options that slm does not implement are not at their default.
    private static func checkUnsupportedOptions(_ root: JSONElement, width: Int, _ file: ImportedFile) throws(CheckpointError) {
        let epsilon = try file.read { () throws(JSONError) in try root.number("layer_norm_epsilon", default: Self.epsilon) }
        guard epsilon == Self.epsilon else {
            throw file.mismatch("layer_norm_epsilon", "\(Self.epsilon), the only supported one", "\(epsilon)")
        }
        let inner = try file.read { () throws(JSONError) in try root.integer("n_inner", default: 4 * width) }
        guard inner == 4 * width else { throw file.mismatch("n_inner", "null or \(4 * width), four times n_embd", "\(inner)") }
        for (key, supported) in [
            ("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false), ("add_cross_attention", false),
        ] {
            let value = try file.read { () throws(JSONError) in try root.boolean(key, default: supported) }
            guard value == supported else { throw file.mismatch(key, "\(supported), the only supported value", "\(value)") }
        }
        if let quantization = root["quantization_config"], !quantization.isNull {
            throw file.mismatch("quantization_config", "no such field: weights in F32, F16 or BF16", "a quantized model")
        }
    }

    /// Why this model cannot be written as a GPT-2; nil if it can.
    package var gpt2Incompatibility: String? {
        switch positions {
        case .rotary: return "it has rotary positions, and GPT-2 has learned ones"
        case .none: return "it has no positions, and GPT-2 has learned ones"
        case .learned: break
        }
        if qkNorm != .none { return "it normalizes queries and keys (QK-norm), and GPT-2 does not" }
        if norm == .rms { return "it uses RMS norm, and GPT-2 uses layer norm" }
        if !Self.activations.contains(where: { $0.function == activation }) { return "transformers lacks its activation, \(activation)" }
        return nil
    }

    /// Writes the config.json.
    func huggingFaceJSON(_ specialTokens: HuggingFaceSpecialTokens, _ format: WeightFormat) -> [UInt8] {
        var writer = JSONWriter(.pretty)
        writer.object {
            $0.key("architectures"); $0.array { $0.string("GPT2LMHeadModel") }
            $0.key("model_type"); $0.string("gpt2")
            for (key, value) in [
                ("n_layer", layers), ("n_head", heads), ("n_embd", width), ("n_positions", context), ("n_ctx", context),
                ("vocab_size", vocabulary),
            ] { $0.key(key); $0.integer(value) }
            $0.key("n_inner"); $0.null()
            $0.key("activation_function"); $0.string(Self.activations.first { $0.function == activation }?.name ?? "gelu_new")
            $0.key("layer_norm_epsilon"); $0.number(Self.epsilon)
            $0.key("tie_word_embeddings"); $0.boolean(isTied)
            // The f32's shortest digits. slm has no dropout on attention weights.
            let rate = Double("\(dropout)") ?? 0
            for (key, value) in [("resid_pdrop", rate), ("embd_pdrop", rate), ("attn_pdrop", 0)] { $0.key(key); $0.number(value) }
            specialTokens.write(to: &$0)
            for key in ["dtype", "torch_dtype"] { $0.key(key); $0.string(format.huggingFaceName) }
        }
        writer.newline()
        return writer.bytes
    }
}

extension WeightFormat {
    fileprivate var huggingFaceName: String { switch self { case .f32: "float32"; case .f16: "float16"; case .bf16: "bfloat16" } }
}
