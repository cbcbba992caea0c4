import Files
package import Tokenize

/// A corpus, conversation by conversation, in bounded memory.
///
///     var reader = try ConversationReader(["chats.jsonl", "more/"])
///     try reader.forEach { conversation, path, line in … }
///     reader.report.kept
///
/// The first fault ends the reading with a `CorpusError`, unless `skipsBad`: then faults are counted.
package struct ConversationReader: ~Copyable {
    package private(set) var report = CorpusReport()
    private var blocks: CorpusBlocks
    private var parser = ConversationParser()
    private let skipsBad: Bool

    package init(
        _ paths: [String], format: ChatFileFormat? = nil, skipsBad: Bool = false, lineLimit: Int = LineBlocks.defaultLimit
    ) throws(CorpusError) {
        blocks = try CorpusBlocks(paths, format: format, lineLimit: lineLimit)
        self.skipsBad = skipsBad
    }

    /// Each conversation with its place. A piece of plain text comes as one turn of the assistant's, who is to learn it.
    package mutating func forEach(_ body: (Conversation, _ path: String, _ line: Int) throws -> Void) throws {
        while let block = try blocks.next() {
            try parser.parse(block) { entry in
                switch entry {
                case .conversation(let conversation, let line):
                    report.kept += 1
                    try body(conversation, block.path, line)
                case .text(let text, let line):
                    if block.begins { report.kept += 1 }
                    if !text.isEmpty { try body(Conversation([.init(.assistant, text)]), block.path, line) }
                case .empty: report.empty += 1
                case .malformed(let fault): try report.add(fault, skipsBad: skipsBad)
                }
            }
        }
    }
}
