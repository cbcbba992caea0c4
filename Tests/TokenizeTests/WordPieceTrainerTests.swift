import Testing
import Tokenize

/// Training a WordPiece vocabulary. Tests/Peers/check_embeddings.py compares its tokens with those of Hugging Face's tokenizers.
@Suite struct WordPieceTrainerTests {
    private let texts = ["The pump resets the pump.", "The pump's valve: resetting, RESET!", "Über die Pumpe", "the the the"]

    private func trained(_ size: Int) throws -> WordPieceTokenizer {
        var trainer = try WordPieceTrainer()
        for text in texts { try trainer.add(text) }
        return trainer.train(vocabularySize: size)
    }

    @Test func `frequent words become one token, and no text a special token`() throws {
        let tokenizer = try trained(200)
        #expect(tokenizer.count <= 200 && tokenizer.specials == TokensAroundText())
        let pump = tokenizer.textIDs(of: "PUMP")
        #expect(pump.count == 1 && tokenizer.textIDs(of: "the pump the") == [
            tokenizer.textIDs(of: "the")[0], pump[0], tokenizer.textIDs(of: "the")[0],
        ])
        // A part of a word is another token than the word.
        #expect(tokenizer.textIDs(of: "tpump").count > 1 && tokenizer.textIDs(of: "xpump") == [1])
        #expect(tokenizer.textIDs(of: "[PAD] 語").allSatisfy { $0 != 0 } && tokenizer.textIDs(of: "語") == [1])
        #expect(tokenizer.textIDs(of: "uber") == tokenizer.textIDs(of: "Über"))
    }

    @Test func `a small vocabulary has the most frequent characters, so that words are divided`() throws {
        let tokenizer = try trained(40)
        #expect(tokenizer.count == 40 && tokenizer.textIDs(of: "the").count > 1)
    }

    @Test func `its file has the same tokens`() throws {
        let tokenizer = try trained(120), read = try readEncoderTokenizer(tokenizerJSON: tokenizer.tokenizerJSON, path: "tokenizer.json")
        #expect(read.kind == "WordPiece" && read.fingerprint == tokenizer.fingerprint && read.specials == tokenizer.specials)
        for text in texts + ["", "unknown 語 wörds", "resetpump"] { #expect(read.textIDs(of: text) == tokenizer.textIDs(of: text)) }
    }

    @Test func `texts without words have a vocabulary without words`() throws {
        var trainer = try WordPieceTrainer()
        try trainer.add(" \n")
        #expect(trainer.train(vocabularySize: 300).count == 2)
    }
}
