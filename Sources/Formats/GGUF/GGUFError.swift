package import Checkpoint
package import Files
package import Tokenize

/// An error while reading or writing a GGUF file. Its description says what was expected, what was found and where.
///
///     do { try checkpoint.writeGGUF(to: path, as: .q8_0) } catch GGUFError.notExpressible(_, let reason) { … }
package enum GGUFError: Error, Equatable {
    /// Another program's file.
    case notGGUF(path: String, found: String)
    /// The bytes violate the format.
    case malformed(path: String, offset: Int, expected: String, found: String)
    /// A valid file in which a key or tensor does not have what the model needs.
    case mismatch(path: String, name: String, expected: String, found: String)
    /// None of llama.cpp's architectures that slm writes can represent this model.
    case notExpressible(path: String, reason: String)
    case file(FileError)
    case checkpoint(CheckpointError)
    case tokenizer(TokenizeError)
}

extension GGUFError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notGGUF(let path, let found): "\(path) is not a GGUF file: it is \(found)."
        case .malformed(let path, let offset, let expected, let found):
            "\(path) is not a valid GGUF file: at byte \(offset) expected \(expected), found \(found). Download or create it again."
        case .mismatch(let path, let name, let expected, let found): "\(path): \(name): expected \(expected), found \(found)."
        case .notExpressible(let path, let reason): "\(path): a GGUF file cannot hold this model: \(reason)."
        case .file(let error): error.description
        case .checkpoint(let error): error.description
        case .tokenizer(let error): error.description
        }
    }
}
