import JSON
import Tokenize

/// The tokens with a part to play, as the files around a model name them.
struct HuggingFaceTokens {
    /// Ends a text, and stands before one; and fills up rows.
    private(set) var end: Vocabulary.Special?
    private(set) var padding: Vocabulary.Special?
    /// Those that end an answer.
    private(set) var stops: [TokenID] = []

    init() {}

    init(_ vocabulary: Vocabulary, _ form: ChatTemplate?) throws(TokenizeError) {
        func special(_ texts: [String]) -> Vocabulary.Special? { texts.lazy.compactMap { text in vocabulary.specials.first { $0.text == text } }.first }
        end = special(["<|eos|>", "<|endoftext|>"])
        padding = special(["<|pad|>"]) ?? end
        if let form { stops = try ChatRenderer(form, for: Tokenizer(vocabulary)).stops }
        if let end, !stops.contains(end.id) { stops.append(end.id) }
    }

    /// Ids for config.json. GPT-2's own ids would stand in for what is left out.
    func write(to object: inout JSONWriter) {
        for (key, special) in [("bos_token_id", end), ("eos_token_id", end), ("pad_token_id", padding)] {
            object.key(key)
            if let special { object.integer(special.id) } else { object.null() }
        }
    }

    /// generation_config.json: what ends an answer, and how its tokens are chosen.
    var generation: [UInt8] {
        var writer = JSONWriter(.pretty)
        writer.object { object in
            for (key, special) in [("bos_token_id", end), ("pad_token_id", padding)] {
                if let special { object.key(key); object.integer(special.id) }
            }
            if !stops.isEmpty { object.key("eos_token_id"); object.array { for id in stops { $0.integer(id) } } }
            object.key("do_sample"); object.boolean(true)
        }
        writer.newline()
        return writer.bytes
    }

    /// special_tokens_map.json.
    var map: [UInt8] {
        var writer = JSONWriter(.pretty)
        writer.object { writeTexts(to: &$0) }
        writer.newline()
        return writer.bytes
    }

    /// tokenizer_config.json: who reads the tokenizer.json, and how a conversation becomes a text.
    func settings(context: Int, template: String?) -> [UInt8] {
        var writer = JSONWriter(.pretty)
        writer.object {
            $0.key("tokenizer_class"); $0.string("PreTrainedTokenizerFast")
            $0.key("model_max_length"); $0.integer(context)
            $0.key("clean_up_tokenization_spaces"); $0.boolean(false)
            writeTexts(to: &$0)
            if let template { $0.key("chat_template"); $0.string(template) }
        }
        writer.newline()
        return writer.bytes
    }

    private func writeTexts(to object: inout JSONWriter) {
        for (key, special) in [("bos_token", end), ("eos_token", end), ("pad_token", padding)] {
            if let special { object.key(key); object.string(special.text) }
        }
    }
}
