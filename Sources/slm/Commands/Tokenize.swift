import Corpus
import Files
import Kernels
import Tokenize

struct TokenizeOptions {
    var data: [String] = []
    var format: ChatFileFormat?
    var tokenizer: String?
    var out: String?
    var vocabularySize: Int?
    var pattern: String?
    var specialTokens = "<|user|>,<|assistant|>,<|eos|>,<|pad|>"
    var specialsLast = false
    var leastCount = 2
    var longestToken: Int?
    var sample = 1.0
    var tokens: String?
    var validation: [String] = []
    var validationShare = 0.1
    var form = ChatTemplate.markers
    var longest: Int?
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
    /// Nothing is told but progress: the work is part of another.
    var isQuiet = false
    /// The folder of the tokens gets its name later: nobody needs to hear of it.
    var hidesFolder = false
}

extension Command {
    static var tokenize: Command {
        Command(
            "tokenize", "Learn a vocabulary, use anyone's, and turn chats into tokens.", TokenizeOptions(),
            [
                .list("data", \.data, "FILE", "Chats or text to read: files, folders, or - for standard input."),
                .option("format", \.format, "What the data are; told by their content when not given."),
                .option("tokenizer", \.tokenizer, "A tokenizer's file or folder; or bytes, or characters.").choice("vocabulary"),
                .option(
                    "out", \.out,
                    "Where the vocabulary goes: X.json (Hugging Face), X.tiktoken, or a folder X/ for vocab.json and merges.txt."),
                .option("vocab-size", \.vocabularySize, in: 256...100_000_000, "Tokens in all to learn, special ones included.").choice(
                    "vocabulary"),
                .option("pattern", \.pattern, "How text is cut into words: gpt2 (the usual), gpt4, llama3, none, or a regular expression."),
                .option("specials", \.specialTokens, "Special tokens to have, with commas between."),
                .option("specials-last", \.specialsLast, "Special tokens get the last ids instead of the first."),
                .option("min-count", \.leastCount, in: 1...1_000_000_000, "Pairs that occur less often do not become tokens."),
                .option("max-token-length", \.longestToken, in: 1...1_000_000, "No token gets longer, in bytes."),
                .option("sample", \.sample, in: 0...1, "Learn from this share of the conversations."),
                .option("tokens", \.tokens, "A folder for train.bin and val.bin, made from the data."),
                .list("val", \.validation, "FILE", "Conversations for val.bin, instead of a share of the data.").choice("validation"),
                .option("val-share", \.validationShare, in: 0...1, "The share of the conversations that goes into val.bin.").choice(
                    "validation"),
                .option("form", \.form, "How a conversation becomes tokens."),
                .option("max-length", \.longest, in: 1...1_000_000_000, "Conversations are cut after so many tokens."),
                .option("seed", \.seed, "Another seed chooses other conversations for val.bin, or for a sample."),
                .option("skip-bad", \.skipsBad, "Leave out what cannot be read, and count it, instead of stopping."),
                .option("encode", \.encodes, "Standard input to ids."),
                .option("decode", \.decodes, "Ids on standard input to text."),
                .option("count", \.counts, "How many tokens standard input is."),
                .option("lines", \.byLine, "With --encode and --count: each line for itself, without its end."),
                .option("recognize-specials", \.recognizesSpecials, "With --encode and --count: special tokens in the text are special."),
                .option("show", \.show, "Show the tokens of this text."),
                .option("threads", \.threads, in: 1...1_024, "Threads that read and encode; all cores when not given."),
                .option("json", \.json, "One JSON object instead of lines."),
            ],
            example: """
                slm tokenize --data chats.txt --vocab-size 16387 --out data/tokenizer.json
                  slm tokenize --data chats.txt --tokenizer data/tokenizer.json --tokens data
                  echo "Hello there" | slm tokenize --tokenizer data/tokenizer.json --encode
                  slm tokenize --tokenizer gpt2.tiktoken --out gpt2.json
                """
        ) { options in
            try options.checkCombination()
            if options.encodes { return try options.encode() }
            if options.decodes { return try options.decode() }
            if options.counts { return try options.count() }
            if let text = options.show { return try options.show(text) }
            // Before the work, not after it: a place that cannot be written to.
            if let out = options.out { try Folder.create(forFileAt: out) }
            let vocabulary = try options.isLearning ? options.learn() : options.vocabulary()
            if let out = options.out { try vocabulary.write(to: out) }
            if let folder = options.tokens { try options.writeTokens(with: vocabulary, to: folder) }
        }
    }
}

extension ChatTemplate: OptionValue {}
extension ChatFileFormat: OptionValue {}

extension TokenizeOptions {
    var isLearning: Bool { vocabularySize != nil || tokenizer == "characters" && out != nil }

    /// What is to be done must be one thing that can be done.
    func checkCombination() throws {
        func refuse(_ reason: String) -> UsageError { UsageError("slm tokenize: \(reason) All options: slm tokenize --help") }
        let uses = [encodes ? "--encode" : nil, decodes ? "--decode" : nil, counts ? "--count" : nil, show == nil ? nil : "--show"]
            .compactMap { $0 }
        if uses.count > 1 { throw refuse("\(uses.joined(separator: " and ")) cannot go together.") }
        if let use = uses.first, tokenizer == nil { throw refuse("\(use) needs a --tokenizer.") }
        if let use = uses.first, out != nil || tokens != nil || !data.isEmpty {
            throw refuse("\(use) reads standard input and writes standard output alone.")
        }
        if !uses.isEmpty { return }
        if out == nil && tokens == nil { throw refuse("nothing to do: give --out, --tokens, --encode, --decode, --count or --show.") }
        if vocabularySize != nil, tokenizer != nil {
            throw refuse("--vocab-size learns a vocabulary, --tokenizer takes one: give one of them.")
        }
        if vocabularySize == nil, tokenizer == nil { throw refuse("give --vocab-size to learn a vocabulary, or a --tokenizer.") }
        if isLearning || tokens != nil, data.isEmpty { throw refuse("\(isLearning ? "learning" : "--tokens") needs --data.") }
    }

    var wordPattern: PreTokenizationPattern { PreTokenizationPattern(named: pattern ?? "gpt2") }
    var specialTexts: [String] { specialTokens.split(separator: ",").map(String.init) }

    /// The tokenizer that was named.
    func vocabulary() throws -> Vocabulary {
        switch tokenizer {
        case "bytes": .ofBytes(specialTokens: specialTexts, first: !specialsLast)
        case let path?: try Vocabulary(reading: path, pattern: pattern == nil ? nil : wordPattern)
        case nil: throw UsageError("slm tokenize: no --tokenizer.")
        }
    }
}

extension PreTokenizationPattern {
    /// What `--pattern` means.
    init(named name: String) {
        self = switch name {
        case "gpt2": .gpt2
        case "gpt4": .gpt4
        case "llama3": .llama3
        case "none": .none
        default: PreTokenizationPattern(tiktoken: name)
        }
    }
}
