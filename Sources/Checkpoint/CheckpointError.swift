package import Files
import Glibc

/// What can go wrong with a checkpoint. Every description says what is wrong, what was expected, and what to do.
package enum CheckpointError: Error, Equatable {
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    case noRoom(path: String, reason: String, needed: Int, free: Int?)
    /// Something else: empty, or the file of another program.
    case foreign(path: String, found: String)
    /// A version of the format that came after this program.
    case newer(path: String, version: Int, known: Int)
    case wrongLength(path: String, expected: Int, found: Int)
    /// Its bytes are not those that were written.
    case altered(path: String, expected: String, found: String)
    /// Whole, but not laid out as slm lays out files.
    case malformed(path: String, offset: Int, expected: String, found: String)
    /// What is kept under a name is not what was asked for.
    case mismatch(path: String, name: String, expected: String, found: String)
    /// The checkpoint's vocabulary is not that of the tokens, or of the other model.
    case wrongVocabulary(path: String, expected: String, found: String)
    /// The model that an adapter needs is not where it was, or none.
    case noBase(path: String, base: String, reason: String)
    /// The model is not the one that an adapter was made for.
    case wrongBase(path: String, base: String, expected: String, found: String)
    /// The format of another program cannot hold this model.
    case notExpressible(format: String, reason: String)
}

extension CheckpointError: CustomStringConvertible {
    package var description: String {
        let other = "Take another checkpoint of the run, such as the best.h5 or last.h5 beside it."
        switch self {
        case .unreadable(let path, let reason): return "\(path): cannot be read: \(reason)."
        case .notWritten(let path, let reason): return "\(path): cannot be written: \(reason). What was there before is untouched."
        case .noRoom(let path, let reason, let needed, let free):
            let room = free.map { ", \(megabytes($0)) free" } ?? ""
            return "no room for \(path): \(megabytes(needed)) needed\(room) (\(reason)). What was there before is untouched."
        case .foreign(let path, let found):
            return "\(path) is not a checkpoint of slm: it is \(found). Models of other programs come in with: slm import FILE --out CHECKPOINT"
        case .newer(let path, let version, let known):
            return "\(path) is a checkpoint of version \(version), and this slm reads up to version \(known). Use the slm that wrote it, or a later one."
        case .wrongLength(let path, let expected, let found):
            let what = found < expected ? "the file was cut short" : "something was added to it"
            return "\(path) is damaged: it has \(grouped(found)) bytes and should have \(grouped(expected)); \(what). \(other)"
        case .altered(let path, let expected, let found):
            return "\(path) is damaged: its digest should be \(expected) and is \(found); it was altered after it was written. \(other)"
        case .malformed(let path, let offset, let expected, let found):
            return "\(path) is not laid out as slm does it: at byte \(grouped(offset)) expected \(expected), found \(found). \(other)"
        case .mismatch(let path, let name, let expected, let found):
            return "\(path): \(name): expected \(expected), found \(found)."
        case .wrongVocabulary(let path, let expected, let found):
            return "\(path) does not belong to these tokens: its vocabulary is \(found), theirs \(expected). "
                + "Write the tokens again with its tokenizer, or take the checkpoint that was trained with theirs."
        case .noBase(let path, let base, let reason):
            return "\(path) is an adapter and needs the model it was made for, and \(base) is not that: \(reason). Say where it is: --base CHECKPOINT"
        case .wrongBase(let path, let base, let expected, let found):
            return "\(path) is an adapter for another model than \(base): the digest of the weights should be \(expected) and is \(found). "
                + "Say where the right one is: --base CHECKPOINT"
        case .notExpressible(let format, let reason): return "\(format) cannot hold this model: \(reason)."
        }
    }

    private func megabytes(_ bytes: Int) -> String { bytes < 10_000_000 ? "\(grouped((bytes + 999) / 1_000)) kB" : "\(grouped(bytes / 1_000_000)) MB" }

    /// 1234567 as 1,234,567.
    private func grouped(_ number: Int) -> String {
        let digits = Array(String(number))
        return String(digits.enumerated().flatMap { i, digit in i > 0 && (digits.count - i) % 3 == 0 ? [",", digit] : [digit] })
    }
}

extension CheckpointError {
    /// Where a folder was given for a file: which file of it is meant, most likely.
    static func folder(_ path: String) -> CheckpointError {
        if Folder.contains("best.h5", in: path) { return .unreadable(path: path, reason: "it is the folder of a run: give best.h5 or last.h5 in it") }
        return .unreadable(path: path, reason: "it is a folder; models of other programs come in with: slm import FOLDER --out CHECKPOINT")
    }

    package init(_ error: FileError, needed: Int = 0) {
        switch error {
        case .unreadable(let path, let reason): self = .unreadable(path: path, reason: reason)
        case .notWritten(let path, let reason): self = .notWritten(path: path, reason: reason)
        case .noRoom(let path, let reason, _): self = .noRoom(path: path, reason: reason, needed: needed, free: Self.freeBytes(beside: path))
        case .lineTooLong(let path, _, _), .nothingFound(let path, _): self = .unreadable(path: path, reason: error.description)
        }
    }

    private static func freeBytes(beside path: String) -> Int? {
        var status = statvfs()
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        guard statvfs(folder, &status) == 0 else { return nil }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }
}
