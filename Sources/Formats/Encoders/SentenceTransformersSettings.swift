import Checkpoint
import Files
import JSON

/// What the files of sentence-transformers say about a model: modules.json, the configuration of its pooling, the most tokens, and the
/// prompts. A folder that lacks them has the defaults of that library.
struct SentenceTransformersSettings {
    var pooling = EncoderFile.Pooling()
    var maxTokens: Int?
    var queryPrefix = "", passagePrefix = ""
    /// The file that makes a folder one of sentence-transformers.
    static let modulesFile = "modules.json"

    /// A step from a text to its vector.
    struct Module {
        /// The name of its class, with those of its Python modules.
        let type: String
        /// Its folder below the model's; empty for the model's.
        let path: String

        var className: Substring { type.split(separator: ".").last ?? "" }
    }

    init(_ folder: String) throws(CheckpointError) {
        try readModules(folder)
        if let root = try HuggingFace.json("sentence_bert_config.json", in: folder), let value = root["max_seq_length"], !value.isNull {
            let file = ImportedFile("\(folder)/sentence_bert_config.json")
            let limit = try file.read { () throws(JSONError) in try root.integer("max_seq_length") }
            guard limit > 0 else { throw file.mismatch("max_seq_length", "a positive number", "\(limit)") }
            maxTokens = limit
        }
        if let prompts = try HuggingFace.json("config_sentence_transformers.json", in: folder)?["prompts"] {
            queryPrefix = prompts["query"]?.string ?? ""
            passagePrefix = prompts["passage"]?.string ?? prompts["document"]?.string ?? ""
        }
    }

    /// The modules that modules.json lists; none without that file.
    static func modules(of folder: String) throws(CheckpointError) -> [Module] {
        guard let root = try HuggingFace.json(modulesFile, in: folder) else { return [] }
        let file = ImportedFile("\(folder)/\(modulesFile)")
        guard let list = root.elements else { throw file.mismatch("modules", "an array", root.kind.rawValue) }
        return try list.map { element throws(CheckpointError) in
            let type = try file.read { () throws(JSONError) in try element.string("type") }, path = element["path"]?.string ?? ""
            guard ["", "."].contains(path) || ArrayName.isValidComponent(path) && path != ".." else {
                throw file.mismatch("path", "the name of a folder in this folder", String(path.prefix(100)).quoted)
            }
            return Module(type: type, path: path == "." ? "" : path)
        }
    }

    private mutating func readModules(_ folder: String) throws(CheckpointError) {
        for module in try Self.modules(of: folder) {
            switch module.className {
            case "Transformer", "StaticEmbedding": break
            case "Pooling": try readPooling("\(folder)/\(module.path)")
            case "Normalize": pooling.isNormalized = true
            default:
                throw ImportedFile("\(folder)/\(Self.modulesFile)").mismatch(
                    "type", "Transformer, StaticEmbedding, Pooling or Normalize", String(module.type.prefix(100)).quoted)
            }
        }
    }

    private mutating func readPooling(_ folder: String) throws(CheckpointError) {
        let file = ImportedFile("\(folder)/config.json"), root = try file.json()
        if let mode = root["pooling_mode"]?.string, let known = EncoderFile.Pooling.Mode(rawValue: mode) {
            pooling.mode = known
            return
        }
        var modes: [String] = []
        guard let members = root.members else { throw file.mismatch("pooling", "an object", root.kind.rawValue) }
        for (key, value) in members where value.boolean == true {
            if let key = key.string, key.hasPrefix("pooling_mode_") { modes.append(key) }
        }
        switch modes {
        case ["pooling_mode_mean_tokens"]: pooling.mode = .mean
        case ["pooling_mode_cls_token"]: pooling.mode = .cls
        case ["pooling_mode_lasttoken"]: pooling.mode = .last
        default:
            throw file.mismatch(
                "pooling_mode", "pooling_mode_mean_tokens, pooling_mode_cls_token or pooling_mode_lasttoken",
                modes.isEmpty ? "neither" : modes.joined(separator: ", ").prefix(200).description)
        }
    }
}
