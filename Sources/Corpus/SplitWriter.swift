import Files
import Tokenize

/// Writes the token IDs and the turns of one split.
struct SplitWriter: ~Copyable {
    private(set) var counts = CorpusReport.Counts()
    private var ids, turns: AtomicFile
    private let width: Int

    init(_ folder: String, _ split: DatasetSplit, width: Int) throws(CorpusError) {
        let ids = try AtomicFile.forCorpus("\(folder)/\(split.rawValue).bin")
        let turns = try AtomicFile.forCorpus("\(folder)/\(split.rawValue).turns.bin")
        self.ids = ids
        self.turns = turns
        self.width = width
    }

    /// Appends an entry, whose tokens and turns start at these indices of the block.
    mutating func append(_ entry: EncodedBlock.Entry, of block: EncodedBlock, idStart: Int, turnStart: Int) throws(CorpusError) {
        var bytes: [UInt8] = []
        for turn in block.turns[turnStart..<entry.turnEnd] {
            let word = UInt64(counts.tokens + turn.start - idStart) << 2 | UInt64(turn.role.rawValue)
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        do throws(FileError) {
            try ids.write(block.ids.span.extracting(idStart * width..<entry.idEnd * width))
            try turns.write(bytes)
        } catch { throw .file(error) }
        counts.tokens += entry.idEnd - idStart
        counts.turns += entry.turnEnd - turnStart
        counts.messages += entry.messages
        counts.conversations += entry.startsHere ? 1 : 0
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
