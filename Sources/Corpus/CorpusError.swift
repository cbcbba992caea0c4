package import Files
package import Tokenize

/// A line that violates its file's format.
///
///     MalformedLine(path: "chats.jsonl", line: 7, reason: "an empty user message").description      // chats.jsonl:7: an empty …
package struct MalformedLine: Sendable, Equatable, CustomStringConvertible {
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

/// Why a line is malformed, without its location.
struct LineError: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }

    /// - Parameter sentence: Its period is left out, because a message about a line ends without one.
    init(sentence: String) { reason = sentence.hasSuffix(".") ? String(sentence.dropLast()) : sentence }

    static let notOneObjectPerLine = LineError("expected one JSON object per line, found an array, or an object on several lines. "
        + "To convert an array: jq -c '.[]' FILE > FILE.jsonl")
}

/// An error while converting chats to tokens, or while reading token files.
///
///     do { try encoder.write(…) } catch CorpusError.malformed(let line) { line.reason }
package enum CorpusError: Error, Equatable {
    case file(FileError)
    case tokenizer(TokenizeError)
    /// The first malformed line, if they are not skipped.
    case malformed(MalformedLine)
    /// All files were read and contain nothing to train on.
    case noTrainingData(files: Int, empty: Int, malformed: Int)
    /// A token file that is incomplete, or does not match the files in its folder.
    case damaged(path: String, reason: String)
    /// Files of a split in shards that are not in its folder.
    case missingShards(folder: String, names: [String], expected: Int)
    /// Shards in a folder whose metadata does not list them.
    case surplusShards(folder: String, names: [String], expected: Int)
    /// A shard whose beginning or end is not that of the shard that the metadata lists.
    case foreignShard(path: String, expected: String, found: String)
    /// Stopped by `progress`.
    case stopped
}

extension CorpusError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let error): error.description
        case .tokenizer(let error): error.description
        case .malformed(let line): "\(line)."
        case .noTrainingData(let files, let empty, let malformed):
            "nothing to train on in \(files.counted("file")): "
                + "\(empty) conversations are empty and \(malformed) lines are malformed."
        case .damaged(let path, let reason): "\(path) is damaged: \(reason). Encode the corpus again: slm tokenize corpus"
        case .missingShards(let folder, let names, let expected):
            "\(folder)/meta.json lists \(Self.files(expected)), and \(Self.list(names)) \(names.count == 1 ? "is" : "are") missing. "
                + "Copy what is missing from where the corpus was encoded, or encode it again: slm tokenize corpus"
        case .surplusShards(let folder, let names, let expected):
            "\(folder)/meta.json lists \(Self.files(expected)), and \(Self.list(names)) \(names.count == 1 ? "is" : "are") not among "
                + "them. Delete what belongs to another corpus, or encode the corpus again: slm tokenize corpus"
        case .foreignShard(let path, let expected, let found):
            "\(path) belongs to another corpus or has another number: meta.json expects the hash \(expected), found \(found). "
                + "Copy it from where the corpus was encoded, or encode it again: slm tokenize corpus"
        case .stopped: "stopped. No file was changed."
        }
    }

    private static func files(_ count: Int) -> String { count == 1 ? "one file" : "\(count) shards" }

    /// The first names, and how many more there are.
    private static func list(_ names: [String]) -> String {
        let more = names.count > 4 ? " and \(names.count - 4) more" : ""
        return names.prefix(4).joined(separator: ", ") + more
    }
}

/// Rethrows a `FileError` as a `CorpusError`.
func mapFileError<Value: ~Copyable>(_ body: () throws(FileError) -> Value) throws(CorpusError) -> Value {
    do throws(FileError) { return try body() } catch { throw .file(error) }
}
