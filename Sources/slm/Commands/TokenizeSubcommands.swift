import Files
import Model
import Tokenize

/// `slm tokenize train`, `encode`, `decode`, `count`, `show`, `convert` and `corpus`.
extension Command {
    static var tokenizeTrain: Command {
        Command(
            "tokenize train",
            "Train a tokenizer (BPE) on chats or text.",
            TokenizeOptions(),
            [
                OptionGroup("Main options", [
                    TokenizeOptions.data,
                    .option("vocab-size", \.vocabularySize, in: 256...100_000_000,
                            "Train a tokenizer with N tokens, special tokens included.", default: "\(GPTConfiguration.tiny.vocabulary)"),
                    TokenizeOptions.outFile,
                    .option("characters", \.usesCharacters, "Make each character of the data a token, instead of training BPE."),
                ]),
                OptionGroup("Training", TokenizeOptions.trainingOptions),
                OptionGroup("Reading", TokenizeOptions.readingOptions),
                OptionGroup("Output", TokenizeOptions.outputOptions),
            ],
            examples: ["slm tokenize train --data chats.txt --vocab-size 16387 --out data/tokenizer.json"]
        ) { options in
            if options.data.isEmpty { throw UsageError("slm tokenize train: expected text to train on: --data FILE.") }
            if options.out == nil { throw UsageError("slm tokenize train: expected a file to write: --out FILE.") }
            var options = options
            if options.usesCharacters, options.vocabularySize != nil {
                throw UsageError("slm tokenize train: expected --vocab-size or --characters, found both.")
            }
            if !options.usesCharacters { options.vocabularySize = options.vocabularySize ?? GPTConfiguration.tiny.vocabulary }
            try options.writeVocabularyAndTokens()
        }
    }

    static var tokenizeEncode: Command {
        Command(
            "tokenize encode",
            "Encode standard input to token ids.",
            TokenizeOptions(),
            useGroups([OptionGroup("Encoding", TokenizeOptions.encodingOptions)]),
            examples: ["echo \"Hello there\" | slm tokenize encode data/tokenizer.json"]
        ) { options in
            try options.requireTokenizer(for: "encode")
            try options.encode()
        }
    }

    static var tokenizeDecode: Command {
        Command(
            "tokenize decode",
            "Decode token ids on standard input to text.",
            TokenizeOptions(),
            useGroups([]),
            examples: ["echo \"15 496 612\" | slm tokenize decode data/tokenizer.json"]
        ) { options in
            try options.requireTokenizer(for: "decode")
            try options.decode()
        }
    }

    static var tokenizeCount: Command {
        Command(
            "tokenize count",
            "Count the tokens of standard input.",
            TokenizeOptions(),
            useGroups([OptionGroup("Encoding", TokenizeOptions.encodingOptions), OptionGroup("Output", [.json(\.json)])]),
            examples: ["slm tokenize count data/tokenizer.json < chats.txt"]
        ) { options in
            try options.requireTokenizer(for: "count")
            try options.count()
        }
    }

    static var tokenizeShow: Command {
        let text = CommandOption<TokenizeOptions>.option("text", \.show, value: "TEXT", "Show the tokens of TEXT.").positional()
        return Command(
            "tokenize show",
            "Show the tokens of a text, with their ids.",
            TokenizeOptions(),
            useGroups([
                OptionGroup("Encoding", [text, .option("recognize-specials", \.recognizesSpecials,
                        "Encode the texts of special tokens as special tokens.")]),
                OptionGroup("Output", [.json(\.json)]),
            ]),
            examples: ["slm tokenize show data/tokenizer.json \"Hello there\""]
        ) { options in
            try options.requireTokenizer(for: "show")
            guard let text = options.show else {
                throw UsageError("slm tokenize show: expected a text: slm tokenize show TOKENIZER TEXT.")
            }
            try options.show(text)
        }
    }

    static var tokenizeConvert: Command {
        Command(
            "tokenize convert",
            "Write a tokenizer in another format.",
            TokenizeOptions(),
            useGroups([
                OptionGroup("Output", [
                    TokenizeOptions.outFile,
                    .quiet(\.quiet),
                ]),
            ]),
            examples: ["slm tokenize convert gpt2.tiktoken --out gpt2.json"]
        ) { options in
            try options.requireTokenizer(for: "convert")
            if options.out == nil { throw UsageError("slm tokenize convert: expected a file to write: --out FILE.") }
            try options.writeVocabularyAndTokens()
        }
    }

    static var tokenizeCorpus: Command {
        Command(
            "tokenize corpus",
            "Encode chats or text into token files for slm train.",
            TokenizeOptions(),
            [
                OptionGroup("Main options", [
                    TokenizeOptions.data,
                    TokenizeOptions.tokenizerOrCharacters.excluding("vocabulary"),
                    TokenizeOptions.vocabularySize.excluding("vocabulary"),
                    .option("out", \.tokens, value: "DIR", "Write train.bin, val.bin, meta.json and tokenizer.json to DIR.")
                        .short("o"),
                ] + TokenizeOptions.corpusOptions),
                OptionGroup("Tokenizer training", TokenizeOptions.trainingOptions),
                OptionGroup("Reading", TokenizeOptions.readingOptions),
                OptionGroup("Output", TokenizeOptions.outputOptions),
            ],
            examples: [
                "slm tokenize corpus --data chats.txt --tokenizer data/tokenizer.json --out data",
                "slm tokenize corpus --data chats.txt --vocab-size 4096 --out data",
            ]
        ) { options in
            if options.data.isEmpty { throw UsageError("slm tokenize corpus: expected chats or text: --data FILE.") }
            if options.tokens == nil { throw UsageError("slm tokenize corpus: expected a folder to write: --out DIR.") }
            guard (options.tokenizer == nil) != (options.vocabularySize == nil) else {
                throw UsageError("slm tokenize corpus: expected one of --tokenizer FILE (use it) and --vocab-size N (train a tokenizer).")
            }
            try options.writeVocabularyAndTokens()
        }
    }

    /// The groups of a command that uses a tokenizer.
    private static func useGroups(_ groups: [OptionGroup<TokenizeOptions>]) -> [OptionGroup<TokenizeOptions>] {
        let bytes = OptionGroup("Tokenizer 'bytes'", [TokenizeOptions.specials, TokenizeOptions.specialsLast])
        let pattern = TokenizeOptions.pattern(default: "the tokenizer's")
        return [OptionGroup("Main options", [TokenizeOptions.tokenizer.positional(), pattern])] + groups + [bytes]
    }
}

extension TokenizeOptions {
    fileprivate func requireTokenizer(for use: String) throws {
        if tokenizer == nil { throw UsageError("slm tokenize \(use): expected a tokenizer: slm tokenize \(use) TOKENIZER.") }
    }
}
