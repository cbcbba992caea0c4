import Autograd
import Kernels
package import Model

extension GPTConfiguration {
    /// The configuration as the checkpoint's `configuration` group. Fields of architectures other than GPT-2's are only written where they
    /// differ from it.
    package var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = [
            "layers": .integer(layers), "heads": .integer(heads), "width": .integer(width), "context": .integer(context),
            "vocabulary": .integer(vocabulary), "dropout": .number(Double(dropout)), "bias": .integer(hasBias ? 1 : 0),
            "tied": .integer(isTied ? 1 : 0), "norm": .text(norm.rawValue), "activation": .text("\(activation)"),
            "positions": .text(positions.rawValue), "qk_norm": .integer(qkNorm.rawValue),
        ]
        func write(_ name: String, _ value: CheckpointValue, if differs: Bool) { if differs { values[name] = value } }
        write("kv_heads", .integer(keyValueHeads), if: keyValueHeads != heads)
        write("head_width", .integer(headWidth), if: headWidth * heads != width)
        write("hidden_width", .integer(hiddenWidth), if: hiddenWidth != 4 * width)
        write("gated", 1, if: isGated)
        write("qkv_bias", 1, if: hasQKVBias)
        write("norm_bias", 1, if: hasNormBias)
        write("norm_epsilon", .number(Double(normEpsilon)), if: normEpsilon != 1e-5)
        if let experts {
            values["experts"] = .integer(experts.count)
            values["active_experts"] = .integer(experts.active)
            values["expert_weights_normalized"] = .integer(experts.normalizesWeights ? 1 : 0)
            values["expert_balance"] = .number(Double(experts.balance))
            if let shared = experts.shared {
                values["shared_expert_width"] = .integer(shared.width)
                values["shared_expert_gate"] = .integer(shared.hasGate ? 1 : 0)
            }
        }
        write("pre_norms", 0, if: !hasPreNorms)
        write("post_norms", 1, if: hasPostNorms)
        write("residual_scale", .number(Double(residualScale)), if: residualScale != 1)
        write("logit_scale", .number(Double(logitScale)), if: logitScale != 1)
        write("parallel", 1, if: isParallel)
        write("rotary", .text(rotary.text), if: rotary != RotaryPositions())
        if let attentionScale { values["attention_scale"] = .number(Double(attentionScale)) }
        if let scoreCap { values["score_cap"] = .number(Double(scoreCap)) }
        write("attention_sinks", 1, if: hasAttentionSinks)
        if let logitCap { values["logit_cap"] = .number(Double(logitCap)) }
        write("layer_attention", .text(layerAttention.map(\.rawValue).joined(separator: ",")), if: layerAttention != [.full])
        write("sliding_window", .integer(slidingWindow), if: layerAttention.contains(.sliding))
        if let slidingRotary { values["sliding_rotary"] = .text(slidingRotary.text) }
        write("embedding_scale", .number(Double(embeddingScale)), if: embeddingScale != 1)
        return values
    }

    /// Reads a `configuration` group and checks every field, because an impossible one would trap later.
    package init(_ values: OrderedDictionary<CheckpointValue>, path: String) throws(CheckpointError) {
        let fields = CheckpointFields(values, in: "configuration", of: path)
        let heads = try fields.integer("heads", 1...65_536)
        let width = try fields.integer("width", 1...1_048_576)
        if values["head_width"] == nil, width % heads != 0 { throw fields.mismatch("width", "a multiple of the \(heads) heads") }
        self.init(
            layers: try fields.integer("layers", 0...1_024), heads: heads, width: width, headWidth: max(1, width / heads),
            context: try fields.integer("context", 1...16_777_216), vocabulary: try fields.integer("vocabulary", 1...16_777_216)
        )
        dropout = Float(try fields.number("dropout", "a number from 0 to below 1") { $0 >= 0 && Float($0) < 1 })
        hasBias = try fields.integer("bias", 0...1) == 1
        isTied = try fields.integer("tied", 0...1) == 1
        norm = try fields.choice("norm", Norm.Kind.allCases.map { ($0.rawValue, $0) })
        activation = try fields.choice("activation", UnaryFunction.allCases.map { ("\($0)", $0) })
        positions = try fields.choice("positions", Positions.allCases.map { ($0.rawValue, $0) })
        qkNorm = QKNorm(rawValue: try fields.integer("qk_norm", 0...QKNorm.allCases.count - 1)) ?? .none
        try readArchitecture(fields)
        try fields.checkNames()
    }

    /// Reads the fields of architectures other than GPT-2's.
    private mutating func readArchitecture(_ fields: CheckpointFields) throws(CheckpointError) {
        headWidth = try fields.integer("head_width", else: headWidth, 1...8_192)
        if positions == .rotary, headWidth % 2 != 0 {
            throw fields.mismatch("positions", "learned or none, since heads are \(headWidth) wide")
        }
        keyValueHeads = try fields.integer("kv_heads", else: heads, 1...heads)
        guard heads % keyValueHeads == 0 else { throw fields.mismatch("kv_heads", "a divisor of the \(heads) heads") }
        hiddenWidth = try fields.integer("hidden_width", else: hiddenWidth, 1...4_194_304)
        isGated = try fields.integer("gated", else: 0, 0...1) == 1
        hasQKVBias = try fields.integer("qkv_bias", else: 0, 0...1) == 1
        hasNormBias = try fields.integer("norm_bias", else: 0, 0...1) == 1
        normEpsilon = Float(try fields.number("norm_epsilon", else: 1e-5, "a number from 1e-12 to 1") { (1e-12...1).contains($0) })
        if fields.value("experts") != nil { experts = try readExperts(fields) }
        hasPreNorms = try fields.integer("pre_norms", else: 1, 0...1) == 1
        hasPostNorms = try fields.integer("post_norms", else: 0, 0...1) == 1
        residualScale = Float(try fields.number("residual_scale", else: 1, "a number from 1e-6 to 1e6") { (1e-6...1e6).contains($0) })
        logitScale = Float(try fields.number("logit_scale", else: 1, "a number from 1e-6 to 1e6") { (1e-6...1e6).contains($0) })
        guard qkNorm != .wholeRows || keyValueHeads == heads else {
            throw fields.mismatch("qk_norm", "0 to 2, since there are fewer heads of keys than of queries")
        }
        isParallel = try fields.integer("parallel", else: 0, 0...1) == 1
        rotary = try fields.rotary("rotary", width: headWidth) ?? rotary
        if fields.value("attention_scale") != nil {
            attentionScale = Float(try fields.number("attention_scale", "a number from 1e-6 to 1000") { (1e-6...1_000).contains($0) })
        }
        scoreCap = try fields.cap("score_cap")
        hasAttentionSinks = try fields.integer("attention_sinks", else: 0, 0...1) == 1
        logitCap = try fields.cap("logit_cap")
        slidingRotary = try fields.rotary("sliding_rotary", width: headWidth)
        slidingWindow = try fields.integer("sliding_window", else: slidingWindow, 1...16_777_216)
        embeddingScale = Float(try fields.number("embedding_scale", else: 1, "a number from 1e-6 to 1e6") { (1e-6...1e6).contains($0) })
        if let stored = fields.value("layer_attention") {
            let kinds = "one to 1,024 of \(LayerAttention.allCases.map(\.rawValue).joined(separator: ", ")), with commas between them"
            guard case .text(let text) = stored else { throw fields.mismatch("layer_attention", kinds) }
            let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { LayerAttention(rawValue: String($0)) }
            layerAttention = parts.compactMap(\.self)
            guard layerAttention.count == parts.count, (1...1_024).contains(parts.count) else {
                throw fields.mismatch("layer_attention", kinds)
            }
        }
    }

    private func readExperts(_ fields: CheckpointFields) throws(CheckpointError) -> Experts {
        let count = try fields.integer("experts", Experts.possibleCounts)
        guard count * layers <= Self.mostExperts else { throw fields.mismatch("experts", "at most \(Self.mostExperts) in all layers") }
        var experts = Experts(count: count, active: try fields.integer("active_experts", 1...count))
        experts.normalizesWeights = try fields.integer("expert_weights_normalized", 0...1) == 1
        experts.balance = Float(try fields.number("expert_balance", "a number from 0 to 1000") { (0...1_000).contains($0) })
        if fields.value("shared_expert_width") != nil {
            let width = try fields.integer("shared_expert_width", 1...4_194_304)
            experts.shared = .init(width: width, hasGate: try fields.integer("shared_expert_gate", 0...1) == 1)
        }
        return experts
    }
}

extension CheckpointFields {
    /// The cap of scores or logits; nil if there is no such field.
    fileprivate func cap(_ name: String) throws(CheckpointError) -> Float? {
        if value(name) == nil { return nil }
        return Float(try number(name, "a number from 1e-3 to 1e6") { GPTConfiguration.possibleCaps.contains($0) })
    }

    fileprivate func choice<Choice>(_ name: String, _ choices: [(String, Choice)]) throws(CheckpointError) -> Choice {
        guard case .text(let text)? = value(name), let choice = choices.first(where: { $0.0 == text }) else {
            throw mismatch(name, "one of \(choices.map(\.0).joined(separator: ", "))")
        }
        return choice.1
    }

    /// Rotary positions for heads of `width` channels; nil if there is no such field.
    fileprivate func rotary(_ name: String, width: Int) throws(CheckpointError) -> RotaryPositions? {
        guard let value = self.value(name) else { return nil }
        guard case .text(let text) = value, let positions = RotaryPositions(text: text), positions.fits(width) else {
            throw mismatch(name, "rotary positions such as base=10000 scaling=linear factor=8")
        }
        return positions
    }
}
