import Model
package import Tokenize

/// A vocabulary as a checkpoint carries it: the bytes of a tokenizer.json, which are read when somebody asks.
///
///     checkpoint.tokenizer = try StoredTokenizer(vocabulary)
///     let vocabulary = try checkpoint.vocabulary()
package struct StoredTokenizer: Sendable, Equatable {
    package let json: [UInt8]
    /// `Vocabulary.fingerprint`.
    package let fingerprint: String

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) { self.init(json: try TokenizerJSON.bytes(of: vocabulary), fingerprint: vocabulary.fingerprint) }

    init(json: [UInt8], fingerprint: String) { (self.json, self.fingerprint) = (json, fingerprint) }
}

extension Checkpoint {
    /// The vocabulary that the model was trained with.
    package func vocabulary() throws(CheckpointError) -> Vocabulary {
        guard let tokenizer else { throw .mismatch(path: name, name: "tokenizer/json", expected: "a vocabulary, which slm import --tokenizer gives a model", found: "none") }
        let vocabulary: Vocabulary
        do { vocabulary = try TokenizerJSON.read(tokenizer.json, path: "\(name): tokenizer/json") } catch {
            throw .mismatch(path: name, name: "tokenizer/json", expected: "a tokenizer.json", found: "\(error)")
        }
        guard vocabulary.fingerprint == tokenizer.fingerprint else {
            throw .mismatch(path: name, name: "tokenizer/fingerprint", expected: vocabulary.fingerprint, found: tokenizer.fingerprint)
        }
        guard vocabulary.count <= configuration.vocabulary else {
            throw .mismatch(path: name, name: "tokenizer/json", expected: "at most \(configuration.vocabulary) tokens, which the model knows", found: "\(vocabulary.count)")
        }
        return vocabulary
    }

    /// Throws unless tokens of the vocabulary with this fingerprint are what the model was made for.
    ///
    ///     try checkpoint.check(fingerprint: meta.fingerprint)
    package func check(fingerprint: String) throws(CheckpointError) {
        let found = tokenizer?.fingerprint ?? "none"
        guard found == fingerprint else { throw .wrongVocabulary(path: name, expected: fingerprint, found: found) }
    }
}
