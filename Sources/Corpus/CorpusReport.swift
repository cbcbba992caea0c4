package import Tokenize

/// What became of every conversation of a corpus, and the size of the result.
///
///     let report = try encoder.write(["data"], to: "data", on: pool)
///     "\(report.kept) kept, \(report.malformed) malformed, such as \(report.malformedLines.first?.description ?? "none")"
package struct CorpusReport: Sendable, Equatable {
    /// Conversations that were encoded completely. A plain text counts once per split.
    package var kept = 0
    /// Conversations that were truncated.
    package var truncated = 0
    /// Conversations that were skipped because all messages are empty.
    package var empty = 0
    /// Lines that were skipped because they are malformed.
    package var malformed = 0
    /// The first malformed lines.
    package private(set) var malformedLines: [MalformedLine] = []
    package var train = Counts()
    package var val = Counts()

    package init() {}

    package static let maxMalformedLines = 10

    /// The contents of a token file.
    package struct Counts: Sendable, Equatable {
        package var conversations = 0
        package var messages = 0
        package var tokens = 0
        package var turns = 0
        package var bytes = ChatTokens.Bytes()

        package init() {}
    }

    /// Counts a malformed line, or throws it unless `skipsBad`.
    mutating func add(_ line: MalformedLine, skipsBad: Bool) throws(CorpusError) {
        guard skipsBad else { throw .malformed(line) }
        malformed += 1
        if malformedLines.count < Self.maxMalformedLines { malformedLines.append(line) }
    }
}
