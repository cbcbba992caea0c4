import Checkpoint
import Files
import JSON
import Tokenize

/// The adapter_config.json of Hugging Face's PEFT: how to scale B·A, and whether the adapter is nothing but A and B.
///
///     let configuration = try PEFTConfiguration(ImportedFile("adapter/adapter_config.json"))
///     try configuration.scale(of: "model.layers.0.self_attn.q_proj", rank: 16)          // lora_alpha / 16
struct PEFTConfiguration {
    let rank: Int
    let dropout: Double
    /// Whether modules have a magnitude, too (DoRA).
    let usesDoRA: Bool
    private let alpha: Double
    /// Whether the scale is α/√r instead of α/r (rsLoRA, Kalajdzievski 2023).
    private let isRankStabilized: Bool
    /// In the order of the file: the first one that matches a module counts.
    private let alphaPattern: [(pattern: String, alpha: Double)]
    /// Whether a head that is the embedding stays so: then both have the same adapter.
    private let keepsTying: Bool
    /// Whether there are modules that are stored as a whole.
    private let savesModules: Bool
    private let file: ImportedFile

    private static let numbers = 1e-9...1e9
    private static let ranks = 1...65_536
    /// Regular expressions in `alpha_pattern`, apart from the names of modules.
    private static let regexLimit = 16

    init(_ file: ImportedFile) throws(CheckpointError) {
        let root = try file.json(), fields = HuggingFaceFields(root: root, file: file)
        self.file = file
        try Self.refuseUnsupported(fields)
        rank = try fields.integer("r", else: 8, Self.ranks)
        alpha = try fields.number("lora_alpha", else: 8, Self.numbers)
        dropout = try fields.number("lora_dropout", else: 0, 0...0.99)
        savesModules = root["modules_to_save"].map { !$0.isNull && !$0.isEmpty } ?? false
        usesDoRA = try fields.boolean("use_dora", else: false)
        isRankStabilized = try fields.boolean("use_rslora", else: false)
        keepsTying = try fields.boolean("ensure_weight_tying", else: false)
        var patterns: [(String, Double)] = []
        if let object = root["alpha_pattern"], !object.isNull {
            guard let members = object.members else { throw file.mismatch("alpha_pattern", "an object", object.kind.rawValue) }
            for (key, value) in members {
                let pattern = key.string ?? ""
                guard let number = value.number, Self.numbers.contains(number) else {
                    throw file.mismatch("alpha_pattern.\(String(pattern.prefix(100)).quoted)", "a number above 0", value.kind.rawValue)
                }
                patterns.append((pattern, number))
            }
        }
        alphaPattern = patterns
        guard patterns.count(where: { !Self.isName($0.0) }) <= Self.regexLimit else {
            throw file.mismatch("alpha_pattern", "names of modules, and at most \(Self.regexLimit) regular expressions", "more")
        }
    }

    /// Throws if the adapter contains or does more than A and B of linear layers.
    private static func refuseUnsupported(_ fields: HuggingFaceFields) throws(CheckpointError) {
        let (root, file) = (fields.root, fields.file)
        let type = try fields.text("peft_type", else: "nothing")
        guard type == "LORA" else { throw file.mismatch("peft_type", "LORA, the only supported method", String(type.prefix(60)).quoted) }
        let bias = try fields.text("bias", else: "none")
        guard bias == "none" else { throw file.mismatch("bias", "none: slm's adapters have no biases", String(bias.prefix(60)).quoted) }
        for key in ["lora_bias", "use_qalora"] { try fields.require(key, false) }
        let others = [
            "layer_replication", "trainable_token_indices", "target_parameters", "alora_invocation_tokens",
            "megatron_config", "velora_config", "monteclora_config", "use_bdlora", "arrow_config", "kasa_config",
        ]
        for key in others {
            guard let value = root[key], !value.isNull, !value.isEmpty else { continue }
            throw file.mismatch(key, "null: slm's adapters contain only A, B and whole modules", value.kind.rawValue)
        }
        guard let start = root["init_lora_weights"]?.string, !["gaussian", "eva", "orthogonal"].contains(start.lowercased()) else { return }
        throw file.mismatch(
            "init_lora_weights", "true, false, gaussian, eva or orthogonal; others change the base model's weights. Convert the adapter in "
                + "Python: save_pretrained(FOLDER, path_initial_model_for_weight_conversion=…)", String(start.prefix(60)).quoted
        )
    }

    /// Throws if the head and the embedding of a model have one adapter in common.
    func checkTying(of module: String, isTied: Bool) throws(CheckpointError) {
        guard keepsTying, isTied else { return }
        throw file.mismatch("ensure_weight_tying", "false: slm's adapters of \(module) do not share their matrices", "true")
    }

    /// Throws if whole modules are missing, or if one has A and B, too.
    func checkSaved(_ whole: [String], adapted: [String]) throws(CheckpointError) {
        if savesModules, whole.isEmpty { throw file.mismatch("modules_to_save", "the tensors of these modules", "none") }
        guard let both = whole.first(where: adapted.contains) else { return }
        throw file.mismatch(
            "modules_to_save", "modules of which no part has lora_A and lora_B", "some of \(both), which is one layer in slm")
    }

    /// Throws if an adapter of the head or the embedding cannot be represented.
    func check(_ module: String, ofVocabularyTied isTied: Bool) throws(CheckpointError) {
        try checkTying(of: module, isTied: isTied)
        guard usesDoRA else { return }
        throw file.mismatch("use_dora", "false, because \(module) is adapted: slm has DoRA for the layers of blocks", "true")
    }

    /// The factor of B·A for a module, such as `model.layers.0.self_attn.q_proj`.
    func scale(of module: String, rank: Int) throws(CheckpointError) -> Double {
        var alpha = alpha
        for (pattern, own) in alphaPattern where try matches(pattern, module) {
            alpha = own
            break
        }
        return alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank))
    }

    /// PEFT matches `(.*\.)?(PATTERN)$`.
    private func matches(_ pattern: String, _ module: String) throws(CheckpointError) -> Bool {
        if Self.isName(pattern) { return module == pattern || module.hasSuffix("." + pattern) }
        do { return try RegexPreTokenizer(#"(?:.*\.)?(?:\#(pattern))$"#, stepLimit: 10_000).matchesWhole(module) } catch {
            let found = "\(String(pattern.prefix(100)).quoted): \(error)"
            throw file.mismatch("alpha_pattern", "names of modules or regular expressions", found)
        }
    }

    /// Whether a pattern consists of letters, digits and dots. Dots are then taken literally.
    private static func isName(_ pattern: String) -> Bool {
        pattern.utf8.allSatisfy { $0.isLetterOrDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
    }
}

extension JSONElement {
    /// Whether it is false, an empty array or an empty object.
    fileprivate var isEmpty: Bool {
        if let boolean { return !boolean }
        if var elements { return elements.next() == nil }
        if var members { return members.next() == nil }
        return false
    }
}
