package import Checkpoint
import Files

/// What can go wrong with a file of PyTorch's. Every description says where, what was expected, and what was found.
package enum PyTorchError: Error, Equatable {
    case unreadable(path: String, reason: String)
    /// What `torch.save` wrote before PyTorch 1.6.
    case legacy(path: String)
    /// At a byte of a part of the file: of the archive itself, or of a file in it.
    case malformed(path: String, part: String, offset: Int, expected: String, found: String)
    /// Whole, but not what a GPT of nanoGPT's layout needs.
    case mismatch(path: String, name: String, expected: String, found: String)
    case checkpoint(CheckpointError)
}

extension PyTorchError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)."
        case .legacy(let path):
            "\(path) is in the format of PyTorch before 1.6. Write it again with a later one: torch.save(torch.load(\"old.pt\"), \"new.pt\")"
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

    init(_ fault: LayoutFault, path: String, part: String) {
        self = .malformed(path: path, part: part, offset: fault.offset, expected: fault.expected, found: fault.found)
    }
}
