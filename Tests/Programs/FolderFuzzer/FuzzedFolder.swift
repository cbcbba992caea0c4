import Checkpoint
import Files
import Formats
import Glibc
import Model
import TestSupport
import Tokenize

/// A small chat model, as a Hugging Face folder or a GGUF file, of which some values are replaced by hostile ones.
///
///     var folder = try FuzzedFolder()
///     let path = folder.prepare(17)                            // depends only on the round
struct FuzzedFolder {
    private let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
    private let files: [String: [UInt8]]
    private let gguf: [UInt8]
    /// Where the tensors of the GGUF file begin, less a kilobyte: the rest are weights.
    private let ggufHeader: Int
    /// Those more often whose damage leaves a model that can be read.
    private static let names = [
        "config.json", "generation_config.json", "generation_config.json", "generation_config.json", "tokenizer.json", "tokenizer.json",
        "tokenizer_config.json", "tokenizer_config.json", "tokenizer_config.json", "special_tokens_map.json",
    ]

    private static let template = """
        {% if tools %}{{ '<|im_start|>system\\n' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ '<|im_end|>\\n' }}{% endif %}\
        {% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.content %}{{ m.content }}{% endif %}\
        {% for call in m.tool_calls or [] %}{{ '<tool_call>' }}\
        {{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}\
        {{ '</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}\
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
        """

    init() throws {
        var checkpoint = try SampleFamily.mixtral.checkpoint()
        checkpoint.configuration.context = 160
        var vocabulary = Vocabulary()
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        vocabulary.add(specialTokens: ["<|im_start|>", "<|im_end|>", "<s>", "</s>"])
        for text in ["<tool_call>", "<think>"] {
            vocabulary.addedTokens.append(.init(id: TokenID(vocabulary.count), text: text))
            vocabulary.tokens.append(text.utf8)
        }
        checkpoint.tokenizer = try StoredTokenizer(vocabulary)
        var template = JinjaChatTemplate(Self.template)
        template.tokens = ["bos_token": "<s>", "eos_token": "</s>"]
        checkpoint.chatTemplate = .jinja(template)
        checkpoint.servingDefaults.endTokens = [257, 259]
        checkpoint.servingDefaults.sampling = SamplingDefaults(
            temperature: 0.7, topK: 20, topP: 0.8, minP: 0.05, repetitionPenalty: 1.1)
        try Folder.create(folder("hf"))
        let source = TemporaryFolder()
        try HuggingFace.write(checkpoint, to: source("hf"))
        var files: [String: [UInt8]] = [:]
        for name in TemporaryFolder.names(in: source("hf")) { files[name] = try InputFile.contents(of: source("hf/\(name)")) }
        self.files = files
        try checkpoint.writeGGUF(to: source("a.gguf"), as: .f32)
        gguf = try InputFile.contents(of: source("a.gguf"))
        ggufHeader = gguf.count - 4 * checkpoint.weights.elementCount - 1_024
    }

    /// Writes a damaged model and returns its path.
    mutating func prepare(_ round: Int) -> String {
        var mutator = Mutator(seed: UInt64(round) &+ 0x51, words: Self.words)
        if mutator.random.below(4) == 0 {
            var bytes = gguf
            mutator.damage(&bytes, in: 0..<max(1, ggufHeader))
            return folder.write(bytes, to: "a.gguf")
        }
        var damaged = files
        for _ in 0...mutator.random.below(3) {
            let name = Self.names[mutator.random.below(Self.names.count)]
            guard var bytes = damaged[name] else { continue }
            if mutator.random.below(5) == 0 {
                mutator.damage(&bytes)
            } else {
                Self.replaceValue(in: &bytes, &mutator.random)
            }
            damaged[name] = bytes
        }
        for (name, bytes) in damaged { folder.write(bytes, to: "hf/\(name)") }
        return folder("hf")
    }

    private static let words = [
        "null", "-1", "99999", "4294967295", "[", "]", "{", "}", "\"eos_token_id\":99999,", "\"temperature\":1e300,", "{{ m }}",
        "{% for x in", "tokenizer.ggml.eos_token_id", "\u{4}\0\0\0\u{ff}\u{ff}", "<|im_end|>", "'*9999999",
    ]

    /// Values that a careless conversion, index or shift does not survive.
    private static let values = [
        "-1", "0", "1", "255", "256", "261", "262", "263", "99999", "2147483647", "2147483648", "4294967295", "4294967296",
        "9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775808", "1e308", "1e-308", "-0.0", "0.5",
        "1.5", "true", "false", "null", "\"\"", "\"a\"", "\"<|im_end|>\"", "[]", "{}", "[99999]", "[0,261,262,-1,4294967295]", "[[0]]",
        "{\"content\":\"\"}", "\"\\u0000\"", "\"\\ud83d\\ude00\"",
    ]

    /// Replaces one number, text or literal of a JSON text.
    private static func replaceValue(in bytes: inout [UInt8], _ random: inout TestRandom) {
        var ranges: [Range<Int>] = [], at = 0
        func isWord(_ byte: UInt8) -> Bool { 48...57 ~= byte || 97...122 ~= byte | 32 || [43, 45, 46].contains(byte) }
        while at < bytes.count {
            let start = at
            if bytes[at] == UInt8(ascii: "\"") {
                at += 1
                while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
                at = min(at + 1, bytes.count)
                ranges.append(start..<at)
            } else if isWord(bytes[at]) {
                while at < bytes.count, isWord(bytes[at]) { at += 1 }
                ranges.append(start..<at)
            } else {
                at += 1
            }
        }
        if ranges.isEmpty { return }
        bytes.replaceSubrange(ranges[random.below(ranges.count)], with: values[random.below(values.count)].utf8)
    }
}
