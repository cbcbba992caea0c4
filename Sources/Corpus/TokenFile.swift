import Files
import Kernels
package import Tokenize

/// A file of tokens, and who says them. It is checked whole when it is opened; memory is taken only for what is read.
///
///     let train = try TokenFile(.train, in: "data")
///     var ids: [TokenID] = [], roles: [TokenRole] = []
///     train.read(0..<256, into: &ids, roles: &roles)
///     train.turns.first                                        // where the first conversation begins
package struct TokenFile: Sendable {
    package let path: String
    /// The number of tokens.
    package let count: Int
    package let turns: Turns
    private let file: MappedFile
    private let width: Int

    /// The file of a part in a folder that `CorpusEncoder` wrote.
    package init(_ part: DatasetSplit, in folder: String, _ meta: TokenMeta) throws(CorpusError) {
        let counts = meta.counts(of: part)
        try self.init(
            "\(folder)/\(part.rawValue).bin", turns: "\(folder)/\(part.rawValue).turns.bin", width: meta.width,
            vocabularySize: meta.vocabularySize)
        guard count == counts.tokens else { throw .damaged(path: path, reason: "\(count) tokens, and meta.json says \(counts.tokens)") }
        guard turns.count == counts.turns else {
            throw .damaged(path: turns.path, reason: "\(turns.count) turns, and meta.json says \(counts.turns)")
        }
    }

    package init(_ part: DatasetSplit, in folder: String) throws(CorpusError) {
        try self.init(part, in: folder, try TokenMeta(reading: folder + "/meta.json"))
    }

    /// Any file of ids, such as nanoGPT's, in which all is said by the assistant unless `turns` says otherwise.
    package init(_ path: String, turns: String? = nil, width: Int = 2, vocabularySize: Int) throws(CorpusError) {
        file = try files { () throws(FileError) in try MappedFile(path) }
        self.path = path
        self.width = width
        count = file.count / width
        guard file.count % width == 0 else {
            throw .damaged(path: path, reason: "\(file.count) bytes are no whole number of \(8 * width)-bit ids; the file was cut short")
        }
        self.turns = try Turns(turns, tokens: file.count / width)
        let wrong = width == 2 ? file.read(as: UInt16.self) { ids in Self.first(in: ids, notBelow: vocabularySize) }
            : file.read(as: UInt32.self) { ids in Self.first(in: ids, notBelow: vocabularySize) }
        if let (place, id) = wrong {
            throw .damaged(path: path, reason: "id \(id) at token \(place), in a vocabulary of \(vocabularySize)")
        }
    }

    /// The ids of a range, in place of what is in `ids`.
    package func read(_ range: Range<Int>, into ids: inout [TokenID]) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "tokens \(range) of \(count)")
        ids.removeAll(keepingCapacity: true)
        if width == 2 {
            file.read(as: UInt16.self) { all in for i in range { ids.append(TokenID(all[i])) } }
        } else {
            file.read(as: UInt32.self) { all in for i in range { ids.append(TokenID(truncatingIfNeeded: all[i])) } }
        }
    }

    /// The same with who says each.
    package func read(_ range: Range<Int>, into ids: inout [TokenID], roles: inout [TokenRole]) {
        read(range, into: &ids)
        roles.removeAll(keepingCapacity: true)
        var turn = turns.index(ofTurnAt: range.lowerBound)
        var side = turn.map { turns[$0].role } ?? (turns.isEmpty ? .assistant : .preamble)
        for position in range {
            let next = turn.map { $0 + 1 } ?? 0
            if next < turns.count, turns[next].start == position {
                turn = next
                side = turns[next].role
            }
            roles.append(side)
        }
    }

    private static func first<ID: FixedWidthInteger & BitwiseCopyable>(in ids: Span<ID>, notBelow size: Int) -> (place: Int, id: Int)? {
        guard let limit = ID(exactly: size) else { return nil }
        // The largest first, which is vector work; its place only if it is wrong.
        var largest: ID = 0
        for i in ids.indices { largest = max(largest, ids[i]) }
        return largest < limit ? nil : ids.indices.first { ids[$0] >= limit }.map { ($0, Int(ids[$0])) }
    }
}

extension TokenFile {
    /// Who speaks from which token on, in the order of the tokens.
    package struct Turns: Sendable, RandomAccessCollection {
        package let path: String
        private let file: MappedFile?
        package let startIndex = 0
        package let endIndex: Int

        fileprivate init(_ path: String?, tokens: Int) throws(CorpusError) {
            self.path = path ?? ""
            guard let path else { (file, endIndex) = (nil, 0); return }
            let file = try files { () throws(FileError) in try MappedFile(path) }
            guard file.count % 8 == 0 else {
                throw .damaged(path: path, reason: "\(file.count) bytes are no whole number of turns; the file was cut short")
            }
            self.file = file
            endIndex = file.count / 8
            let wrong = file.read(as: UInt64.self) { words -> Int? in
                var least: UInt64 = 0
                for i in words.indices {
                    let place = words[i] >> 2
                    if place < least || place >= UInt64(tokens) { return i }
                    least = place + 1
                }
                return nil
            }
            if let wrong {
                throw .damaged(path: path, reason: "turn \(wrong) is not behind the one before it, or behind the last of \(tokens) tokens")
            }
        }

        package subscript(i: Int) -> ChatTokens.Turn {
            precondition(indices.contains(i), "turn \(i) of \(count)")
            let word = file?.read(as: UInt64.self) { $0[i] } ?? 0
            return .init(Int(word >> 2), TokenRole(rawValue: UInt8(word & 3)) ?? .preamble)
        }

        /// The turn that a token belongs to: the last that begins there or before.
        package func index(ofTurnAt position: Int) -> Int? {
            let behind = prefixCount { $0.start <= position }
            return behind == 0 ? nil : behind - 1
        }
    }
}
