import Files
import Tokenize

extension Command {
    static var tokenize: Command {
        Command(
            "tokenize",
            "Train or use a tokenizer, or write token files.",
            TokenizeOptions(),
            [
                OptionGroup("Main options", [
                    TokenizeOptions.data,
                    TokenizeOptions.vocabularySize.excluding("vocabulary"),
                    TokenizeOptions.tokenizerOrCharacters.excluding("vocabulary"),
                    TokenizeOptions.outFile,
                    .option("tokens", \.tokens, value: "DIR", "Write train.bin and val.bin, made from the data, to DIR."),
                    .option("encode", \.encodes, "Encode standard input to token ids."),
                    .option("decode", \.decodes, "Decode token ids on standard input to text."),
                    .option("count", \.counts, "Count the tokens of standard input."),
                ]),
                OptionGroup("Tokenizer training", TokenizeOptions.trainingOptions),
                OptionGroup("Token files", TokenizeOptions.corpusOptions),
                OptionGroup("Encoding", TokenizeOptions.encodingOptions),
                OptionGroup("Reading", TokenizeOptions.readingOptions),
                OptionGroup("Output", TokenizeOptions.outputOptions),
            ],
            examples: [
                "slm tokenize --data chats.txt --vocab-size 16387 --out data/tokenizer.json",
                "slm tokenize --data chats.txt --tokenizer data/tokenizer.json --tokens data",
                "echo \"Hello there\" | slm tokenize --tokenizer data/tokenizer.json --encode",
                "slm tokenize --tokenizer gpt2.tiktoken --out gpt2.json",
            ]
        ) { options in
            try options.checkCombination()
            if options.encodes { return try options.encode() }
            if options.decodes { return try options.decode() }
            if options.counts { return try options.count() }
            try options.writeVocabularyAndTokens()
        }
    }
}

extension TokenizeOptions {
    private var isTraining: Bool { vocabularySize != nil || usesCharacters }

    /// Trains or reads the tokenizer, then writes it and the token files, as far as the options ask for it.
    func writeVocabularyAndTokens() throws {
        // A path that cannot be written to is reported before the work.
        if let out { try Folder.create(forFileAt: out) }
        let vocabulary = try isTraining ? trainVocabulary() : vocabulary()
        if let out { try vocabulary.write(to: out) }
        if let tokens { try writeTokens(with: vocabulary, to: tokens) }
        let isSilent = quiet || json
        if let tokens {
            printNextStep("Train on them", "slm train --data \(tokens.shellWord)", unless: isSilent)
        } else if let out, !data.isEmpty {
            let command = "slm tokenize corpus --data \(data.shellWords) --tokenizer \(out.shellWord) --out data"
            printNextStep("Build token files with it", command, unless: isSilent)
        } else if let out {
            printNextStep("Try it", "slm tokenize show \(out.shellWord) \"Hello there\"", unless: isSilent)
        }
    }

    /// Throws unless the options of `slm tokenize` ask for one thing.
    fileprivate func checkCombination() throws {
        func error(_ reason: String) -> UsageError { UsageError("slm tokenize: \(reason) All options: slm tokenize --help") }
        let all = [("--encode", encodes), ("--decode", decodes), ("--count", counts)]
        let uses = all.filter(\.1).map(\.0)
        if uses.count > 1 {
            throw error("expected one of --encode, --decode and --count, found \(uses.joined(separator: " and ")).")
        }
        if let use = uses.first, tokenizer == nil { throw error("\(use) needs a --tokenizer.") }
        if let use = uses.first, out != nil || tokens != nil || !data.isEmpty {
            throw error("\(use) reads standard input and writes standard output: --data, --out and --tokens do not apply.")
        }
        if !uses.isEmpty { return }
        if out == nil && tokens == nil { throw error("expected --out, --tokens, --encode, --decode or --count.") }
        if vocabularySize != nil, tokenizer != nil {
            throw error("expected --vocab-size (train a tokenizer) or --tokenizer (use one), found both.")
        }
        if vocabularySize == nil, tokenizer == nil { throw error("expected --vocab-size to train a tokenizer, or --tokenizer to use one.") }
        if isTraining || tokens != nil, data.isEmpty { throw error("\(isTraining ? "training a tokenizer" : "--tokens") needs --data.") }
    }
}
