import Corpus
import Formats
import Tokenize

/// The options of `slm tokenize` and its commands. Each command declares those that it accepts.
struct TokenizeOptions {
    var data: [String] = []
    var format: ChatFileFormat?
    var tokenizer: String?
    var out: String?
    var vocabularySize: Int?
    var pattern: String?
    /// nil for those of the chat template.
    var specialTokens: String?
    var specialsLast = false
    var minCount = 2
    var maxTokenLength: Int?
    var sample = 1.0
    var tokens: String?
    var validation: [String] = []
    var validationShare = 0.1
    var chatTemplate = ChatTemplateChoice.own(.specialTokens)
    var maxLength: Int?
    var shardSize: Int?
    var seed = 1
    var skipsBad = false
    var encodes = false
    var decodes = false
    var counts = false
    var byLine = false
    var recognizesSpecials = false
    var show: String?
    var threads: Int?
    var json = false
    var quiet = false
    /// Whether to print no results, because the work is part of another command.
    var isSilent = false
    /// Whether to leave the folder of the token files out of the output, because it is temporary.
    var hidesFolder = false

    /// `--characters`: one token for each character of the data, instead of BPE.
    var usesCharacters: Bool {
        get { tokenizer == "characters" }
        set { tokenizer = newValue ? "characters" : nil }
    }
}

extension ChatTemplateChoice: OptionValue {
    init?(optionText: String) { self.init(optionText) }
    var optionText: String { text }
    static var metavariable: String { "NAME|FILE" }
    static var choices: [String] { names }
    static var expectation: String { "one of \(names.joined(separator: ", ")), or a file with a Jinja template" }
}
extension ChatFileFormat: OptionValue {
    static var metavariable: String { "FORMAT" }
}

extension TokenizeOptions {
    typealias Option = CommandOption<TokenizeOptions>

    static var data: Option {
        .list("data", \.data, value: "FILE", "Read chats or text: files, folders, or - for standard input.").short("d")
    }

    static var tokenizer: Option {
        .option("tokenizer", \.tokenizer, value: "TOKENIZER",
                "Use this tokenizer: tokenizer.json, tokenizer.model, a .tiktoken or GGUF file, a folder with vocab.json and "
                    + "merges.txt, or 'bytes'.")
    }

    /// The tokenizer of a command that reads data, from which it can make one.
    static var tokenizerOrCharacters: Option {
        .option("tokenizer", \.tokenizer, value: "TOKENIZER",
                "Use this tokenizer: a file, a folder, 'bytes', or 'characters' for one token per character of the data.")
    }

    static var vocabularySize: Option {
        .option("vocab-size", \.vocabularySize, in: 256...100_000_000, "Train a tokenizer with N tokens, special tokens included.")
    }

    static var outFile: Option {
        .option("out", \.out, value: "FILE", "Write the tokenizer to X.json (Hugging Face), X.tiktoken or X/ (vocab.json, merges.txt).")
            .short("o")
    }

    static func pattern(default defaultText: String) -> Option {
        .option("pattern", \.pattern, value: "PATTERN",
                "Split text into words with gpt2, gpt4, llama3, qwen2, smollm, none or a regular expression.",
                default: defaultText)
    }

    static var trainingOptions: [Option] {
        [
            pattern(default: "gpt2"),
            specials,
            specialsLast,
            .option("min-count", \.minCount, in: 1...1_000_000_000, "Merge only pairs that occur at least N times."),
            .option("max-token-length", \.maxTokenLength, in: 1...1_000_000, "Limit a token to N bytes."),
            .option("sample", \.sample, in: 0...1, "Train on this share of the conversations."),
        ]
    }

    static var specials: Option {
        .option("specials", \.specialTokens, value: "TOKENS", "Add these special tokens, separated by commas.",
                default: ChatTemplateChoice.own(.specialTokens).specialTokens.joined(separator: ","))
    }
    static var specialsLast: Option { .option("specials-last", \.specialsLast, "Give special tokens the last ids instead of the first.") }

    static var corpusOptions: [Option] {
        [
            .list("val", \.validation, value: "FILE", "Write these conversations to val.bin instead of a share of the data.")
                .excluding("validation"),
            .option("val-share", \.validationShare, in: 0...1, "Write this share of the conversations to val.bin.")
                .excluding("validation"),
            .option("chat-template", \.chatTemplate, "Render conversations with this chat template, or with a Jinja file."),
            .option("max-length", \.maxLength, in: 1...1_000_000_000, "Cut conversations after N tokens."),
            .option("shard-size", \.shardSize, in: 1...1_000_000_000_000,
                    "Write at most N tokens per file: train-00001-of-00016.bin, …", default: "one file"),
        ]
    }

    static var readingOptions: [Option] {
        [
            .option("format", \.format, "Read the data in this format.", default: "detected"),
            .option("seed", \.seed, "Seed the choice of conversations for val.bin or --sample."),
            .skipBad(\.skipsBad),
            .option("threads", \.threads, in: 1...1_024, "Read and encode on N threads.", default: "all cores"),
        ]
    }

    static var encodingOptions: [Option] {
        [
            .option("lines", \.byLine, "Encode each line on its own, without its line end."),
            .option("recognize-specials", \.recognizesSpecials, "Encode the texts of special tokens as special tokens."),
        ]
    }

    static var outputOptions: [Option] { [.quiet(\.quiet), .json(\.json)] }

    var preTokenizationPattern: PreTokenizationPattern { PreTokenizationPattern(named: pattern ?? "gpt2") }
    var specialTexts: [String] { specialTokens?.split(separator: ",").map(String.init) ?? chatTemplate.specialTokens }

    /// The tokenizer of `--tokenizer`.
    func vocabulary() throws -> Vocabulary {
        switch tokenizer {
        case "bytes": .ofBytes(specialTokens: specialTexts, first: !specialsLast)
        case "characters":
            throw UsageError("slm: the tokenizer 'characters' is made from data. Write it to a file first: "
                + "slm tokenize train --characters --data FILE --out tokenizer.json")
        case let path?: try Vocabulary(ofFile: path, pattern: pattern == nil ? nil : preTokenizationPattern)
        case nil: throw UsageError("slm: expected a tokenizer: --tokenizer FILE.")
        }
    }
}

extension PreTokenizationPattern {
    /// The pattern of `--pattern`.
    init(named name: String) {
        self = switch name {
        case "gpt2": .gpt2
        case "gpt4": .gpt4
        case "llama3": .llama3
        case "qwen2": .qwen2
        case "smollm": .smollm
        case "none": .none
        default: PreTokenizationPattern(tiktoken: name)
        }
    }
}
