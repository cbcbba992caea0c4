import Files
import Tokenize

/// Writes the ids and the turns of one part.
struct SplitWriter: ~Copyable {
    private(set) var counts = CorpusReport.Counts()
    private var ids, turns: AtomicFile
    private let width: Int

    init(_ folder: String, _ part: DatasetSplit, width: Int) throws(CorpusError) {
        let ids = try AtomicFile.forCorpus("\(folder)/\(part.rawValue).bin")
        let turns = try AtomicFile.forCorpus("\(folder)/\(part.rawValue).turns.bin")
        self.ids = ids
        self.turns = turns
        self.width = width
    }

    /// An entry of a block: its ids and turns from these places on.
    mutating func append(_ entry: EncodedBlock.Entry, of block: EncodedBlock, from id: Int, _ turn: Int) throws(CorpusError) {
        var words: [UInt8] = []
        for turn in block.turns[turn..<entry.turnEnd] {
            let word = UInt64(counts.tokens + turn.start - id) << 2 | UInt64(turn.role.rawValue)
            for shift in stride(from: 0, to: 64, by: 8) { words.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        do throws(FileError) {
            try ids.write(block.ids.span.extracting(id * width..<entry.idEnd * width))
            try turns.write(words)
        } catch { throw .file(error) }
        counts.tokens += entry.idEnd - id
        counts.turns += entry.turnEnd - turn
        counts.messages += entry.messages
        counts.conversations += entry.beginsHere ? 1 : 0
        counts.bytes += entry.bytes
    }

    mutating func finish() throws(FileError) {
        try ids.finish()
        try turns.finish()
    }

    consuming func commit() throws(FileError) {
        try ids.commit()
        try turns.commit()
    }
}
