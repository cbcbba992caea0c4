import Files
import Glibc
import JSON

extension Vocabulary {
    /// Reads anyone's tokenizer: tokenizer.json, vocab.json with merges.txt, encoder.json with vocab.bpe, .tiktoken. A folder is looked
    /// through
    /// for one; a file is told by what is in it.
    ///
    ///     let gpt2 = try Vocabulary(reading: "gpt2")           // a folder with encoder.json and vocab.bpe
    ///
    /// - Parameters:
    ///   - pattern: Instead of what the file says, or is known to mean.
    ///   - specialTokens: The special tokens of a .tiktoken file, which does not hold them.
    package init(reading path: String, pattern: PreTokenizationPattern? = nil, specialTokens: [Special]? = nil) throws(TokenizeError) {
        self = try Self.read(path, pattern, specialTokens)
        if let pattern { self.pattern = pattern }
    }

    /// Writes the file whole or not at all. The name says what it will be: `.json` is tokenizer.json, `.tiktoken` tiktoken's, and a folder,
    /// or what ends
    /// in `/`, gets a vocab.json and a merges.txt.
    ///
    ///     try vocabulary.write(to: "data/tokenizer.json")
    package func write(to path: String) throws(TokenizeError) {
        if path.hasSuffix("/") || Self.isFolder(path) {
            let (vocabulary, merges) = try VocabularyAndMerges.bytes(of: self)
            let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
            do {
                try Folder.create(folder)
                var first = try AtomicFile(folder + "/vocab.json"), second = try AtomicFile(folder + "/merges.txt")
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
            throw .unsupported(path: path, what: "the name does not say which kind of tokenizer this shall be",
                               advice: "End it in .json, in .tiktoken, or in / for a vocab.json and a merges.txt.")
        }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(TokenizeError) {
        do {
            var file = try AtomicFile(path)
            try file.write(bytes)
            try file.commit()
        } catch { throw TokenizeError(error) }
    }

    private static func read(
        _ path: String, _ pattern: PreTokenizationPattern?, _ specialTokens: [Special]?
    ) throws(TokenizeError) -> Vocabulary {
        if isFolder(path) { return try readFolder(path) }
        if path.hasSuffix("merges.txt") || path.hasSuffix("vocab.bpe") { return try readPair(oneOf: path) }
        let bytes = try contents(of: path)
        switch bytes.first(where: { ![9, 10, 13, 32].contains($0) }) {
        case nil: throw .malformed(path: path, place: nil, expected: "a tokenizer", found: "an empty file")
        case UInt8(ascii: "{"):
            var parser = JSONParser()
            let root: JSONElement
            do { root = try parser.parse(bytes) } catch { throw TokenizeError(error, in: bytes, path: path) }
            // Of a vocab.json all values are numbers, even that of the token "model".
            if root["model"]?.kind != .object, root.members?.first(where: { _ in true })?.value.integer != nil {
                return try readPair(oneOf: path)
            }
            return try TokenizerJSON.read(root, JSONFile(path, size: bytes.count))
        default: return try TiktokenFile.read(bytes, path: path, pattern: pattern, specialTokens: specialTokens)
        }
    }

    private static func readFolder(_ folder: String) throws(TokenizeError) -> Vocabulary {
        let folder = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        if exists(folder + "/tokenizer.json") {
            return try TokenizerJSON.read(contents(of: folder + "/tokenizer.json"), path: folder + "/tokenizer.json")
        }
        for (vocabulary, merges) in pairs where exists("\(folder)/\(vocabulary)") && exists("\(folder)/\(merges)") {
            return try readPair("\(folder)/\(vocabulary)", "\(folder)/\(merges)")
        }
        throw .unreadable(
            path: folder, reason: "it has no tokenizer.json, no vocab.json with merges.txt and no encoder.json with vocab.bpe")
    }

    private static let pairs = [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")]

    /// The pair that a file belongs to: `gpt2-vocab.json` to `gpt2-merges.txt`. A vocabulary of another name, to any merges beside it.
    private static func readPair(oneOf path: String) throws(TokenizeError) -> Vocabulary {
        for (vocabulary, merges) in pairs {
            if path.hasSuffix(vocabulary) { return try readPair(path, path.dropLast(vocabulary.count) + merges) }
            if path.hasSuffix(merges) { return try readPair(path.dropLast(merges.count) + vocabulary, path) }
        }
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
        for (_, merges) in pairs where exists(folder + merges) { return try readPair(path, folder + merges) }
        throw .unreadable(path: path, reason: "it is a vocabulary without merges: there is no merges.txt and no vocab.bpe beside it")
    }

    private static func readPair(_ vocabulary: String, _ merges: String) throws(TokenizeError) -> Vocabulary {
        try VocabularyAndMerges.read(
            vocabulary: contents(of: vocabulary), path: vocabulary, merges: contents(of: merges), mergesPath: merges)
    }

    private static func contents(of path: String) throws(TokenizeError) -> [UInt8] {
        do { return try InputFile.contents(of: path) } catch { throw TokenizeError(error) }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

extension TokenizeError {
    init(_ error: FileError) {
        switch error {
        case .unreadable(let path, let reason): self = .unreadable(path: path, reason: reason)
        case .notWritten(let path, let reason), .noRoom(let path, let reason, _): self = .notWritten(path: path, reason: reason)
        case .lineTooLong(let path, _, _), .noMatchingFiles(let path, _): self = .unreadable(path: path, reason: error.description)
        }
    }
}
