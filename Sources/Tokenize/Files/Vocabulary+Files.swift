import Files
import JSON

extension Vocabulary {
    /// Reads a tokenizer of any supported format: tokenizer.json, vocab.json with merges.txt, encoder.json with vocab.bpe,
    /// SentencePiece's tokenizer.model, or .tiktoken. A folder is searched for one. The format of a file is detected by its content.
    ///
    ///     let gpt2 = try Vocabulary(reading: "gpt2")           // a folder with encoder.json and vocab.bpe
    ///
    /// - Parameters:
    ///   - pattern: overrides the pattern that the file contains or implies.
    ///   - specialTokens: the special tokens of a .tiktoken file, which does not contain them.
    package init(
        reading path: String, pattern: PreTokenizationPattern? = nil, specialTokens: [SpecialToken]? = nil
    ) throws(TokenizeError) {
        self = try Self.read(path, pattern, specialTokens)
        if let pattern { self.pattern = pattern }
    }

    /// Writes the file atomically. The name gives the format: `.json` is tokenizer.json, `.tiktoken` is tiktoken's, and a folder, or a
    /// path that ends in `/`, gets a vocab.json and a merges.txt.
    ///
    ///     try vocabulary.write(to: "data/tokenizer.json")
    package func write(to path: String) throws(TokenizeError) {
        if path.hasSuffix("/") || FileStatus(path)?.kind == .folder {
            let (vocabulary, merges) = try VocabularyAndMerges.bytes(of: self)
            let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
            do {
                try Folder.create(folder)
                var first = try AtomicFile(folder + "/vocab.json")
                var second = try AtomicFile(folder + "/merges.txt")
                try first.write(vocabulary)
                try second.write(merges)
                try first.finish()
                try second.finish()
                try first.commit()
                try second.commit()
            } catch { throw TokenizeError(error) }
        } else if path.hasSuffix(".json") {
            try Self.write(TokenizerJSON.bytes(of: self), to: path)
        } else if path.hasSuffix(".tiktoken") {
            try Self.write(TiktokenFile.bytes(of: self), to: path)
        } else {
            throw .unsupported(
                path: path, what: "the file name does not determine a tokenizer format",
                advice: "End it in .json, in .tiktoken, or in / for a vocab.json and a merges.txt."
            )
        }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(TokenizeError) {
        do {
            try AtomicFile.write(bytes, to: path)
        } catch { throw TokenizeError(error) }
    }

    private static func read(
        _ path: String, _ pattern: PreTokenizationPattern?, _ specialTokens: [SpecialToken]?
    ) throws(TokenizeError) -> Vocabulary {
        if FileStatus(path)?.kind == .folder { return try readFolder(path) }
        if path.hasSuffix("merges.txt") || path.hasSuffix("vocab.bpe") { return try readPair(oneOf: path) }
        let bytes = try contents(of: path)
        if SentencePieceModel.matches(bytes) { return try SentencePieceModel.read(bytes, path: path) }
        switch bytes.first(where: { ![9, 10, 13, 32].contains($0) }) {
        case nil: throw .malformed(path: path, location: nil, expected: "a tokenizer", found: "an empty file")
        case UInt8(ascii: "{"):
            let root = try JSONFile.root(bytes, path)
            // All values of a vocab.json are numbers, even that of a token "model".
            if root["model"]?.kind != .object, root.members?.first(where: { _ in true })?.value.integer != nil {
                return try readPair(oneOf: path)
            }
            return try TokenizerJSON.read(root, JSONFile(path, size: bytes.count))
        default: return try TiktokenFile.read(bytes, path: path, pattern: pattern, specialTokens: specialTokens)
        }
    }

    private static func readFolder(_ folder: String) throws(TokenizeError) -> Vocabulary {
        let folder = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        let json = folder + "/tokenizer.json"
        if FileStatus(json) != nil { return try TokenizerJSON.read(contents(of: json), path: json) }
        for (vocabulary, merges) in pairs where FileStatus("\(folder)/\(vocabulary)") != nil && FileStatus("\(folder)/\(merges)") != nil {
            return try readPair("\(folder)/\(vocabulary)", "\(folder)/\(merges)")
        }
        let model = folder + "/tokenizer.model"
        if FileStatus(model) != nil { return try SentencePieceModel.read(contents(of: model), path: model) }
        let reason = "it has no tokenizer.json, no vocab.json with merges.txt, no encoder.json with vocab.bpe and no tokenizer.model"
        throw .unreadable(path: folder, reason: reason)
    }

    private static let pairs = [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")]

    /// Reads the pair that a file belongs to: `gpt2-vocab.json` pairs with `gpt2-merges.txt`, a vocabulary of another name with any merges
    /// in its folder.
    private static func readPair(oneOf path: String) throws(TokenizeError) -> Vocabulary {
        for (vocabulary, merges) in pairs {
            if path.hasSuffix(vocabulary) { return try readPair(path, path.dropLast(vocabulary.count) + merges) }
            if path.hasSuffix(merges) { return try readPair(path.dropLast(merges.count) + vocabulary, path) }
        }
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
        for (_, merges) in pairs where FileStatus(folder + merges) != nil { return try readPair(path, folder + merges) }
        throw .unreadable(path: path, reason: "it is a vocabulary without merges: no merges.txt or vocab.bpe in its folder")
    }

    private static func readPair(_ vocabulary: String, _ merges: String) throws(TokenizeError) -> Vocabulary {
        try VocabularyAndMerges.read(
            vocabulary: contents(of: vocabulary), path: vocabulary,
            merges: contents(of: merges), mergesPath: merges
        )
    }
}

/// The bytes of a file.
func contents(of path: String) throws(TokenizeError) -> [UInt8] {
    do { return try InputFile.contents(of: path) } catch { throw TokenizeError(error) }
}

extension TokenizeError {
    init(_ error: FileError) {
        switch error {
        case .unreadable(let path, let reason): self = .unreadable(path: path, reason: reason)
        case .notWritten(let path, let reason), .diskFull(let path, let reason, _): self = .notWritten(path: path, reason: reason)
        case .lineTooLong(let path, _, _), .noMatchingFiles(let path, _): self = .unreadable(path: path, reason: error.description)
        }
    }
}
