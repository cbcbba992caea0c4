import Files
package import Hashing
package import Tokenize

/// The memory-mapped token IDs of a split, with the role of each token: one file, or several shards that are read as one sequence.
///
///     let train = try TokenFile(.train, in: "data")
///     var ids: [TokenID] = [], roles: [TokenRole] = []
///     try train.read(0..<256, into: &ids, roles: &roles)
///     train.turns.first                                        // the start of the first conversation
///
/// The IDs are checked when the file is opened. Files of more than `checkedBytes` are not read then: the IDs of a range are checked when it
/// is read, so a process that reads a part of the tokens reads no other pages of the disk.
package struct TokenFile: Sendable {
    package let path: String
    /// The number of tokens.
    package let count: Int
    package let turns: Turns
    private let shards: [Shard]
    /// Bytes per ID: 2 or 4.
    private let width: Int
    private let vocabularySize: Int
    /// Whether the IDs were checked when the file was opened.
    private let isChecked: Bool

    private struct Shard: Sendable {
        let file: MappedFile
        /// The positions of its tokens.
        let range: Range<Int>
    }

    /// The size in bytes up to which the IDs of a split are checked when it is opened.
    package static let checkedBytes = 1 << 28
    /// Ranges of as many bytes are read from the disk at once.
    private static let prefetchedBytes = 1 << 16

    /// Opens the files of a split in a folder that `CorpusEncoder` has written.
    package init(
        _ split: DatasetSplit, in folder: String, _ meta: TokenMeta, checkedBytes: Int = Self.checkedBytes
    ) throws(CorpusError) {
        let shards = meta.shards(of: split)
        try TokenFileName.check(split, count: shards.count, in: folder)
        let names = TokenFileName.all(split, count: shards.count)
        let paths = names.map { (ids: "\(folder)/\($0.ids)", turns: "\(folder)/\($0.turns)") }
        try self.init("\(folder)/\(meta.fileName(of: split))", paths, shards, meta, checkedBytes: checkedBytes)
    }

    package init(_ split: DatasetSplit, in folder: String, checkedBytes: Int = Self.checkedBytes) throws(CorpusError) {
        try self.init(split, in: folder, try TokenMeta(reading: folder + "/meta.json"), checkedBytes: checkedBytes)
    }

    /// Opens a file of a folder by its name: `val.bin` or `val-*-of-00016.bin` is a whole split, `val-00001-of-00016.bin` one of its
    /// shards. nil if the metadata does not list the file.
    package init?(named name: String, in folder: String, _ meta: TokenMeta) throws(CorpusError) {
        if let split = DatasetSplit.allCases.first(where: { name == "\($0.rawValue).bin" || name == meta.fileName(of: $0) }) {
            try self.init(split, in: folder, meta)
            return
        }
        guard let file = TokenFileName(name), name == file.ids, file.count == meta.shards(of: file.split).count else { return nil }
        let path = (ids: "\(folder)/\(file.ids)", turns: "\(folder)/\(file.turns)")
        try self.init(path.ids, [path], [meta.shards(of: file.split)[file.number - 1]], meta, checkedBytes: Self.checkedBytes)
    }

    /// Opens any file of token IDs, such as nanoGPT's. Without `turns`, all tokens are the assistant's.
    package init(
        _ path: String, turns: String? = nil, width: Int = 2, vocabularySize: Int, checkedBytes: Int = Self.checkedBytes
    ) throws(CorpusError) {
        let shard = try Self.open(path, from: 0, width: width)
        try self.init(
            path, [shard], try Turns([(turns, shard.range)]), width: width, vocabularySize: vocabularySize, checkedBytes: checkedBytes)
    }

    private init(
        _ path: String, _ paths: [(ids: String, turns: String)], _ expected: [TokenShard], _ meta: TokenMeta, checkedBytes: Int
    ) throws(CorpusError) {
        var shards: [Shard] = [], end = 0
        for (path, expected) in zip(paths, expected) {
            let shard = try Self.open(path.ids, from: end, width: meta.width)
            guard shard.range.count == expected.tokens else {
                throw .damaged(path: path.ids, reason: "expected \(expected.tokens) tokens as in meta.json, found \(shard.range.count)")
            }
            shards.append(shard)
            end = shard.range.upperBound
        }
        // Before the beginning and the end of each shard are read: the system would read megabytes around them.
        if end * meta.width > checkedBytes { for shard in shards { shard.file.expectRandomAccess() } }
        let turns = try Turns(zip(paths, shards).map { ($0.turns, $1.range) })
        for (i, (path, expected)) in zip(paths, expected).enumerated() {
            let found = turns.count(inPart: i)
            guard found == expected.turns else {
                throw .damaged(path: path.turns, reason: "expected \(expected.turns) turns as in meta.json, found \(found)")
            }
            guard let hash = expected.hash, let turnFile = turns.file(ofPart: i) else { continue }
            let foundHash = TokenShard.hash(ids: shards[i].file, turns: turnFile)
            if foundHash != hash { throw .foreignShard(path: path.ids, expected: hash, found: foundHash) }
        }
        try self.init(path, shards, turns, width: meta.width, vocabularySize: meta.vocabularySize, checkedBytes: checkedBytes)
    }

    private init(
        _ path: String, _ shards: [Shard], _ turns: Turns, width: Int, vocabularySize: Int, checkedBytes: Int
    ) throws(CorpusError) {
        self.path = path
        self.shards = shards
        self.turns = turns
        self.width = width
        self.vocabularySize = vocabularySize
        count = shards.last?.range.upperBound ?? 0
        isChecked = count * width <= checkedBytes
        for shard in shards {
            if isChecked { try check(shard) } else { shard.file.expectRandomAccess() }
        }
    }

    private static func open(_ path: String, from start: Int, width: Int) throws(CorpusError) -> Shard {
        let file = try mapFileError { () throws(FileError) in try MappedFile(path) }
        guard file.count % width == 0 else {
            throw .damaged(path: path, reason: "\(file.count) bytes are not a multiple of \(8 * width) bits; the file is truncated")
        }
        return Shard(file: file, range: start..<start + file.count / width)
    }

    /// Replaces `ids` with the IDs of a range.
    package func read(_ range: Range<Int>, into ids: inout [TokenID]) throws(CorpusError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "tokens \(range) of \(count)")
        ids.removeAll(keepingCapacity: true)
        var i = shards.count == 1 ? 0 : shards.prefixCount { $0.range.upperBound <= range.lowerBound }
        while i < shards.count, shards[i].range.lowerBound < range.upperBound {
            let (file, start) = (shards[i].file, shards[i].range.lowerBound)
            let part = range.clamped(to: shards[i].range)
            let local = part.lowerBound - start..<part.upperBound - start
            if !isChecked, local.count * width >= Self.prefetchedBytes {
                file.prefetch(local.lowerBound * width..<local.upperBound * width)
            }
            if width == 2 {
                file.read(as: UInt16.self) { all in for i in local { ids.append(TokenID(all[i])) } }
            } else {
                file.read(as: UInt32.self) { all in for i in local { ids.append(TokenID(truncatingIfNeeded: all[i])) } }
            }
            if !isChecked { try check(ids.suffix(local.count), of: file, from: local.lowerBound) }
            i += 1
        }
    }

    /// The same with the role of each token.
    package func read(_ range: Range<Int>, into ids: inout [TokenID], roles: inout [TokenRole]) throws(CorpusError) {
        try read(range, into: &ids)
        roles.removeAll(keepingCapacity: true)
        var turn = turns.index(ofTurnAt: range.lowerBound)
        var role = turn.map { turns[$0].role } ?? (turns.isEmpty ? .assistant : .preamble)
        for position in range {
            let next = turn.map { $0 + 1 } ?? 0
            if next < turns.count, turns[next].start == position {
                turn = next
                role = turns[next].role
            }
            roles.append(role)
        }
    }
}

// MARK: Checks

extension TokenFile {
    private func check(_ shard: Shard) throws(CorpusError) {
        let invalid = width == 2
            ? shard.file.read(as: UInt16.self) { ids in Self.first(in: ids, notBelow: vocabularySize) }
            : shard.file.read(as: UInt32.self) { ids in Self.first(in: ids, notBelow: vocabularySize) }
        if let (index, id) = invalid { throw invalidID(id, at: index, of: shard.file) }
    }

    private func check(_ ids: ArraySlice<TokenID>, of file: MappedFile, from start: Int) throws(CorpusError) {
        for i in ids.indices where UInt32(bitPattern: ids[i]) >= vocabularySize {
            throw invalidID(Int(UInt32(bitPattern: ids[i])), at: start + i - ids.startIndex, of: file)
        }
    }

    private func invalidID(_ id: Int, at index: Int, of file: MappedFile) -> CorpusError {
        .damaged(path: file.path, reason: "expected IDs below \(vocabularySize), found \(id) at token \(index)")
    }

    private static func first<ID: FixedWidthInteger & BitwiseCopyable>(
        in ids: Span<ID>, notBelow size: Int
    ) -> (index: Int, id: Int)? {
        guard let limit = ID(exactly: size) else { return nil }
        // The maximum is vectorized; the position is searched only if it is invalid.
        var largest: ID = 0
        for i in ids.indices { largest = max(largest, ids[i]) }
        return largest < limit ? nil : ids.indices.first { ids[$0] >= limit }.map { ($0, Int(ids[$0])) }
    }
}

// MARK: Size and identity

extension TokenFile {
    /// The memory that the IDs take once they have been read; 0 for files that are larger than `checkedBytes`, of which the system keeps
    /// the pages that there is room for.
    package var residentBytes: Int { isChecked ? count * width : 0 }

    /// Adds all IDs to a digest. Of files that are not read when they are opened, it adds blocks at equal distances.
    package func addIDs(to digest: borrowing Digest) throws(CorpusError) {
        let block = 1 << 16, blocks = (count + block - 1) / block
        let all = isChecked ? blocks : min(blocks, 256)
        var ids: [TokenID] = []
        for i in 0..<all {
            let start = isChecked ? i * block : i * (count - block) / max(1, all - 1)
            try read(max(0, start)..<min(start + block, count), into: &ids)
            digest.add(ids)
        }
        if !isChecked { digest.add([Int32(truncatingIfNeeded: count), Int32(truncatingIfNeeded: count >> 32)]) }
    }
}
