package import Files
import SQLite

/// An error of an index of documents. Its description names the file and says what to do.
package enum DocumentError: Error, Equatable {
    case file(FileError)
    /// The file was not written by `slm index build`.
    case notAnIndex(path: String, found: String)
    /// A file of another kind is where an index is to be written.
    case wouldReplace(path: String)
    case newerFormat(path: String, version: Int, known: Int)
    /// A file or folder that was indexed does not exist.
    case missingRoot(root: String, index: String)
    case noText(paths: [String], skipped: [SkippedFile])
    case noSuchFile(name: String, index: String, suggestion: String?)
    /// Files of different folders have the same name below what was indexed.
    case ambiguousFile(name: String, index: String, count: Int)
    /// The vectors of the index were made by another embedding model.
    case otherModel(path: String, model: String, found: String)
    /// The index has vectors, which cannot be updated without their model.
    case needsModel(path: String, model: String)
    /// The index was built without an embedding model.
    case noVectors(path: String)
    /// Another program writes the index.
    case busy(path: String)
    case diskFull(path: String, reason: String)
    case damaged(path: String, reason: String)
    case unusable(path: String, reason: String)
}

extension DocumentError {
    init(_ error: SQLiteError, index path: String) {
        self = switch error {
        case .diskFull(let reason): .diskFull(path: path, reason: reason)
        case .busy, .timeout: .busy(path: path)
        case .unusable(let reason), .failed(let reason): .unusable(path: path, reason: reason)
        case .damaged(let reason): .damaged(path: path, reason: reason)
        case .notADatabase: .notAnIndex(path: path, found: "a file of another kind")
        }
    }
}

extension DocumentError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let error): error.description
        case .notAnIndex(let path, let found):
            "\(path): expected an index of documents, found \(found). Build one: slm index build FILE… --out \(path)"
        case .wouldReplace(let path): "\(path) exists and is not an index of documents. Choose another name with --out."
        case .newerFormat(let path, let version, let known):
            "\(path) has format version \(version); this slm reads versions up to \(known). Use a later slm, or build the index again."
        case .missingRoot(let root, let index):
            "\(root): expected a file or folder that was indexed, found nothing. \(index) is unchanged. "
                + "To leave it out, build the index again."
        case .noText(let paths, let skipped):
            "\(paths.joined(separator: ", ")): expected files with text, found none"
                + (skipped.first.map { "; \($0.name): \($0.reason)" } ?? "") + "."
        case .noSuchFile(let name, let index, let suggestion):
            "\(index): no file '\(name)'\(suggestion.map { "; did you mean '\($0)'?" } ?? ".") "
                + "List all files: slm index show \(index) --files"
        case .ambiguousFile(let name, let index, let count):
            "\(index): expected one file '\(name)', found \(count) in different folders. Build the index of their common folder: "
                + "slm index build FOLDER --out \(index)"
        case .otherModel(let path, let model, let found):
            "\(path) has vectors of the embedding model \(model); \(found) is another one. Give that model with --embedding-model, or "
                + "build the index again."
        case .needsModel(let path, let model):
            "\(path) has vectors of the embedding model \(model), which is not there. Give its folder with --embedding-model, or build the "
                + "index again."
        case .noVectors(let path):
            "\(path) was built without an embedding model. Build it again: slm index build FILE… --embedding-model MODEL --out \(path)"
        case .busy(let path): "\(path) is locked: another program is writing it. Try again."
        case .diskFull(let path, let reason): "no space left for \(path): \(reason). The index is unchanged; free some space and try again."
        case .damaged(let path, let reason): "\(path) is damaged: \(reason). Build it again: slm index build FILE… --out \(path)"
        case .unusable(let path, let reason): "\(path) cannot be used: \(reason)."
        }
    }
}
