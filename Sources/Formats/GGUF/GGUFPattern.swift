import Tokenize

/// The kinds of tokenizers in llama.cpp that slm supports: values of `tokenizer.ggml.model`.
enum GGUFTokenizerModel: String {
    /// Byte-level BPE with merges.
    case gpt2
    /// SentencePiece BPE with scores.
    case llama
    /// SentencePiece BPE with merges.
    case gemma4
}

/// How llama.cpp's byte-level tokenizers differ, by name (`tokenizer.ggml.pre`).
struct GGUFPattern {
    let pattern: PreTokenizationPattern
    /// Whether a word that is a token is encoded as it, regardless of the merges.
    let ignoresMerges: Bool
    /// Whether the begin-of-text token precedes every text, unless the file says otherwise.
    let addsBeginning: Bool
    /// Whether the models with this name normalize text (NFC). llama.cpp does not.
    let hasNFC: Bool

    init(_ pattern: PreTokenizationPattern, ignoresMerges: Bool = false, addsBeginning: Bool = false, hasNFC: Bool = false) {
        self.pattern = pattern
        self.ignoresMerges = ignoresMerges
        self.addsBeginning = addsBeginning
        self.hasNFC = hasNFC
    }

    static let named: [String: GGUFPattern] = {
        var named: [String: GGUFPattern] = [
            "olmo": GGUFPattern(.gpt2, hasNFC: true), "modern-bert": GGUFPattern(.gpt2, hasNFC: true),
            "default": GGUFPattern(.llamaCppDefault),
            "deepseek-llm": GGUFPattern(.deepSeekLLM), "deepseek-coder": GGUFPattern(.deepSeekCoder),
            "deepseek-v3": GGUFPattern(.deepSeekV3), "hunyuan-dense": GGUFPattern(.deepSeekV3),
            "tekken": GGUFPattern(.regex(PreTokenizationPattern.tekken), ignoresMerges: true, addsBeginning: true),
            "glm4": GGUFPattern(.llama3, ignoresMerges: true), "chatglm-bpe": GGUFPattern(.llama3),
            "qwen2": GGUFPattern(.qwen2, hasNFC: true), "deepseek-r1-qwen": GGUFPattern(.qwen2, hasNFC: true),
            "smaug-bpe": GGUFPattern(.llama3), "dbrx": GGUFPattern(.llama3),
            "gpt-4o": GGUFPattern(PreTokenizationPattern(regex: PreTokenizationPattern.o200k)),
            "llama4": GGUFPattern(PreTokenizationPattern(regex: PreTokenizationPattern.o200k)),
        ]
        for name in ["gpt-2", "phi-2", "roberta-bpe", "mpt", "jais", "exaone4", "granite-docling"] { named[name] = GGUFPattern(.gpt2) }
        for name in ["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"] {
            named[name] = GGUFPattern(.llama3, ignoresMerges: true, addsBeginning: true)
        }
        for name in ["stablelm2", "megrez", "hunyuan"] { named[name] = GGUFPattern(.qwen2) }
        for name in ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"] {
            named[name] = GGUFPattern(.smollm)
        }
        return named
    }()

    /// llama.cpp's name for a vocabulary's pattern; nil if it has none.
    static func name(of vocabulary: Vocabulary) -> String? {
        switch vocabulary.pattern {
        case .gpt2: "gpt-2"
        case .llama3: vocabulary.ignoresMerges ? "llama-bpe" : "smaug-bpe"
        case .qwen2: "qwen2"
        case .smollm: "smollm"
        case .llamaCppDefault: "default"
        case .deepSeekLLM: "deepseek-llm"
        case .deepSeekCoder: "deepseek-coder"
        case .deepSeekV3: "deepseek-v3"
        case .regex(PreTokenizationPattern.tekken): vocabulary.ignoresMerges ? "tekken" : nil
        case PreTokenizationPattern(regex: PreTokenizationPattern.o200k): "gpt-4o"
        default: nil
        }
    }
}
