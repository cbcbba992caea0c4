package import Files
package import Tokenize

/// A line that is not what its file's format says.
///
///     MalformedLine(path: "chats.jsonl", line: 7, reason: "a turn of the user's is empty").description      // chats.jsonl:7: a turn …
package struct Fault: Sendable, Equatable, CustomStringConvertible {
    package let path: String
    package let line: Int
    package let reason: String

    package init(path: String, line: Int, reason: String) {
        self.path = path
        self.line = line
        self.reason = reason
    }

    package var description: String { "\(path):\(line): \(reason)" }
}

/// What can go wrong on the way from chats to tokens and back.
///
///     do { try encoding.write(…) } catch CorpusError.malformed(let fault) { fault.line }
package enum CorpusError: Error, Equatable {
    case file(FileError)
    case tokenizer(TokenizeError)
    /// The first fault, where faults are not counted but end the reading.
    case malformed(Fault)
    /// Everything was read, and nothing can be learned from it.
    case nothingToLearn(files: Int, empty: Int, malformed: Int)
    /// A file of tokens that is not whole, or does not belong to what is beside it.
    case damaged(path: String, reason: String)
    /// Whoever watched the progress said so.
    case stopped
}

extension CorpusError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let error): error.description
        case .tokenizer(let error): error.description
        case .malformed(let fault): "\(fault)."
        case .nothingToLearn(let files, let empty, let malformed):
            "nothing to learn in \(files) file\(files == 1 ? "" : "s"): \(empty) conversations are empty and \(malformed) malformed."
        case .damaged(let path, let reason): "\(path) is damaged: \(reason). Write the tokens again."
        case .stopped: "stopped. No file was changed."
        }
    }
}

/// Runs what throws errors of a lower floor.
func files<Value: ~Copyable>(_ body: () throws(FileError) -> Value) throws(CorpusError) -> Value {
    do throws(FileError) { return try body() } catch { throw .file(error) }
}
