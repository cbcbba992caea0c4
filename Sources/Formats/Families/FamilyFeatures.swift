import Autograd
import Kernels
import Model

/// What the models of a family have in common.
///
///     FamilyFeatures.llama.differences(from: configuration)    // it has QK-norm, and Llama does not
struct FamilyFeatures {
    enum Biases {
        case none, queriesKeysValues, all
    }

    /// Which layers see only a window of positions.
    enum Sliding {
        case none, all, allOrNone, some
    }

    /// Whether a layer has experts instead of one MLP.
    enum Mixtures {
        case never, sometimes, always
    }

    /// Whether a mixture has a shared expert: none, one with a gate, or one without, which some models lack.
    enum SharedExperts {
        case none, gated, plain
    }

    /// The name in messages.
    let name: String
    var positions = GPTConfiguration.Positions.rotary
    var norm = Norm.Kind.rms
    var isGated = true
    var qkNorm = GPTConfiguration.QKNorm.none
    var hasPreNorms = true, hasPostNorms = false
    var canBeParallel = false
    var mixtures = Mixtures.never
    /// Whether experts and routers have biases.
    var hasExpertBiases = false
    /// Whether the weights of a token's experts sum to 1: true, false, or both.
    var normalizesExpertWeights = [true]
    var sharedExperts = SharedExperts.none
    /// Whether the heads of keys may be fewer than those of queries, and heads may have a width other than C / H.
    var hasOwnHeads = true
    /// The biases that its files have or can have. A model with fewer is stored with zeros.
    var biases: [Biases] = [.none]
    /// Whether layer norms have biases even if linear layers have none.
    var hasNormBias = false
    var sliding = Sliding.none
    /// Whether sliding layers have rotary positions of their own.
    var hasSlidingRotary = false
    var hasPartialRotary = false
    /// The kinds of scaling of rotary positions.
    var scalings = ["linear", "llama3", "yarn"]
    /// Whether every fourth layer can lack positions, as in SmolLM3.
    var hasPositionlessLayers = false
    /// Whether token embeddings are multiplied by √C.
    var scalesEmbeddings = false
    var hasAttentionScale = false
    /// Whether embeddings, residuals and logits have factors, as in Granite.
    var hasMultipliers = false
    /// Whether the heads have attention sinks.
    var hasAttentionSinks = false
    /// Whether attention scores can be soft-capped, and logits.
    var hasScoreCap = false, hasLogitCap = false
    var activations = UnaryFunction.allCases

    /// Why a model cannot be stored as one of this family; empty if it can.
    func differences(from c: GPTConfiguration) -> [String] {
        var differences: [String] = []
        func check(_ isSame: Bool, _ reason: @autoclosure () -> String) { if !isSame { differences.append(reason()) } }
        let own = c.positions == .none ? "no" : c.positions.rawValue
        check(c.positions == positions, "it has \(own) positions, and \(name) has \(positions.rawValue) ones")
        check(c.norm == norm, "it uses \(c.norm.name) norm, and \(name) uses \(norm.name) norm")
        check(c.isGated == isGated, "its MLP is \(c.isGated ? "" : "not ")gated, and \(name)'s is\(isGated ? "" : " not")")
        switch (c.qkNorm, qkNorm) {
        case (.none, .none), (.unit, .unit), (.scaled, .scaled), (.wholeRows, .wholeRows): break
        case (_, .none): check(false, "it normalizes queries and keys (QK-norm), and \(name) does not")
        case (.unit, _): check(false, "its QK-norm has no weights, and \(name)'s has")
        case (.none, _): check(false, "it does not normalize queries and keys (QK-norm), and \(name) does")
        case (.wholeRows, _): check(false, "its QK-norm is over all heads together, and \(name)'s over each head")
        case (_, .wholeRows): check(false, "its QK-norm is over each head, and \(name)'s over all heads together")
        default: check(false, "its QK-norm has weights, and \(name)'s has none")
        }
        check(c.hasPreNorms == hasPreNorms, "it has \(c.hasPreNorms ? "" : "no ")norms before attention and MLP, unlike \(name)")
        checkExperts(of: c, check)
        check(c.hasPostNorms == hasPostNorms, "it has \(c.hasPostNorms ? "" : "no ")norms after attention and MLP, unlike \(name)")
        check(!c.isParallel || canBeParallel, "attention and MLP are parallel, and in \(name) they are not")
        check(hasOwnHeads || c.keyValueHeads == c.heads, "its queries share heads of keys, and \(name) has as many heads of keys")
        if !hasOwnHeads, let reason = reasonOfWideHeads(c) { differences.append(reason) }
        check(storedBiases(of: c) != nil, "it has biases that \(name) lacks")
        check(!c.hasNormBias || hasNormBias || storedBiases(of: c) == .all, "its norms have biases, and \(name)'s have none")
        let scale = c.embeddingScale / embeddingScale(width: c.width)
        check(hasMultipliers || abs(scale - 1) < 1e-6, "its token embeddings are multiplied by \(c.embeddingScale)")
        check(hasAttentionScale || c.hasUsualAttentionScale, "its attention scores are multiplied by \(c.attentionScale ?? 1)")
        check(hasMultipliers || c.residualScale == 1, "the results of attention and MLP are multiplied by \(c.residualScale)")
        check(hasMultipliers || c.logitScale == 1, "its logits are multiplied by \(c.logitScale)")
        check(
            c.hasAttentionSinks == hasAttentionSinks, "it has \(c.hasAttentionSinks ? "" : "no ")attention sinks, unlike \(name)")
        check(hasScoreCap || c.scoreCap == nil, "its attention scores are soft-capped, and \(name)'s are not")
        check(hasLogitCap || c.logitCap == nil, "its logits are soft-capped, and \(name)'s are not")
        check(activations.contains(c.activation), "\(name) lacks its activation, \(c.activation)")
        differences += slidingDifferences(c) + rotaryDifferences(c)
        return differences
    }

    /// Why a model whose heads are not width / heads wide cannot be stored as one of a family whose heads are; nil if it can.
    func reasonOfWideHeads(_ c: GPTConfiguration) -> String? {
        c.headWidth * c.heads == c.width ? nil : "its heads are \(c.headWidth) wide, and \(name)'s are width / heads"
    }

    private func checkExperts(of c: GPTConfiguration, _ check: (Bool, @autoclosure () -> String) -> Void) {
        check(c.experts == nil || mixtures != .never, "it has experts, and \(name) has none")
        check(c.experts != nil || mixtures != .always, "it has no experts, and \(name) has")
        guard let experts = c.experts, mixtures != .never else { return }
        check(
            normalizesExpertWeights.contains(experts.normalizesWeights),
            "the weights of a token's experts are\(experts.normalizesWeights ? "" : " not") divided by their sum, unlike \(name)'s")
        check(c.hasBias == hasExpertBiases, "its experts have \(c.hasBias ? "" : "no ")biases, unlike \(name)'s")
        let canBeShared = switch (sharedExperts, experts.shared?.hasGate) {
        case (.none, nil), (.gated, true?), (.plain, nil), (.plain, false?): true
        default: false
        }
        let own = experts.shared.map { "a shared expert with\($0.hasGate ? "" : "out") a gate" } ?? "no shared expert"
        check(canBeShared, "it has \(own), unlike \(name)")
    }

    private func slidingDifferences(_ c: GPTConfiguration) -> [String] {
        let kinds = Set((0..<c.layers).map { c.attention(of: $0) })
        if kinds.contains(.positionless) {
            let reason = hasPositionlessLayers ? "it has a sliding window, and \(name) has none"
                : "it has layers without positions, and \(name) has none"
            return hasPositionlessLayers && !kinds.contains(.sliding) ? [] : [reason]
        }
        guard kinds.contains(.sliding) else {
            return sliding == .all ? ["its layers have no sliding window, and \(name)'s have"] : []
        }
        if sliding == .none { return ["it has layers with a sliding window, and \(name) has none"] }
        if sliding != .some, kinds.contains(.full) { return ["only some of its layers have a sliding window, and in \(name) all have"] }
        if !hasSlidingRotary, let own = c.slidingRotary, own != c.rotary {
            return ["its sliding layers have rotary positions of their own"]
        }
        return []
    }

    private func rotaryDifferences(_ c: GPTConfiguration) -> [String] {
        guard c.positions == .rotary else { return [] }
        var differences: [String] = []
        if c.rotaryWidth != c.headWidth, !hasPartialRotary { differences.append("only some channels rotate, and in \(name) all do") }
        if let scaling = c.rotary.scaling.name, !scalings.contains(scaling) {
            differences.append("\(name) lacks its rotary scaling, \(scaling)")
        }
        if hasSlidingRotary, let own = c.slidingRotary, own.scaling != .none {
            differences.append("the rotary positions of its sliding layers are scaled")
        }
        return differences
    }

    /// The biases that are stored for a model: the first kind of the family that includes those of the model.
    func storedBiases(of c: GPTConfiguration) -> Biases? {
        biases.first { biases in
            switch biases {
            case .none: !c.hasBias && !c.hasQKVBias
            case .queriesKeysValues: !c.hasBias
            case .all: c.hasBias || self.biases == [.all]
            }
        }
    }

    func embeddingScale(width: Int) -> Float { scalesEmbeddings ? Float(width).squareRoot() : 1 }

    /// A model's configuration with the biases that are stored for it.
    func stored(_ c: GPTConfiguration) -> GPTConfiguration {
        var c = c
        let biases = storedBiases(of: c)
        c.hasBias = biases == .all
        c.hasQKVBias = biases == .queriesKeysValues
        c.hasNormBias = hasNormBias
        return c
    }

    static let gpt2 = FamilyFeatures(
        name: "GPT-2", positions: .learned, norm: .layer, isGated: false, hasOwnHeads: false, biases: [.all]
    )
    static let llama = FamilyFeatures(name: "Llama", biases: [.none, .all])
    static let mistral = FamilyFeatures(name: "Mistral", sliding: .all)
    static let qwen2 = FamilyFeatures(name: "Qwen2", biases: [.queriesKeysValues], sliding: .some)
    static let qwen3 = FamilyFeatures(name: "Qwen3", qkNorm: .scaled, sliding: .some)
    static let gemma2 = FamilyFeatures(
        name: "Gemma 2", hasPostNorms: true, sliding: .some, scalesEmbeddings: true, hasAttentionScale: true, hasScoreCap: true,
        hasLogitCap: true
    )
    static let gemma3 = FamilyFeatures(
        name: "Gemma 3", qkNorm: .scaled, hasPostNorms: true, sliding: .some, hasSlidingRotary: true, scalesEmbeddings: true,
        hasAttentionScale: true, hasScoreCap: true, hasLogitCap: true
    )
    static let qwen3MoE = FamilyFeatures(
        name: "Qwen3 MoE", qkNorm: .scaled, mixtures: .always, normalizesExpertWeights: [true, false], sliding: .some
    )
    static let qwen2MoE = FamilyFeatures(
        name: "Qwen2 MoE", mixtures: .always, normalizesExpertWeights: [true, false], sharedExperts: .gated, biases: [.queriesKeysValues],
        sliding: .some
    )
    static let mixtral = FamilyFeatures(name: "Mixtral", mixtures: .always, sliding: .allOrNone)
    static let olmo2 = FamilyFeatures(name: "OLMo 2", qkNorm: .wholeRows, hasPreNorms: false, hasPostNorms: true)
    static let olmoe = FamilyFeatures(
        name: "OLMoE", qkNorm: .wholeRows, mixtures: .always, normalizesExpertWeights: [true, false]
    )
    static let granite = FamilyFeatures(name: "Granite", biases: [.none, .all], hasAttentionScale: true, hasMultipliers: true)
    static let graniteMoE = FamilyFeatures(name: "Granite MoE", mixtures: .always, hasAttentionScale: true, hasMultipliers: true)
    static let graniteMoEShared = FamilyFeatures(
        name: "Granite MoE", mixtures: .always, sharedExperts: .plain, hasAttentionScale: true, hasMultipliers: true
    )
    static let gptOSS = FamilyFeatures(
        name: "gpt-oss", mixtures: .always, hasExpertBiases: true, biases: [.all], sliding: .some, scalings: ["yarn"],
        hasAttentionSinks: true
    )
    static let smolLM3 = FamilyFeatures(name: "SmolLM3", biases: [.none, .all], hasPositionlessLayers: true)
    static let phi3 = FamilyFeatures(name: "Phi-3", sliding: .allOrNone, hasPartialRotary: true, scalings: ["longrope"])
    static let stableLM = FamilyFeatures(
        name: "StableLM", norm: .layer, biases: [.none, .queriesKeysValues], hasNormBias: true, hasPartialRotary: true
    )
    static let gptNeoX = FamilyFeatures(
        name: "GPT-NeoX", norm: .layer, isGated: false, canBeParallel: true, hasOwnHeads: false, biases: [.all], hasPartialRotary: true
    )
}

extension GPTConfiguration {
    /// Whether attention scores are multiplied by 1/√D.
    var hasUsualAttentionScale: Bool {
        guard let attentionScale else { return true }
        return abs(attentionScale * Float(headWidth).squareRoot() - 1) < 1e-6
    }

    /// The channels of a head that rotate.
    var rotaryWidth: Int { min(rotary.width ?? headWidth, headWidth) }

    /// Sets the attention of each layer, as the shortest list that repeats.
    mutating func setAttention(of layers: [LayerAttention]) {
        let periods = 1...max(1, layers.count)
        let period = periods.first { period in layers.indices.allSatisfy { layers[$0] == layers[$0 % period] } } ?? layers.count
        layerAttention = layers.isEmpty ? [.full] : Array(layers.prefix(period))
    }
}

extension RotaryPositions.Scaling {
    /// The name of transformers and llama.cpp; nil if there is none.
    var name: String? {
        switch self {
        case .none: nil
        case .linear: "linear"
        case .llama3: "llama3"
        case .yarn: "yarn"
        case .long: "longrope"
        }
    }
}

extension Norm.Kind {
    fileprivate var name: String { self == .rms ? "RMS" : "layer" }
}

/// The families of models in a format of files. A configuration is written as the first one that can express it.
protocol ModelFamily: CaseIterable {
    var features: FamilyFeatures { get }
    /// Why a model cannot be written as this family; empty if it can.
    func reasons(against configuration: GPTConfiguration) -> [String]
}

extension ModelFamily {
    /// The first family that can express a configuration, or why the closest one cannot.
    static func family(of configuration: GPTConfiguration) -> (family: Self?, reason: String) {
        let reasons = allCases.map { (family: $0, reasons: $0.reasons(against: configuration)) }
        if let found = reasons.first(where: \.reasons.isEmpty) { return (found.family, "") }
        // A mixture of experts is closer to another one.
        let other = configuration.experts == nil ? FamilyFeatures.Mixtures.always : .never
        let alike = reasons.filter { $0.family.features.mixtures != other }
        return (nil, alike.map(\.reasons).min { $0.count < $1.count }?.first ?? "")
    }
}
