import Files
package import Tokenize

/// Reads a corpus one conversation or preference at a time, in bounded memory.
///
///     var reader = try ConversationReader(["chats.jsonl", "more/"])
///     try reader.forEach { conversation, path, line in … }
///     reader.report.kept
///     var ratings = try ConversationReader(["ratings.jsonl"])
///     try ratings.forEachPreference { preference, path, line in … }
///
/// The first malformed line throws a `CorpusError`, unless `skipsBad`: then malformed lines are skipped and counted.
package struct ConversationReader: ~Copyable {
    package private(set) var report = CorpusReport()
    private var blocks: CorpusBlocks
    private var parser = ConversationParser()
    private let skipsBad: Bool

    package init(
        _ paths: [String], format: ChatFileFormat? = nil, skipsBad: Bool = false, maxLineBytes: Int = LineBlocks.defaultLimit
    ) throws(CorpusError) {
        blocks = try CorpusBlocks(paths, format: format, maxLineBytes: maxLineBytes)
        self.skipsBad = skipsBad
    }

    /// The number of files of the corpus.
    package var fileCount: Int { blocks.sources.count }

    /// Whether a file is one of preferences.
    package static func isPreferences(_ path: String) throws(CorpusError) -> Bool {
        var blocks = try CorpusBlocks([path])
        if case .lines(_, .preferences)? = try blocks.next()?.content { return true }
        return false
    }

    /// Calls `body` with each conversation and its location. A part of a plain text is passed as one message of the assistant.
    package mutating func forEach(_ body: (Conversation, _ path: String, _ line: Int) throws -> Void) throws {
        while let block = try blocks.next() {
            try parser.parse(block) { entry in
                switch entry {
                case .conversation(let conversation, let line):
                    report.kept += 1
                    try body(conversation, block.path, line)
                case .text(let text, let line):
                    if block.startsText { report.kept += 1 }
                    if !text.isEmpty { try body(Conversation([.init(.assistant, text)]), block.path, line) }
                case .empty: report.empty += 1
                case .malformed(let line): try report.add(line, skipsBad: skipsBad)
                }
            }
        }
    }

    /// Calls `body` with each preference and its location. A file of another format is one malformed line.
    package mutating func forEachPreference(_ body: (Preference, _ path: String, _ line: Int) throws -> Void) throws {
        while let block = try blocks.next() {
            try parser.parsePreferences(block) { entry in
                switch entry {
                case .preference(let preference, let line):
                    report.kept += 1
                    try body(preference, block.path, line)
                case .empty: report.empty += 1
                case .malformed(let line): try report.add(line, skipsBad: skipsBad)
                }
            }
        }
    }
}
