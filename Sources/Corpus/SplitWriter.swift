import Files
import Tokenize

/// Writes the token IDs and the turns of one split, in one file or in shards.
///
/// A shard ends before the conversation, or the part of a plain text, with which it would have more than `shardSize` tokens. One that is
/// longer has a shard of its own. Its turns count from the beginning of the shard, so that each shard can be read on its own.
struct SplitWriter: ~Copyable {
    private(set) var counts = CorpusReport.Counts()
    /// The shards that are finished.
    private(set) var shards: [TokenShard] = []

    private let folder: String
    private let split: DatasetSplit
    private let shardSize: Int?
    private let width: Int
    /// The shard that is being written.
    private var shard = TokenShard()
    private var ids, turns: AtomicFile?
    private let finished = FinishedFiles()
    private var parts: [(ids: String, turns: String)] = []

    init(_ folder: String, _ split: DatasetSplit, width: Int, shardSize: Int?) throws(CorpusError) {
        self.folder = folder
        self.split = split
        self.width = width
        self.shardSize = shardSize
        do throws(FileError) { try begin() } catch { throw .file(error) }
    }

    /// Begins a file.
    private mutating func begin() throws(FileError) {
        let single = TokenFileName(split, 1, of: 1)
        let names = shardSize == nil ? (ids: single.ids, turns: single.turns) : TokenFileName.unfinished(split, shards.count + 1)
        ids = try AtomicFile("\(folder)/\(names.ids)")
        turns = try AtomicFile("\(folder)/\(names.turns)")
        shard = TokenShard()
    }

    /// Appends an entry, whose tokens and turns start at these indices of the block.
    mutating func append(_ entry: EncodedBlock.Entry, of block: EncodedBlock, idStart: Int, turnStart: Int) throws(CorpusError) {
        let tokens = entry.idEnd - idStart
        do throws(FileError) {
            if let shardSize, shard.tokens > 0, shard.tokens + tokens > shardSize {
                try endShard()
                try begin()
            }
            var bytes: [UInt8] = []
            for turn in block.turns[turnStart..<entry.turnEnd] {
                bytes.append(littleEndian: UInt64(shard.tokens + turn.start - idStart) << 2 | UInt64(turn.role.rawValue))
            }
            try ids?.write(block.ids.span.extracting(idStart * width..<entry.idEnd * width))
            try turns?.write(bytes)
        } catch { throw .file(error) }
        shard.tokens += tokens
        shard.turns += entry.turnEnd - turnStart
        counts.tokens += tokens
        counts.turns += entry.turnEnd - turnStart
        counts.messages += entry.messages
        counts.conversations += entry.startsHere ? 1 : 0
        counts.bytes += entry.bytes
    }

    private mutating func endShard() throws(FileError) {
        guard let ids = ids.take(), let turns = turns.take() else { return }
        let part = (ids: try ids.finish(into: finished), turns: try turns.finish(into: finished))
        shard.hash = TokenShard.hash(ids: try MappedFile(part.ids), turns: try MappedFile(part.turns))
        shards.append(shard)
        parts.append(part)
    }

    /// The names that `commit` gives the files.
    var names: [TokenFileName] { TokenFileName.all(split, count: max(1, shards.count)) }

    /// Flushes all files to disk. Only the renaming is left for `commit`.
    mutating func finish() throws(FileError) {
        if shardSize != nil { return try endShard() }
        try ids?.finish()
        try turns?.finish()
    }

    consuming func commit() throws(FileError) {
        guard shardSize == nil else {
            return try finished.rename(zip(names, parts).flatMap { name, part in
                [(part.ids, "\(folder)/\(name.ids)"), (part.turns, "\(folder)/\(name.turns)")]
            })
        }
        guard let ids = ids.take(), let turns = turns.take() else { return }
        try ids.commit()
        try turns.commit()
    }
}
