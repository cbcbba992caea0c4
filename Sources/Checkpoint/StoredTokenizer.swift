import Model
package import Tokenize

/// The tokenizer of a checkpoint: the bytes of a tokenizer.json, parsed on demand, or a vocabulary, written on demand.
///
///     checkpoint.tokenizer = try StoredTokenizer(vocabulary)
///     let vocabulary = try checkpoint.vocabulary()
package struct StoredTokenizer: Sendable, Equatable {
    private enum Content { case json([UInt8]), vocabulary(Vocabulary) }

    private let content: Content
    /// `Vocabulary.fingerprint`.
    package let fingerprint: String

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        self.init(json: try TokenizerJSON.bytes(of: vocabulary), fingerprint: vocabulary.fingerprint)
    }

    /// Uses a vocabulary of another program's file, which becomes a tokenizer.json only if the checkpoint is written.
    package init(read vocabulary: Vocabulary) {
        content = .vocabulary(vocabulary)
        fingerprint = vocabulary.fingerprint
    }

    init(json: [UInt8], fingerprint: String) {
        content = .json(json)
        self.fingerprint = fingerprint
    }

    package static func == (a: StoredTokenizer, b: StoredTokenizer) -> Bool { a.fingerprint == b.fingerprint }

    /// The bytes of a tokenizer.json.
    package func json() throws(TokenizeError) -> [UInt8] {
        switch content {
        case .json(let bytes): bytes
        case .vocabulary(let vocabulary): try TokenizerJSON.bytes(of: vocabulary)
        }
    }

    fileprivate func vocabulary(path: String) throws(TokenizeError) -> Vocabulary {
        switch content {
        case .json(let bytes): try TokenizerJSON.read(bytes, path: path)
        case .vocabulary(let vocabulary): vocabulary
        }
    }
}

extension Checkpoint {
    /// Parses the vocabulary that the model was trained with.
    package func vocabulary() throws(CheckpointError) -> Vocabulary {
        guard let tokenizer else {
            let expected = format == .huggingFace ? "a tokenizer.json, a vocab.json with merges.txt, or a tokenizer.model" : "a tokenizer"
            throw mismatch(
                format == .slm ? "tokenizer/json" : "the tokenizer", "\(expected) (to add one: slm import --tokenizer FILE)", "nothing")
        }
        let vocabulary: Vocabulary
        do { vocabulary = try tokenizer.vocabulary(path: "\(name): tokenizer/json") } catch {
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
