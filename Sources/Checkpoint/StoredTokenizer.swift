import Model
package import Tokenize

/// The tokenizer of a checkpoint: the bytes of a tokenizer.json, parsed on demand.
///
///     checkpoint.tokenizer = try StoredTokenizer(vocabulary)
///     let vocabulary = try checkpoint.vocabulary()
package struct StoredTokenizer: Sendable, Equatable {
    package let json: [UInt8]
    /// `Vocabulary.fingerprint`.
    package let fingerprint: String

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        self.init(json: try TokenizerJSON.bytes(of: vocabulary), fingerprint: vocabulary.fingerprint)
    }

    init(json: [UInt8], fingerprint: String) {
        self.json = json
        self.fingerprint = fingerprint
    }
}

extension Checkpoint {
    /// Parses the vocabulary that the model was trained with.
    package func vocabulary() throws(CheckpointError) -> Vocabulary {
        guard let tokenizer else {
            throw mismatch("tokenizer/json", "a tokenizer (to add one: slm import --tokenizer)", "nothing")
        }
        let vocabulary: Vocabulary
        do { vocabulary = try TokenizerJSON.read(tokenizer.json, path: "\(name): tokenizer/json") } catch {
            throw mismatch("tokenizer/json", "a tokenizer.json", "\(error)")
        }
        guard vocabulary.fingerprint == tokenizer.fingerprint else {
            throw mismatch("tokenizer/fingerprint", vocabulary.fingerprint, tokenizer.fingerprint)
        }
        guard vocabulary.count <= configuration.vocabulary else {
            let expected = "at most \(configuration.vocabulary) tokens, the model's vocabulary size"
            throw mismatch("tokenizer/json", expected, "\(vocabulary.count)")
        }
        return vocabulary
    }

    /// Throws unless the model was trained with the vocabulary that has this fingerprint.
    ///
    ///     try checkpoint.check(fingerprint: meta.fingerprint)
    package func check(fingerprint: String) throws(CheckpointError) {
        let found = tokenizer?.fingerprint ?? "none"
        guard found == fingerprint else { throw .wrongVocabulary(path: name, expected: fingerprint, found: found) }
    }

    private func mismatch(_ field: String, _ expected: String, _ found: String) -> CheckpointError {
        .mismatch(path: name, name: field, expected: expected, found: found)
    }
}
