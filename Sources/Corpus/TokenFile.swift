import Files
package import Tokenize

/// A memory-mapped file of token IDs, with the role of each token. It is validated when it is opened.
///
///     let train = try TokenFile(.train, in: "data")
///     var ids: [TokenID] = [], roles: [TokenRole] = []
///     train.read(0..<256, into: &ids, roles: &roles)
///     train.turns.first                                        // the start of the first conversation
package struct TokenFile: Sendable {
    package let path: String
    /// The number of tokens.
    package let count: Int
    package let turns: Turns
    private let file: MappedFile
    /// Bytes per ID: 2 or 4.
    private let width: Int

    /// Opens the file of a split in a folder that `CorpusEncoder` has written.
    package init(_ split: DatasetSplit, in folder: String, _ meta: TokenMeta) throws(CorpusError) {
        let counts = meta.counts(of: split)
        try self.init(
            "\(folder)/\(split.rawValue).bin",
            turns: "\(folder)/\(split.rawValue).turns.bin",
            width: meta.width,
            vocabularySize: meta.vocabularySize
        )
        guard count == counts.tokens else {
            throw .damaged(path: path, reason: "expected \(counts.tokens) tokens as in meta.json, found \(count)")
        }
        guard turns.count == counts.turns else {
            throw .damaged(path: turns.path, reason: "expected \(counts.turns) turns as in meta.json, found \(turns.count)")
        }
    }

    package init(_ split: DatasetSplit, in folder: String) throws(CorpusError) {
        try self.init(split, in: folder, try TokenMeta(reading: folder + "/meta.json"))
    }

    /// Opens any file of token IDs, such as nanoGPT's. Without `turns`, all tokens are the assistant's.
    package init(_ path: String, turns: String? = nil, width: Int = 2, vocabularySize: Int) throws(CorpusError) {
        file = try mapFileError { () throws(FileError) in try MappedFile(path) }
        self.path = path
        self.width = width
        count = file.count / width
        guard file.count % width == 0 else {
            throw .damaged(path: path, reason: "\(file.count) bytes are not a multiple of \(8 * width) bits; the file is truncated")
        }
        self.turns = try Turns(turns, tokens: file.count / width)
        let invalid = width == 2
            ? file.read(as: UInt16.self) { ids in Self.first(in: ids, notBelow: vocabularySize) }
            : file.read(as: UInt32.self) { ids in Self.first(in: ids, notBelow: vocabularySize) }
        if let (index, id) = invalid {
            throw .damaged(path: path, reason: "expected IDs below \(vocabularySize), found \(id) at token \(index)")
        }
    }

    /// Replaces `ids` with the IDs of a range.
    package func read(_ range: Range<Int>, into ids: inout [TokenID]) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "tokens \(range) of \(count)")
        ids.removeAll(keepingCapacity: true)
        if width == 2 {
            file.read(as: UInt16.self) { all in for i in range { ids.append(TokenID(all[i])) } }
        } else {
            file.read(as: UInt32.self) { all in for i in range { ids.append(TokenID(truncatingIfNeeded: all[i])) } }
        }
    }

    /// The same with the role of each token.
    package func read(_ range: Range<Int>, into ids: inout [TokenID], roles: inout [TokenRole]) {
        read(range, into: &ids)
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

extension TokenFile {
    /// The turns of the file, in ascending order of their start.
    package struct Turns: Sendable, RandomAccessCollection {
        package let path: String
        private let file: MappedFile?
        package let startIndex = 0
        package let endIndex: Int

        fileprivate init(_ path: String?, tokens: Int) throws(CorpusError) {
            self.path = path ?? ""
            guard let path else {
                file = nil
                endIndex = 0
                return
            }
            let file = try mapFileError { () throws(FileError) in try MappedFile(path) }
            guard file.count % 8 == 0 else {
                throw .damaged(path: path, reason: "\(file.count) bytes are not a multiple of 64 bits; the file is truncated")
            }
            self.file = file
            endIndex = file.count / 8
            let invalid = file.read(as: UInt64.self) { words -> Int? in
                var least: UInt64 = 0
                for i in words.indices {
                    let start = words[i] >> 2
                    if start < least || start >= UInt64(tokens) { return i }
                    least = start + 1
                }
                return nil
            }
            if let invalid {
                throw .damaged(path: path, reason: "turn \(invalid) does not start after the turn before it and within \(tokens) tokens")
            }
        }

        package subscript(i: Int) -> ChatTokens.Turn {
            precondition(indices.contains(i), "turn \(i) of \(count)")
            let word = file?.read(as: UInt64.self) { $0[i] } ?? 0
            return .init(Int(word >> 2), TokenRole(rawValue: UInt8(word & 3)) ?? .preamble)
        }

        /// The turn that a token belongs to: the last one that starts at or before it.
        package func index(ofTurnAt position: Int) -> Int? {
            let count = prefixCount { $0.start <= position }
            return count == 0 ? nil : count - 1
        }
    }
}
