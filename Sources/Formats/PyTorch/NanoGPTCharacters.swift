import Files
import Tokenize

/// The characters of a model, as nanoGPT's `meta.pkl` or a checkpoint lists them: `stoi`, from text to id, or `itos`, from id to text.
struct NanoGPTCharacters {
    let vocabulary: Vocabulary

    /// nil where the value lists none.
    init?(_ pickle: Pickle, path: String) throws(PyTorchError) {
        var texts: [Int: String] = [:]
        guard let (name, pairs) = Self.list(in: pickle) else { return nil }
        for (key, value) in pairs {
            let (text, id) = name == "stoi" ? (key, value) : (value, key)
            guard case .text(let character) = text, let id = Self.id(id), character.unicodeScalars.count == 1 else {
                throw .mismatch(path: path, name: name, expected: "a character and its number (give the tokenizer yourself where tokens are longer)", found: "\(text.shown) and \(id.shown)")
            }
            guard texts.updateValue(character, forKey: id) == nil else { throw .mismatch(path: path, name: name, expected: "a number for each character", found: "\(id) twice") }
        }
        var vocabulary = Vocabulary()
        (vocabulary.unit, vocabulary.pattern) = (.characters, .none)
        for id in 0..<texts.count {
            guard let text = texts[id] else { throw .mismatch(path: path, name: name, expected: "a character for each number from 0 to \(texts.count - 1)", found: "none for \(id)") }
            vocabulary.tokens.append(text.utf8)
        }
        guard Set(texts.values).count == texts.count else { throw .mismatch(path: path, name: name, expected: "each character once", found: "one twice") }
        self.vocabulary = vocabulary
    }

    /// Reads a meta.pkl.
    static func read(_ path: String) throws(PyTorchError) -> Vocabulary {
        let bytes: [UInt8], pickle: Pickle
        do { bytes = try InputFile.contents(of: path) } catch { throw PyTorchError(error) }
        do { pickle = try Unpickler.read(bytes.span) } catch { throw PyTorchError(error, path: path, part: "the file") }
        guard let characters = try NanoGPTCharacters(pickle, path: path) else {
            throw .mismatch(path: path, name: "stoi", expected: "a dictionary from characters to numbers", found: "nothing")
        }
        return characters.vocabulary
    }

    private static func list(in pickle: Pickle) -> (String, [(key: PickleValue, value: PickleValue)])? {
        for name in ["stoi", "itos"] {
            if let value = pickle[name, in: pickle.root], let pairs = pickle.pairs(of: value) { return (name, pairs) }
        }
        return nil
    }

    /// JSON, where some were kept on the way, knows only texts as keys.
    private static func id(_ value: PickleValue) -> Int? {
        switch value {
        case .integer(let id): id
        case .text(let text): Int(text)
        default: nil
        }
    }
}
