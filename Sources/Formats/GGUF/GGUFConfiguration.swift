import Autograd
import Checkpoint
import Glibc
import Kernels
import Model

extension GGUFFile {
    func architecture(_ bytes: Span<UInt8>) throws(CheckpointError) -> GGUFArchitecture {
        let name = try text("general.architecture", in: bytes)
        guard let architecture = GGUFArchitecture(rawValue: name) else {
            if EncoderFile.ggufArchitectures.contains(name) {
                throw mismatch(
                    "general.architecture", "a model that generates text",
                    "'\(name)', an embedding model or a reranker: --embedding-model FILE, or --reranker FILE")
            }
            let known = GGUFArchitecture.allCases.map(\.rawValue).joined(separator: ", ")
            throw mismatch("general.architecture", "one of \(known)", String(name.prefix(60)))
        }
        return architecture
    }
}

extension GPTConfiguration {
    /// Reads the hyperparameters. What llama.cpp takes for granted follows from the architecture.
    init(_ file: GGUFFile, _ architecture: GGUFArchitecture, _ bytes: Span<UInt8>) throws(CheckpointError) {
        let features = architecture.features, prefix = architecture.rawValue
        func key(_ name: String) -> String { "\(prefix).\(name)" }
        func isStored(_ name: String) -> Bool { file.tensors["blk.0.\(name)"] != nil }
        let width = try file.integer(key("embedding_length"), 1...1_048_576)
        let heads = try file.integer(key("attention.head_count"), 1...65_536)
        let headWidth = try file.integer(key("attention.key_length"), else: max(1, width / heads), 1...8_192)
        guard file.metadata[key("attention.key_length")] != nil || width % heads == 0 else {
            throw file.mismatch(key("attention.head_count"), "a divisor of the \(width) channels")
        }
        _ = try file.integer(key("attention.value_length"), else: headWidth, headWidth...headWidth)
        // Each layer has at least 6 tensors, those of Phi-3.
        let layers = try file.integer(key("block_count"), 0...min(1_024, file.tensors.count / 6))
        guard let rows = file.tensors["token_embd.weight"]?.shape.first, rows <= 16_777_216 else {
            let found = file.tensors["token_embd.weight"]?.typeDescription
            throw file.mismatch("token_embd.weight", "a tensor [vocabulary, \(width)]", found)
        }
        self.init(
            layers: layers, heads: heads, width: width, headWidth: headWidth,
            context: try file.integer(key("context_length"), 1...16_777_216), vocabulary: rows
        )
        isTied = file.tensors["output.weight"] == nil
        hiddenWidth = try file.integer(key("feed_forward_length"), 1...4_194_304)
        keyValueHeads = try file.integer(key("attention.head_count_kv"), else: heads, 1...heads)
        let areUsual = keyValueHeads == heads && headWidth * heads == width
        guard heads % keyValueHeads == 0, features.hasOwnHeads || areUsual else {
            throw file.mismatch(key("attention.head_count_kv"), "a number of heads that \(features.name) can have")
        }
        positions = features.positions
        norm = features.norm
        isGated = features.isGated
        qkNorm = features.qkNorm
        guard qkNorm != .wholeRows || keyValueHeads == heads else {
            throw file.mismatch(key("attention.head_count_kv"), "\(heads), as many as heads of queries")
        }
        hasPreNorms = features.hasPreNorms
        hasPostNorms = features.hasPostNorms
        let epsilon = norm == .rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"
        normEpsilon = Float(try file.number(key(epsilon), 1e-12...1))
        activation = features.activations[0]
        hasBias = features.biases == [.all] || features.biases.contains(.all) && (isStored("attn_q.bias") || isStored("attn_output.bias"))
        hasQKVBias = features.biases == [.queriesKeysValues] || features.biases.contains(.queriesKeysValues) && isStored("attn_q.bias")
        hasNormBias = features.hasNormBias
        embeddingScale = features.embeddingScale(width: width)
        let expertCount = try file.integer(key("expert_count"), else: 0, 0...65_536)
        if features.mixtures == .always || expertCount > 0 { try readExperts(file, architecture) }
        if features.hasMultipliers {
            func factor(_ name: String) throws(CheckpointError) -> Float {
                Float(try file.number(key(name), else: 1, 1e-6...1e6))
            }
            embeddingScale = try factor("embedding_scale")
            residualScale = try factor("residual_scale")
            logitScale = 1 / (try factor("logit_scale"))
            let scale = key("attention.scale")
            if file.metadata[scale] != nil { attentionScale = Float(try file.number(scale, 1e-6...1_000)) }
        }
        if architecture == .smolLM3 { setAttention(of: (0..<layers).map { $0 % 4 == 3 ? .positionless : .full }) }
        if features.canBeParallel { isParallel = try file.boolean(key("use_parallel_residual"), else: isParallel) }
        // llama.cpp, too, goes by the norm instead of the key, which older files of models in sequence have as true.
        if architecture == .stableLM, layers > 0, !isStored("ffn_norm.weight") {
            throw file.mismatch("blk.0.ffn_norm.weight", "a norm before the MLP, since slm has no parallel StableLM")
        }
        if positions == .rotary { try readRotary(file, architecture, bytes) }
        if architecture == .phi3 {
            let width = try file.integer(key("attention.sliding_window"), else: 0, 0...16_777_216)
            if width > 0 { (layerAttention, slidingWindow) = ([.sliding], width) }
        }
        hasAttentionSinks = features.hasAttentionSinks
        if architecture == .gptOSS { try readWindowOfEverySecondLayer(file, architecture) }
        if architecture.isGemma { try readGemma(architecture, file, bytes) }
    }

    private mutating func readExperts(_ file: GGUFFile, _ architecture: GGUFArchitecture) throws(CheckpointError) {
        let prefix = architecture.rawValue, features = architecture.features
        guard features.mixtures != .never else { throw file.mismatch("\(prefix).expert_count", "0 in a \(features.name)") }
        let count = try file.integer("\(prefix).expert_count", Experts.possibleCounts)
        guard count * layers <= Self.mostExperts else {
            throw file.mismatch("\(prefix).expert_count", "at most \(Self.mostExperts) experts in all layers")
        }
        var experts = Experts(count: count, active: try file.integer("\(prefix).expert_used_count", 1...count))
        experts.normalizesWeights = features.normalizesExpertWeights[0]
        let shared = "\(prefix).expert_shared_feed_forward_length", isGated = features.sharedExperts == .gated
        if isGated || features.sharedExperts == .plain && file.metadata[shared] != nil {
            // Without the key, llama.cpp takes the width of an MLP.
            let width = try file.integer(shared, else: hiddenWidth, (isGated ? 1 : 0)...4_194_304)
            if width > 0 { experts.shared = .init(width: width, hasGate: isGated) }
        }
        self.experts = experts
        hiddenWidth = try file.integer("\(prefix).expert_feed_forward_length", else: hiddenWidth, 1...4_194_304)
    }

    private mutating func readRotary(_ file: GGUFFile, _ architecture: GGUFArchitecture, _ bytes: Span<UInt8>) throws(CheckpointError) {
        let prefix = "\(architecture.rawValue).rope"
        func number(_ name: String, else other: Double, _ range: ClosedRange<Double> = 1e-6...1e9) throws(CheckpointError) -> Double {
            try file.number("\(prefix).\(name)", else: other, range)
        }
        guard headWidth % 2 == 0 else {
            throw file.mismatch("\(architecture.rawValue).attention.head_count", "heads with an even number of channels, since they rotate")
        }
        rotary = RotaryPositions(base: try number("freq_base", else: 10_000, 1...1e12))
        let rotating = try file.integer("\(prefix).dimension_count", else: headWidth, 1...headWidth)
        guard rotating % 2 == 0, rotating == headWidth || architecture.features.hasPartialRotary else {
            throw file.mismatch("\(prefix).dimension_count", architecture.features.hasPartialRotary ? "an even number" : "\(headWidth)")
        }
        if rotating < headWidth { rotary.width = rotating }
        let factor = try number("scaling.factor", else: number("scale_linear", else: 1))
        let type = try file.text("\(prefix).scaling.type", else: "linear", in: bytes)
        switch type {
        case "none", "longrope": break
        case "linear": if factor != 1 { rotary.scaling = .linear(factor: factor) }
        case "yarn":
            let own = try number("scaling.attn_factor", else: 1), usual = 1 + 0.1 * Glibc.log(factor)
            rotary.scaling = .yarn(
                factor: factor, fast: try number("scaling.yarn_beta_fast", else: 32), slow: try number("scaling.yarn_beta_slow", else: 1),
                context: try number("scaling.original_context_length", else: Double(context)), magnitude: own * (factor > 1 ? usual : 1),
                truncates: architecture != .gptOSS
            )
        default:
            throw file.mismatch("\(prefix).scaling.type", "none, linear or yarn", String(type.prefix(60)))
        }
        func factors(_ name: String, of owner: GGUFArchitecture, pairs: Int) throws(CheckpointError) -> [Float]? {
            guard let tensor = file.tensors[name] else { return nil }
            guard architecture == owner, rotary.scaling == .none, tensor.type == .f32, tensor.shape == [pairs] else {
                let expected = "a tensor F32 [\(pairs)] of a \(owner.features.name) without other scaling"
                throw file.mismatch(name, expected, tensor.typeDescription)
            }
            var factors = [Float](repeating: 0, count: pairs)
            var span = factors.mutableSpan
            tensor.type.read(bytes.extracting(tensor.range), into: &span)
            return factors
        }
        if let factors = try factors(Self.rotaryFactors, of: .llama, pairs: headWidth / 2) {
            rotary.scaling = try llama3Scaling(factors, file)
        }
        let pairs = rotaryWidth / 2
        guard let short = try factors(Self.shortFactors, of: .phi3, pairs: pairs),
              let long = try factors(Self.longFactors, of: .phi3, pairs: pairs) else { return }
        guard (short + long).allSatisfy({ RotaryPositions.possibleFactors.contains(Double($0)) }) else {
            throw file.mismatch(Self.shortFactors, "numbers above 0", "others")
        }
        rotary.scaling = .long(RotaryPositions.LongFactors(
            short: short.map(Double.init), long: long.map(Double.init),
            context: try file.integer("\(prefix).scaling.original_context_length", else: context, 1...16_777_216),
            magnitude: try number("scaling.attn_factor", else: 1)))
    }

    /// The tensor of Llama 3's scaling, and those of LongRoPE's: what each pair's angle is divided by.
    private static let rotaryFactors = "rope_freqs.weight"
    private static let shortFactors = "rope_factors_short.weight", longFactors = "rope_factors_long.weight"
    static let rotaryTensors = [rotaryFactors, shortFactors, longFactors]

    /// The tensors that a file of the model has for its scaling.
    var rotaryTensors: [(name: String, factors: [Float])] {
        switch rotary.scaling {
        case .none, .linear, .yarn: []
        case .llama3: [(Self.rotaryFactors, rotary.factors(of: rotary.scaling, width: headWidth))]
        case .long(let factors): [(Self.longFactors, factors.long.map { Float($0) }), (Self.shortFactors, factors.short.map { Float($0) })]
        }
    }

    /// Finds the settings of Llama 3's scaling that make the stored factors: GGUF files do not contain the settings themselves.
    private func llama3Scaling(_ factors: [Float], _ file: GGUFFile) throws(CheckpointError) -> RotaryPositions.Scaling {
        let largest = Double(factors.max() ?? 1)
        if factors.allSatisfy({ $0 == 1 }) { return .none }
        if largest.isFinite, largest > 1 {
            for exponent in 4...24 {
                let scaling = RotaryPositions.Scaling.llama3(factor: largest, low: 1, high: 4, context: Double(1 << exponent))
                if zip(rotary.factors(of: scaling, width: headWidth), factors).allSatisfy({ abs($0 / $1 - 1) < 1e-4 }) { return scaling }
            }
        }
        throw file.mismatch(Self.rotaryFactors, "the factors of Llama 3 for a first context of a power of two", "others")
    }

    /// Reads the window of the first of every two layers.
    private mutating func readWindowOfEverySecondLayer(_ file: GGUFFile, _ architecture: GGUFArchitecture) throws(CheckpointError) {
        slidingWindow = try file.integer("\(architecture.rawValue).attention.sliding_window", else: slidingWindow, 1...16_777_216)
        setAttention(of: (0..<layers).map { $0 % 2 == 0 ? .sliding : .full })
    }

    private mutating func readGemma(_ architecture: GGUFArchitecture, _ file: GGUFFile, _ bytes: Span<UInt8>) throws(CheckpointError) {
        if layers == architecture.layersOf27B { attentionScale = 1 / Float(width / heads).squareRoot() }
        func cap(_ name: String, else other: Float?) throws(CheckpointError) -> Float? {
            let key = "\(architecture.rawValue).\(name)"
            if file.metadata[key] == nil { return other }
            // In Gemma 3, 0 means none.
            if architecture == .gemma3, try file.number(key, 0...1e6) == 0 { return nil }
            return Float(try file.number(key, Self.possibleCaps))
        }
        let isSecond = architecture == .gemma2
        logitCap = try cap("final_logit_softcapping", else: isSecond ? 30 : nil)
        if isSecond {
            scoreCap = try cap("attn_logit_softcapping", else: 50)
            return try readWindowOfEverySecondLayer(file, architecture)
        }
        let window = try file.integer("gemma3.attention.sliding_window", else: 0, 0...16_777_216)
        guard window > 0 else { return }
        slidingWindow = window
        slidingRotary = RotaryPositions(base: try file.number("gemma3.rope.freq_base_swa", else: 10_000, 1...1e12))
        let isSliding = try file.isSliding("gemma3", layers: layers, period: 6, full: { $0 - 1 }, in: bytes)
        setAttention(of: isSliding.map { $0 ? .sliding : .full })
    }
}

extension RotaryPositions {
    /// What a scaling divides each pair's angle by.
    func factors(of scaling: Scaling, width: Int) -> [Float] {
        var plain = self, scaled = self
        plain.scaling = .none
        scaled.scaling = scaling
        return zip(plain.frequencies(width: width), scaled.frequencies(width: width)).map { Float($0 / $1) }
    }
}
