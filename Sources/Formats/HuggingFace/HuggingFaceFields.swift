import Checkpoint
import JSON
import Kernels
import Model

/// The fields of a config.json. A field that is null counts as missing.
struct HuggingFaceFields {
    let root: JSONElement
    let file: ImportedFile
    /// Whether these are the fields of the text model in a larger one.
    private(set) var isPartOfLarger = false

    /// The fields of the text model: `text_config` of a model that also sees images, such as Gemma 3 4B.
    var ofTextModel: HuggingFaceFields {
        get throws(CheckpointError) {
            guard let part = root["text_config"], part.members != nil,
                  HuggingFaceFamily(rawValue: try text("model_type", else: "")) == nil else { return self }
            try refuseUnsupported()
            var fields = HuggingFaceFields(root: part, file: file)
            fields.isPartOfLarger = true
            return fields
        }
    }

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

    /// One of some texts; the first if the file lacks the field.
    func choice(_ key: String, of texts: [String]) throws(CheckpointError) -> String {
        let value = try text(key, else: texts[0])
        guard texts.contains(value) else { throw file.mismatch(key, texts.joined(separator: " or "), String(value.prefix(60)).quoted) }
        return value
    }

    func boolean(_ key: String, else other: Bool) throws(CheckpointError) -> Bool {
        try file.read { () throws(JSONError) in try root.boolean(key, default: other) }
    }

    func number(_ key: String, else other: Double, _ range: ClosedRange<Double>) throws(CheckpointError) -> Double {
        try file.number(root, key, else: other, range)
    }

    /// The cap of scores or logits; nil if there is none.
    func cap(_ key: String, else other: Float?) throws(CheckpointError) -> Float? {
        guard let stored = root[key] else { return other }
        return stored.isNull ? nil : Float(try number(key, else: 0, GPTConfiguration.possibleCaps))
    }

    func epsilon(_ key: String, else other: Double) throws(CheckpointError) -> Float {
        Float(try number(key, else: other, 1e-12...1))
    }

    func dropout(_ key: String, else other: Double) throws(CheckpointError) -> Float {
        let dropout = try file.read { () throws(JSONError) in try root.number(key, default: other) }
        guard dropout >= 0, dropout < 1, Float(dropout) < 1 else { throw file.mismatch(key, "a number from 0 to below 1", "\(dropout)") }
        return Float(dropout)
    }

    func activation(_ key: String, else other: String) throws(CheckpointError) -> UnaryFunction {
        let name = try text(key, else: other)
        guard let found = HuggingFaceActivation.all.first(where: { $0.name == name }) else {
            let known = HuggingFaceActivation.all.map(\.name).joined(separator: ", ")
            throw file.mismatch(key, "one of \(known)", String(name.prefix(60)).quoted)
        }
        return found.function
    }

    /// Throws if an option does not have the only value that slm supports.
    func require(_ key: String, _ supported: Bool) throws(CheckpointError) {
        let value = try boolean(key, else: supported)
        guard value == supported else { throw file.mismatch(key, "\(supported), the only supported value", "\(value)") }
    }

    /// Whether the matrices of experts are blocks of MXFP4, as in the folders of gpt-oss.
    var hasMXFP4Experts: Bool {
        root["quantization_config"]?["quant_method"]?.string == "mxfp4" && root["model_type"]?.string == HuggingFaceFamily.gptOSS.rawValue
    }

    /// Throws for options that change what the model computes in ways that slm lacks.
    ///
    /// - Parameter hasExperts: whether the model is a mixture of experts that slm has.
    func refuseUnsupported(hasExperts: Bool = false) throws(CheckpointError) {
        if let quantization = root["quantization_config"], !quantization.isNull, !hasMXFP4Experts {
            let method = quantization["quant_method"]?.string.map { " (\(String($0.prefix(60)).quoted))" } ?? ""
            throw file.mismatch(
                "quantization_config", "no such field: weights in F32, F16 or BF16, or those of gpt-oss's experts in MXFP4",
                "a quantized model\(method)")
        }
        for key in ["num_local_experts", "num_experts", "n_routed_experts"] where !hasExperts && root[key]?.integer ?? 0 > 0 {
            throw file.mismatch(key, "no such field: slm has no such mixture of experts", "\(root[key]?.integer ?? 0)")
        }
    }

    /// The attention of each layer; nil without `layer_types`.
    func layerTypes(count: Int) throws(CheckpointError) -> [GPTConfiguration.LayerAttention]? {
        guard let types = root["layer_types"], !types.isNull else { return nil }
        var kinds: [GPTConfiguration.LayerAttention] = []
        let elements = try file.read { () throws(JSONError) in try root.array("layer_types") }
        for type in elements {
            switch type.string {
            case "full_attention"?: kinds.append(.full)
            case "sliding_attention"?: kinds.append(.sliding)
            default:
                let found = type.string.map { String($0.prefix(60)).quoted } ?? type.kind.rawValue
                throw file.mismatch("layer_types", "full_attention and sliding_attention", found)
            }
        }
        guard kinds.count == count else { throw file.mismatch("layer_types", "one for each of the \(count) layers", "\(kinds.count)") }
        return kinds
    }
}

extension ImportedFile {
    /// Reads a number in a range; `other` if it is missing or null.
    func number(
        _ object: JSONElement, _ key: String, in parent: String = "", else other: Double?, _ range: ClosedRange<Double>
    ) throws(CheckpointError) -> Double {
        let value = try read(parent) { () throws(JSONError) in
            if let other { return try object.number(key, default: other) }
            return try object.number(key)
        }
        guard range.contains(value) else {
            let field = parent.isEmpty ? key : "\(parent).\(key)"
            throw mismatch(field, "a number from \(range.lowerBound) to \(range.upperBound)", "\(value)")
        }
        return value
    }
}
