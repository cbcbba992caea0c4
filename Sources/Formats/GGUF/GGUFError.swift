package import Checkpoint
package import Files
package import Tokenize

/// What can go wrong between a checkpoint and a GGUF file. Every description says what was expected, what was found, and where.
///
///     do { try checkpoint.writeGGUF(to: path, as: .q8_0) } catch GGUFError.notExpressible(_, let reason) { … }
package enum GGUFError: Error, Equatable {
    /// Another program's file.
    case foreign(path: String, found: String)
    /// Bytes that cannot stand there in a GGUF file.
    case malformed(path: String, offset: Int, expected: String, found: String)
    /// A sound file whose `name`, a key or a tensor, is not what a GPT-2 has.
    case mismatch(path: String, name: String, expected: String, found: String)
    /// A model that a GGUF file of this architecture cannot hold.
    case notExpressible(path: String, reason: String)
    case file(FileError)
    case checkpoint(CheckpointError)
    case tokenizer(TokenizeError)
}

extension GGUFError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .foreign(let path, let found): "\(path) is not a GGUF file: it is \(found)."
        case .malformed(let path, let offset, let expected, let found):
            "\(path) is no sound GGUF file: at byte \(offset) expected \(expected), found \(found). Fetch or make it again."
        case .mismatch(let path, let name, let expected, let found): "\(path): \(name): expected \(expected), found \(found)."
        case .notExpressible(let path, let reason): "\(path): a GGUF file of architecture gpt2 cannot hold this model: \(reason)."
        case .file(let error): error.description
        case .checkpoint(let error): error.description
        case .tokenizer(let error): error.description
        }
    }
}
