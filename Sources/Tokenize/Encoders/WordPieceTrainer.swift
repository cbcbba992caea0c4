import JSON

/// Trains a WordPiece vocabulary: the merges of BPE, written as BERT's tokens, as Hugging Face's WordPieceTrainer does it.
///
///     var trainer = try WordPieceTrainer()
///     for text in texts { try trainer.add(text) }
///     let tokenizer = trainer.train(vocabularySize: 16_384)
package struct WordPieceTrainer: ~Copyable {
    /// The words have a space before each, so that tokens that begin a word differ from those that continue one.
    private var words: WordCounts
    private var characters: [Unicode.Scalar: Int] = [:]
    private let normalizer = BERTNormalizer()

    /// Rarer characters are unknown tokens: a text in Chinese would have nothing else in its vocabulary.
    private static let mostCharacters = 1_000

    package init() throws(TokenizeError) { words = try WordCounts(pattern: .gpt2) }

    /// Counts the words of a text.
    package mutating func add(_ text: String) throws(TokenizeError) {
        var found = ByteStrings(), line: [UInt8] = []
        normalizer.append(text, to: &found)
        for word in found.indices {
            line.append(UInt8(ascii: " "))
            line += found[word]
            for character in String(decoding: found[word], as: UTF8.self).unicodeScalars { characters[character, default: 0] += 1 }
        }
        try words.add(line.span)
    }

    /// - Parameter vocabularySize: The most tokens, with [PAD] and [UNK].
    package consuming func train(vocabularySize: Int) -> WordPieceTokenizer {
        let byFrequency = characters.sorted { $0.value == $1.value ? $0.key < $1.key : $0.value > $1.value }
        var tokens = ByteStrings(), known: Set<[UInt8]> = []
        func add(_ token: [UInt8]) {
            if tokens.count < vocabularySize, known.insert(token).inserted { tokens.append(token) }
        }
        let mark = Array(WordPieceTokenizer.mark.utf8)
        for special in [WordPieceTokenizer.padding, WordPieceTokenizer.unknown] { add(Array(special.utf8)) }
        for (character, _) in byFrequency.prefix(Self.mostCharacters) {
            let bytes = Array(String(character).utf8)
            add(bytes)
            add(mark + bytes)
        }
        // Half of a character is no token, so that not all merges become one.
        let merged = BPETrainer(vocabularySize: 256 + 2 * vocabularySize).train(on: words).vocabulary.tokens
        for id in merged.indices.dropFirst(256) {
            let bytes = merged[id], beginsWord = bytes.first == UInt8(ascii: " "), part = Array(beginsWord ? bytes.dropFirst() : bytes)
            if !part.isEmpty, String(validating: part, as: UTF8.self) != nil { add(beginsWord ? part : mark + part) }
        }
        return WordPieceTokenizer(tokens, normalizer: normalizer, specials: TokensAroundText(), unknown: 1)
    }
}

extension WordPieceTokenizer {
    static let padding = "[PAD]", unknown = "[UNK]", mark = "##"

    /// A tokenizer.json of a trained vocabulary, which puts no tokens around a text.
    package var tokenizerJSON: [UInt8] {
        JSONWriter.bytes { file in
            file["version"] = "1.0"
            for name in ["truncation", "padding"] { file.null(name) }
            file.array("added_tokens") { list in
                for (id, name) in [Self.padding, Self.unknown].enumerated() {
                    list.object { token in
                        token["id"] = id
                        token["content"] = name
                        for setting in ["single_word", "lstrip", "rstrip", "normalized"] { token[setting] = false }
                        token["special"] = true
                    }
                }
            }
            file.object("normalizer") {
                $0["type"] = "BertNormalizer"
                $0["clean_text"] = normalizer.cleansText
                $0["handle_chinese_chars"] = normalizer.separatesIdeographs
                $0["strip_accents"] = normalizer.stripsAccents
                $0["lowercase"] = normalizer.lowercases
            }
            file.object("pre_tokenizer") { $0["type"] = "BertPreTokenizer" }
            file.null("post_processor")
            file.object("decoder") {
                $0["type"] = "WordPiece"
                $0["prefix"] = Self.mark
                $0["cleanup"] = true
            }
            file.object("model") { model in
                model["type"] = "WordPiece"
                model["unk_token"] = Self.unknown
                model["continuing_subword_prefix"] = Self.mark
                model["max_input_chars_per_word"] = wordLimit
                model.object("vocab") { vocabulary in
                    for id in words.indices { vocabulary[String(decoding: words[id], as: UTF8.self)] = id }
                }
            }
        }
    }
}
