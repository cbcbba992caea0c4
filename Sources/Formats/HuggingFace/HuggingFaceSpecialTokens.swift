import Checkpoint
import JSON
import Tokenize

/// The special tokens that the JSON files of a Hugging Face folder name.
struct HuggingFaceSpecialTokens {
    private(set) var begin: Vocabulary.SpecialToken?
    /// End of text; also used as the begin-of-text token, unless a Jinja template names another.
    private(set) var end: Vocabulary.SpecialToken?
    private(set) var padding: Vocabulary.SpecialToken?
    /// The tokens at which generation stops.
    private(set) var stops: [TokenID] = []

    init() {}

    init(_ vocabulary: Vocabulary, _ chatTemplate: ChatTemplate?, endTokens: [TokenID]) throws(TokenizeError) {
        func special(_ texts: [String]) -> Vocabulary.SpecialToken? {
            texts.lazy.compactMap { text in vocabulary.specialTokens.first { $0.text == text } }.first
        }
        func named(_ name: String) -> [String] {
            guard case .jinja(let template)? = chatTemplate, let text = template.tokens[name] else { return [] }
            return [text]
        }
        let endID = endTokens.first ?? vocabulary.endOfTextToken
        end = special(named("eos_token")) ?? vocabulary.specialTokens.first { $0.id == endID }
        begin = special(named("bos_token")) ?? end
        padding = special(named("pad_token") + ["<|pad|>"]) ?? end
        if let chatTemplate { stops = try ChatRenderer(chatTemplate, for: Tokenizer(vocabulary)).stopTokens }
        for id in [end?.id].compactMap({ $0 }) + endTokens where !stops.contains(id) { stops.append(id) }
    }

    /// Writes the ids to config.json. Missing ones are written as null, because transformers would otherwise use GPT-2's.
    func write(to object: inout JSONWriter) {
        for (key, special) in [("bos_token_id", begin), ("eos_token_id", end), ("pad_token_id", padding)] { object[key] = special?.id }
    }

    /// generation_config.json: stop tokens and sampling.
    func generationConfig(_ sampling: SamplingDefaults?) -> [UInt8] {
        JSONWriter.file { object in
            for (key, special) in [("bos_token_id", begin), ("pad_token_id", padding)] {
                if let special { object[key] = special.id }
            }
            if !stops.isEmpty { object.array("eos_token_id") { for id in stops { $0.integer(id) } } }
            object["do_sample"] = true
            sampling?.write(to: &object)
        }
    }

    /// special_tokens_map.json.
    var specialTokensMap: [UInt8] {
        JSONWriter.file { writeTexts(to: &$0) }
    }

    /// tokenizer_config.json: the tokenizer class and the chat template.
    func tokenizerConfig(context: Int, template: String?) -> [UInt8] {
        JSONWriter.file {
            $0["tokenizer_class"] = "PreTrainedTokenizerFast"
            $0["model_max_length"] = context
            $0["clean_up_tokenization_spaces"] = false
            writeTexts(to: &$0)
            if let template { $0["chat_template"] = template }
        }
    }

    private func writeTexts(to object: inout JSONWriter) {
        for (key, special) in [("bos_token", begin), ("eos_token", end), ("pad_token", padding)] {
            if let special { object[key] = special.text }
        }
    }
}
