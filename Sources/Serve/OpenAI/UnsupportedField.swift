import JSON

/// A field of OpenAI's API, or of llama.cpp's or vLLM's, that would change the answer and is not supported. It is rejected unless its
/// value asks for the default.
struct UnsupportedField: Sendable {
    let name: String
    let reason: String
    /// Whether a value asks for the default.
    let isDefault: @Sendable (JSONElement) -> Bool

    init(_ name: String, _ reason: String, unless isDefault: @escaping @Sendable (JSONElement) -> Bool = { _ in false }) {
        self.name = name
        self.reason = reason
        self.isDefault = isDefault
    }

    /// Fields of llama.cpp and vLLM, on both endpoints.
    private static let sampling = [
        number("min_tokens", 0), number("mirostat", 0), number("mirostat_mode", 0), number("typical_p", 1), number("dry_multiplier", 0),
        number("xtc_probability", 0), number("dynatemp_range", 0), number("tfs_z", 1), number("top_a", 0), number("top_n_sigma", -1),
        number("length_penalty", 1), number("repeat_penalty", 1, "use repetition_penalty."), number("n_predict", -1, "use max_tokens."),
        UnsupportedField("use_beam_search", "beam search is not supported.") { $0.boolean == false },
        UnsupportedField("include_stop_str_in_output", "not supported.") { $0.boolean == false },
        UnsupportedField("stop_token_ids", "not supported: use stop.") { $0.isEmptyList },
        UnsupportedField("bad_words", "not supported: use logit_bias.") { $0.isEmptyList },
        UnsupportedField("allowed_token_ids", "not supported: use logit_bias or a grammar."),
        UnsupportedField("guided_whitespace_pattern", "not supported."),
        UnsupportedField("samplers", "the order of sampling cannot be changed."),
    ]

    private static func number(_ name: String, _ usual: Double, _ advice: String = "not supported.") -> UnsupportedField {
        UnsupportedField(name, advice) { $0.number == usual }
    }

    /// An extension of slm.
    private static func documents(_ reason: String) -> UnsupportedField { UnsupportedField("documents", reason) { $0.isEmptyList } }

    static let chat = sampling + [
        UnsupportedField("functions", "not supported: use tools.") { $0.isEmptyList },
        UnsupportedField("function_call", "not supported: use tool_choice.") { $0.isString("none") || $0.isString("auto") },
        UnsupportedField("modalities", "only text is supported.") { $0.elements?.allSatisfy { $0.isString("text") } ?? false },
        UnsupportedField("audio", "only text is supported."),
        UnsupportedField("web_search_options", "web search is not supported."),
    ]

    static let responses = sampling + [
        UnsupportedField("background", "answers in the background are not supported.") { $0.boolean == false },
        UnsupportedField("conversation", "not supported: use previous_response_id, or send the whole conversation in input."),
        UnsupportedField("prompt", "prompt templates are not supported."),
        UnsupportedField("context_management", "not supported: truncation drops old messages.") { $0.isEmptyList },
        UnsupportedField("moderation", "moderation is not supported."),
        documents("use the tool file_search."),
        UnsupportedField("n", "not supported: a response has one answer.") { $0.number == 1 },
        UnsupportedField("max_tokens", "use max_output_tokens."), UnsupportedField("messages", "use input."),
        UnsupportedField("response_format", "use text.format."), UnsupportedField("logprobs", "use include and top_logprobs."),
    ]

    static let vectorStores = [
        UnsupportedField("expires_after", "vector stores do not expire."),
        UnsupportedField("metadata", "not supported.") { $0.isEmptyObject },
        UnsupportedField("attributes", "not supported.") { $0.isEmptyObject },
        UnsupportedField("chunking_strategy", "expected auto: texts are divided along their structure.") {
            $0["type"]?.isString("auto") == true
        },
    ]

    static let vectorStoreSearch = [
        UnsupportedField("filters", "not supported: files have no attributes."),
        UnsupportedField("rewrite_query", "not supported.") { $0.boolean == false },
        UnsupportedField("ranking_options", "expected the ranker auto.") {
            $0["ranker"].map { $0.isString("auto") } ?? true && $0["score_threshold"].map { $0.number == 0 } ?? true
        },
    ]

    /// Fields of vLLM and of other servers.
    static let embeddings = [
        UnsupportedField("messages", "not supported: use input."),
        UnsupportedField("truncate_prompt_tokens", "not supported: a text has to fit into the context."),
        UnsupportedField("add_special_tokens", "not supported: send tokens instead of a text.") { $0.boolean == true },
        UnsupportedField("normalize", "embeddings always have the length 1.") { $0.boolean == true },
    ]

    static let ollamaGenerate = [
        UnsupportedField("images", "images are not supported: this model reads text only.") { $0.isEmptyList },
        UnsupportedField("suffix", "inserting text before a suffix is not supported.") { $0.isString("") },
        UnsupportedField("template", "not supported: the model's chat template is used.") { $0.isString("") },
        UnsupportedField("context", "not supported: send the conversation to /api/chat.") { $0.isEmptyList },
    ]

    static let ollamaOptions = [
        number("mirostat", 0), number("tfs_z", 1), number("typical_p", 1),
        UnsupportedField("penalize_newline", "not supported.") { $0.boolean == true },
    ]

    static let text = sampling + [
        documents("only /v1/chat/completions answers from documents."),
        UnsupportedField("suffix", "inserting text before a suffix is not supported.") { $0.isString("") },
    ]
}

extension RequestFields {
    func rejectUnsupported(_ fields: [UnsupportedField]) throws(APIError) {
        for field in fields {
            if let value = self[field.name], !field.isDefault(value) { throw .invalid(field.name, field.reason) }
        }
    }
}

extension JSONElement {
    var isEmptyObject: Bool { members.map { $0.contains { _ in true } } == false }
    var isEmptyList: Bool { elements.map { $0.contains { _ in true } } == false }
}
