import Checkpoint
import JSON
import Glibc
import Kernels
import Model

extension HuggingFaceFields {
    /// Reads rotary positions, in the form of transformers 5 (`rope_parameters`) or an older one (`rope_theta` and `rope_scaling`).
    ///
    /// - Parameters:
    ///   - theta: The older field of the base, and its default.
    ///   - fraction: The older field for the share of channels that rotate, and its default; nil if all rotate.
    ///   - kind: The kind of layers, where `rope_parameters` has an object for each.
    ///   - scaling: The older field of the scaling; nil if these positions are never scaled.
    func rotary(
        theta: (key: String, base: Double), fraction: (key: String, other: Double)? = nil, kind: String? = nil,
        scaling: String? = "rope_scaling", context: Int, width: Int
    ) throws(CheckpointError) -> RotaryPositions {
        var parent = "rope_parameters", object = root[parent].flatMap { $0.isNull ? nil : $0 }
        if let kind, let inner = object?[kind] { (parent, object) = ("\(parent).\(kind)", inner.isNull ? nil : inner) }
        var base = try number(theta.key, else: theta.base, 1...1e12)
        if let object { base = try file.number(object, "rope_theta", in: parent, else: base, 1...1e12) }
        var positions = RotaryPositions(base: base)
        if let fraction {
            var share = try number(fraction.key, else: fraction.other, 0...1)
            if let object { share = try file.number(object, "partial_rotary_factor", in: parent, else: share, 0...1) }
            let rotating = Int(Double(width) * share)
            guard rotating > 0, rotating % 2 == 0 else {
                throw file.mismatch(fraction.key, "a share of the \(width) channels of a head that is an even number", "\(share)")
            }
            if rotating < width { positions.width = rotating }
        }
        guard width % 2 == 0 else { throw file.mismatch("head_dim", "an even number of channels in a head", "\(width)") }
        if object == nil, let scaling { (parent, object) = (scaling, root[scaling].flatMap { $0.isNull ? nil : $0 }) }
        if let object { positions.scaling = try self.scaling(object, parent, context: context, pairs: (positions.width ?? width) / 2) }
        return positions
    }

    private func scaling(
        _ object: JSONElement, _ parent: String, context: Int, pairs: Int
    ) throws(CheckpointError) -> RotaryPositions.Scaling {
        func number(_ key: String, else other: Double? = nil, _ range: ClosedRange<Double> = 1e-6...1e9) throws(CheckpointError) -> Double {
            try file.number(object, key, in: parent, else: other, range)
        }
        func trained() throws(CheckpointError) -> Double { try number("original_max_position_embeddings", else: Double(context)) }
        let type = try file.read(parent) { () throws(JSONError) in
            try object.string("rope_type", default: try object.string("type", default: "default"))
        }
        switch type {
        case "default", "none": return .none
        case "linear": return .linear(factor: try number("factor"))
        case "llama3":
            let low = try number("low_freq_factor"), high = try number("high_freq_factor")
            guard high > low else { throw file.mismatch("\(parent).high_freq_factor", "more than low_freq_factor, \(low)", "\(high)") }
            return .llama3(factor: try number("factor"), low: low, high: high, context: try trained())
        case "yarn":
            let factor = try number("factor")
            func magnitude(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * Glibc.log(factor) + 1 }
            let own = try number("mscale", else: 0, 0...1e3), all = try number("mscale_all_dim", else: 0, 0...1e3)
            let usual = own > 0 && all > 0 ? magnitude(own) / magnitude(all) : magnitude(1)
            return .yarn(
                factor: factor, fast: try number("beta_fast", else: 32), slow: try number("beta_slow", else: 1), context: try trained(),
                magnitude: try number("attention_factor", else: usual),
                truncates: try file.read(parent) { () throws(JSONError) in try object.boolean("truncate", default: true) }
            )
        // Files of Phi-3 have had all of these names.
        case "longrope", "su": return .long(try longFactors(object, parent, context: context, pairs: pairs))
        default: throw file.mismatch("\(parent).rope_type", "default, linear, llama3, yarn or longrope", String(type.prefix(60)).quoted)
        }
    }

    private func longFactors(
        _ object: JSONElement, _ parent: String, context: Int, pairs: Int
    ) throws(CheckpointError) -> RotaryPositions.LongFactors {
        let key = "original_max_position_embeddings", usual = try file.number(object, key, in: parent, else: 4_096, 1...16_777_216)
        let first = try integer(key, else: Int(usual), 1...16_777_216)
        func factors(_ key: String) throws(CheckpointError) -> [Double] {
            let factors = try file.read(parent) { () throws(JSONError) in try object.array(key) }.map { $0.number ?? 0 }
            guard factors.count == pairs, factors.allSatisfy({ RotaryPositions.possibleFactors.contains($0) }) else {
                throw file.mismatch(
                    "\(parent).\(key)", "\(pairs) numbers above 0, one for each pair of channels", "\(factors.count) numbers")
            }
            return factors
        }
        let factor = try file.number(object, "factor", in: parent, else: Double(context) / Double(first), 1e-6...1e9)
        let usualMagnitude = RotaryPositions.LongFactors.magnitude(factor: factor, context: first)
        return try RotaryPositions.LongFactors(
            short: factors("short_factor"), long: factors("long_factor"), context: first,
            magnitude: file.number(object, "attention_factor", in: parent, else: usualMagnitude, 1e-6...1e9))
    }
}

extension RotaryPositions {
    /// Writes the members of a `rope_scaling` object, or null.
    func writeScaling(to writer: inout JSONWriter) {
        guard let name = scaling.name else { return writer.null() }
        writer.object { object in
            object["rope_type"] = name
            func number(_ key: String, _ value: Double) {
                object.key(key)
                if let whole = Int(exactly: value), key.hasSuffix("embeddings") { object.integer(whole) } else { object.number(value) }
            }
            switch scaling {
            case .none: break
            case .linear(let factor): number("factor", factor)
            case .llama3(let factor, let low, let high, let context):
                number("factor", factor)
                number("low_freq_factor", low)
                number("high_freq_factor", high)
                number("original_max_position_embeddings", context)
            case .yarn(let factor, let fast, let slow, let context, let magnitude, let truncates):
                number("factor", factor)
                number("beta_fast", fast)
                number("beta_slow", slow)
                number("original_max_position_embeddings", context)
                number("attention_factor", magnitude)
                object["truncate"] = truncates
            case .long(let factors):
                for (key, numbers) in [("short_factor", factors.short), ("long_factor", factors.long)] {
                    object.array(key) { for factor in numbers { $0.number(factor) } }
                }
                number("original_max_position_embeddings", Double(factors.context))
                number("attention_factor", factors.magnitude)
            }
        }
    }
}
