package import Checkpoint
import Files

/// An error while reading a PyTorch file. Its description says what was expected, what was found and where.
package enum PyTorchError: Error, Equatable {
    case unreadable(path: String, reason: String)
    /// The format of `torch.save` before PyTorch 1.6.
    case legacy(path: String)
    /// The bytes of the archive, or of a file in it (`part`), violate the format.
    case malformed(path: String, part: String, offset: Int, expected: String, found: String)
    /// A valid file without what a GPT of nanoGPT's layout needs.
    case mismatch(path: String, name: String, expected: String, found: String)
    case checkpoint(CheckpointError)
}

extension PyTorchError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)."
        case .legacy(let path):
            "\(path) is in the format of PyTorch before 1.6. Save it again with a newer version: "
                + "torch.save(torch.load(\"old.pt\"), \"new.pt\")"
        case .malformed(let path, let part, let offset, let expected, let found):
            "\(path): at byte \(offset) of \(part) expected \(expected), found \(found)."
        case .mismatch(let path, let name, let expected, let found): "\(path): \(name): expected \(expected), found \(found)."
        case .checkpoint(let error): error.description
        }
    }
}

extension PyTorchError {
    init(_ error: FileError) {
        if case .unreadable(let path, let reason) = error { self = .unreadable(path: path, reason: reason) } else {
            self = .unreadable(path: "the file", reason: error.description)
        }
    }

    init(_ error: ParseError, path: String, part: String) {
        self = .malformed(path: path, part: part, offset: error.offset, expected: error.expected, found: error.found)
    }
}
