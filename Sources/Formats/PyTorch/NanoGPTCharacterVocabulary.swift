import Checkpoint
import Files
import Tokenize

/// A character vocabulary in nanoGPT's format: `stoi`, from characters to ids, or `itos`, from ids to characters, in a `meta.pkl` or in
/// the checkpoint.
enum NanoGPTCharacterVocabulary {
    /// Returns nil if the pickle contains neither list.
    static func read(_ pickle: Pickle, path: String) throws(CheckpointError) -> Vocabulary? {
        guard let (list, pairs) = Self.list(in: pickle) else { return nil }
        func mismatch(_ expected: String, _ found: String) -> CheckpointError {
            .mismatch(path: path, name: list, expected: expected, found: found)
        }
        var characters: [Int: String] = [:]
        for (key, value) in pairs {
            let (text, id) = list == "stoi" ? (key, value) : (value, key)
            guard case .text(let character) = text, let id = Self.id(id), character.unicodeScalars.count == 1 else {
                let expected = "a character and its id (if tokens are longer, give the tokenizer: --tokenizer)"
                throw mismatch(expected, "\(text.displayText) and \(id.displayText)")
            }
            guard characters.updateValue(character, forKey: id) == nil else { throw mismatch("distinct ids", "\(id) twice") }
        }
        var vocabulary = Vocabulary()
        vocabulary.unit = .characters
        vocabulary.pattern = .none
        for id in 0..<characters.count {
            guard let character = characters[id] else {
                throw mismatch("a character for each id from 0 to \(characters.count - 1)", "none for \(id)")
            }
            vocabulary.tokens.append(character.utf8)
        }
        // Swift compares strings by meaning: Ω (U+03A9) and the ohm sign (U+2126) are equal, but different characters.
        guard Set(characters.values.map { Array($0.unicodeScalars) }).count == characters.count else {
            throw mismatch("distinct characters", "one twice")
        }
        return vocabulary
    }

    /// Reads a meta.pkl.
    static func read(_ path: String) throws(CheckpointError) -> Vocabulary {
        let file = try ImportedFile(path).mapped(), pickle: Pickle
        do throws(ParseError) {
            guard file.count <= TorchFile.maximumPickleSize else {
                throw ParseError(offset: 0, expected: "at most \(TorchFile.maximumPickleSize) bytes", found: "\(file.count)")
            }
            pickle = try file.read(as: UInt8.self) { bytes throws(ParseError) in try Unpickler.read(bytes) }
        } catch { throw CheckpointError(error, path: path, part: "the file") }
        guard let vocabulary = try read(pickle, path: path) else {
            throw .mismatch(path: path, name: "stoi", expected: "a dictionary from characters to ids", found: "nothing")
        }
        return vocabulary
    }

    private static func list(in pickle: Pickle) -> (String, [(key: PickleValue, value: PickleValue)])? {
        for name in ["stoi", "itos"] {
            if let value = pickle[name, in: pickle.root], let pairs = pickle.pairs(of: value) { return (name, pairs) }
        }
        return nil
    }

    /// Accepts a numeric string, because dictionaries that went through JSON have string keys.
    private static func id(_ value: PickleValue) -> Int? {
        switch value {
        case .integer(let id): id
        case .text(let text): Int(text)
        default: nil
        }
    }
}
