/// Reads files of preferences, one preference at a time.
///
///     var reader = try PreferenceReader(["ratings.jsonl"])
///     try reader.forEach { preference, path, line in … }
///
/// The first malformed line throws a `CorpusError`, unless `skipsBad`: then malformed lines are skipped and counted.
package struct PreferenceReader: ~Copyable {
    package private(set) var report = CorpusReport()
    private var blocks: CorpusBlocks
    private var parser = ConversationParser()
    private let skipsBad: Bool

    package init(_ paths: [String], skipsBad: Bool = false) throws(CorpusError) {
        blocks = try CorpusBlocks(paths)
        self.skipsBad = skipsBad
    }

    package mutating func forEach(_ body: (Preference, _ path: String, _ line: Int) throws -> Void) throws {
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

    /// The number of files at some paths.
    package static func fileCount(_ paths: [String]) throws(CorpusError) -> Int { try CorpusBlocks(paths).sources.count }

    /// Whether a file is one of preferences.
    package static func isPreferences(_ path: String) throws(CorpusError) -> Bool {
        var blocks = try CorpusBlocks([path])
        if case .lines(_, .preferences)? = try blocks.next()?.content { return true }
        return false
    }
}
