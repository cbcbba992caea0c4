package import Files
package import Tokenize

/// An error while reading or writing a checkpoint, or a model in the format of another program. Its description says what was expected,
/// what was found and what to do.
package enum CheckpointError: Error, Equatable {
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    case diskFull(path: String, reason: String, needed: Int, free: Int?)
    /// An empty file or a file of another program.
    case notACheckpoint(path: String, found: String)
    /// A version of the file format that this program does not know.
    case newerVersion(path: String, version: Int, known: Int)
    case wrongLength(path: String, expected: Int, found: Int)
    /// The content was modified after it was written.
    case wrongDigest(path: String, expected: String, found: String)
    /// The checksum is right, but the HDF5 structure is not the one that slm writes.
    case malformed(path: String, offset: Int, expected: String, found: String)
    /// An entry is missing or has the wrong type, shape or value.
    case mismatch(path: String, name: String, expected: String, found: String)
    /// The checkpoint's vocabulary differs from that of the token file or of another model.
    case wrongVocabulary(path: String, expected: String, found: String)
    /// The base model of a LoRA adapter is missing or unusable.
    case noBaseModel(path: String, base: String, reason: String)
    /// The given base model is not the one that the LoRA adapter was trained on.
    case wrongBaseModel(path: String, base: String, expected: String, found: String)
    /// Another program's file format cannot represent this model.
    case notExpressible(format: String, reason: String)
    case notGGUF(path: String, found: String)
    /// The bytes of a GGUF file violate the format.
    case malformedGGUF(path: String, offset: Int, expected: String, found: String)
    /// The format of `torch.save` before PyTorch 1.6.
    case legacyPyTorch(path: String)
    /// The bytes of a PyTorch archive, or of a file in it (`part`), violate the format.
    case malformedPyTorch(path: String, part: String, offset: Int, expected: String, found: String)
    /// An imported tokenizer is unusable, or another program's file cannot hold it.
    case tokenizer(TokenizeError)
}

extension CheckpointError: CustomStringConvertible {
    package var description: String {
        let other = "Use another checkpoint of the run, such as best.h5 or last.h5 in the same folder."
        switch self {
        case .unreadable(let path, let reason): return "\(path): cannot be read: \(reason)."
        case .notWritten(let path, let reason): return "\(path): cannot be written: \(reason). The previous file is unchanged."
        case .diskFull(let path, let reason, let needed, let free):
            // Where the rounded numbers are the same, the number of bytes tells them apart.
            let isClose = free.map { megabytes($0) == megabytes(needed) } ?? false
            let size = { (bytes: Int) in isClose ? "\(bytes.grouped) bytes" : megabytes(bytes) }
            let available = free.map { ", \(size($0)) free" } ?? ""
            return "not enough disk space for \(path): \(size(needed)) needed\(available) (\(reason)). "
                + "The previous file is unchanged."
        case .notACheckpoint(let path, let found):
            return "\(path) is not an slm checkpoint: it is \(found). "
                + "To import a model of another program: slm import FILE --out CHECKPOINT"
        case .newerVersion(let path, let version, let known):
            return "\(path) is a checkpoint of version \(version), and this slm reads up to version \(known). Use a newer slm."
        case .wrongLength(let path, let expected, let found):
            let what = found < expected ? "the file is truncated" : "something was appended to it"
            return "\(path) is damaged: expected \(expected.grouped) bytes, found \(found.grouped); \(what). \(other)"
        case .wrongDigest(let path, let expected, let found):
            return "\(path) is damaged: expected the checksum \(expected), found \(found); "
                + "the file was modified after it was written. \(other)"
        case .malformed(let path, let offset, let expected, let found):
            return "\(path) does not have the layout that slm writes: "
                + "at byte \(offset.grouped) expected \(expected), found \(found). \(other)"
        case .mismatch(let path, let name, let expected, let found):
            // What was found may be another error, which is a sentence.
            return "\(path): \(name): expected \(expected), found \(found)" + (found.hasSuffix(".") ? "" : ".")
        case .wrongVocabulary(let path, let expected, let found):
            return "\(path) and the tokens have different vocabularies: "
                + "expected the fingerprint \(expected) of the tokens, found \(found). "
                + "Tokenize the data again with the checkpoint's tokenizer, or use a checkpoint trained with theirs."
        case .noBaseModel(let path, let base, let reason):
            return "\(path) is a LoRA adapter and needs its base model, but \(base) cannot be used: \(reason). "
                + "Give the path of the base model: --base CHECKPOINT"
        case .wrongBaseModel(let path, let base, let expected, let found):
            return "\(path) is a LoRA adapter for another model than \(base): "
                + "expected weights with the digest \(expected), found \(found). Give the path of the base model: --base CHECKPOINT"
        case .notExpressible(let format, let reason): return "\(format) cannot hold this model: \(reason)."
        case .notGGUF(let path, let found): return "\(path) is not a GGUF file: it is \(found)."
        case .malformedGGUF(let path, let offset, let expected, let found):
            return "\(path) is not a valid GGUF file: at byte \(offset) expected \(expected), found \(found). Download or create it again."
        case .legacyPyTorch(let path):
            return "\(path) is in the format of PyTorch before 1.6. Save it again with a newer version: "
                + "torch.save(torch.load(\"old.pt\"), \"new.pt\")"
        case .malformedPyTorch(let path, let part, let offset, let expected, let found):
            return "\(path): at byte \(offset) of \(part) expected \(expected), found \(found)."
        case .tokenizer(let error): return error.description
        }
    }

    private func megabytes(_ bytes: Int) -> String {
        bytes < 10_000_000 ? "\(((bytes + 999) / 1_000).grouped) kB" : "\((bytes / 1_000_000).grouped) MB"
    }
}

extension CheckpointError {
    /// A folder was given instead of a file; the reason names the file that was probably meant.
    static func isFolder(_ path: String) -> CheckpointError {
        if Folder.contains("best.h5", in: path) {
            return .unreadable(path: path, reason: "it is the folder of a run; give best.h5 or last.h5 in it")
        }
        if Folder.contains("adapter_config.json", in: path) {
            let command = "slm import \(path) --base MODEL --out FILE"
            return .unreadable(path: path, reason: "it is the folder of a PEFT adapter; import it: \(command)")
        }
        return .unreadable(
            path: path, reason: "it is a folder without config.json, which a Hugging Face model has"
        )
    }

    package init(_ error: FileError, needed: Int = 0) {
        switch error {
        case .unreadable(let path, let reason): self = .unreadable(path: path, reason: reason)
        case .notWritten(let path, let reason): self = .notWritten(path: path, reason: reason)
        case .diskFull(let path, let reason, _):
            self = .diskFull(path: path, reason: reason, needed: needed, free: DiskSpace.free(at: RelativePath.folder(ofFileAt: path)))
        case .lineTooLong(let path, _, _), .noMatchingFiles(let path, _): self = .unreadable(path: path, reason: error.description)
        }
    }
}
