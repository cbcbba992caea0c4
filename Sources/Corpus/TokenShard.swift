import Files
import Hashing

/// One of the files of a split, as `meta.json` lists it.
package struct TokenShard: Sendable, Equatable {
    package var tokens = 0
    package var turns = 0
    /// Identifies the beginning and the end of its ids and of its turns; nil for a split in one file.
    package var hash: String?

    /// The hash of two files. It reads at most a few pages of them.
    static func hash(ids: MappedFile, turns: MappedFile) -> String {
        let digest = Digest(), edge = 1 << 15
        for file in [ids, turns] {
            file.read(as: UInt8.self) { bytes in
                digest.add(bytes.extracting(0..<min(edge, bytes.count)))
                digest.add(bytes.extracting(max(0, bytes.count - edge)..<bytes.count))
            }
        }
        return digest.text
    }
}

extension TokenMeta {
    /// The names of the files of a split, as one path of the shell: `train.bin`, or `train-*-of-00016.bin`.
    package func fileName(of split: DatasetSplit) -> String {
        let count = shards(of: split).count
        return count == 1 ? "\(split.rawValue).bin" : TokenFileName.pattern(split, count: count)
    }
}

/// The names of the files of a split: `train.bin`, or `train-00001-of-00016.bin` for one of several shards.
struct TokenFileName: Equatable {
    let split: DatasetSplit
    /// From 1.
    let number: Int
    /// The number of shards of the split.
    let count: Int

    var ids: String { stem + ".bin" }
    var turns: String { stem + ".turns.bin" }

    private var stem: String {
        count == 1 ? split.rawValue : "\(split.rawValue)-\(Self.digits(number))-of-\(Self.digits(count))"
    }

    init(_ split: DatasetSplit, _ number: Int, of count: Int) {
        self.split = split
        self.number = number
        self.count = count
    }

    /// The file or shard that a name belongs to, as that of its ids or of its turns; nil for other names.
    init?(_ name: String) {
        guard let split = DatasetSplit.allCases.first(where: { name.hasPrefix($0.rawValue) }), name.hasSuffix(".bin") else { return nil }
        let stem = name.hasSuffix(".turns.bin") ? name.dropLast(10) : name.dropLast(4)
        let rest = stem.dropFirst(split.rawValue.count)
        if rest.isEmpty {
            self.init(split, 1, of: 1)
            return
        }
        let parts = rest.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0].isEmpty, parts[2] == "of" else { return nil }
        guard let number = Int(parts[1]), let count = Int(parts[3]) else { return nil }
        self.init(split, number, of: count)
        guard count > 1, number > 0, stem == self.stem else { return nil }
    }

    /// All files of a split.
    static func all(_ split: DatasetSplit, count: Int) -> [TokenFileName] { (1...count).map { TokenFileName(split, $0, of: count) } }

    /// What the names of all shards of a split have in common, as a pattern of the shell.
    static func pattern(_ split: DatasetSplit, count: Int) -> String { "\(split.rawValue)-*-of-\(digits(count)).bin" }

    /// The name of a shard while it is written, when the number of shards is not known.
    static func unfinished(_ split: DatasetSplit, _ number: Int) -> (ids: String, turns: String) {
        ("\(split.rawValue)-\(digits(number)).bin", "\(split.rawValue)-\(digits(number)).turns.bin")
    }

    private static func digits(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 5 - text.utf8.count)) + text
    }
}

extension TokenFileName {
    /// Throws unless the shards of a split in a folder are those of `count` files. A single missing file is reported when it is opened.
    static func check(_ split: DatasetSplit, count: Int, in folder: String) throws(CorpusError) {
        let expected = count == 1 ? [] : all(split, count: count).flatMap { [$0.ids, $0.turns] }
        let found = (Folder.names(in: folder) ?? []).filter { name in
            TokenFileName(name).map { $0.split == split && $0.count > 1 } ?? false
        }
        let missing = Set(expected).subtracting(found)
        if !missing.isEmpty { throw .missingShards(folder: folder, names: missing.sorted(), expected: count) }
        let surplus = Set(found).subtracting(expected)
        if !surplus.isEmpty { throw .surplusShards(folder: folder, names: surplus.sorted(), expected: count) }
    }

    /// Deletes the files of both splits that are not among `kept`: those of an older corpus with another number of shards.
    static func removeOthers(than kept: [TokenFileName], in folder: String) throws(FileError) {
        let kept = Set(kept.flatMap { [$0.ids, $0.turns] })
        let others = (Folder.names(in: folder) ?? []).filter { TokenFileName($0) != nil && !kept.contains($0) }
        try Folder.remove(others, in: folder)
    }

    /// Deletes shards that a killed program has not finished. Call it while no other program can write to the folder.
    static func removeUnfinished(in folder: String) throws(FileError) {
        let parts = (Folder.names(in: folder) ?? []).filter { name in
            name.hasSuffix(".bin.part") && DatasetSplit.allCases.contains { name.hasPrefix("\($0.rawValue)-") }
        }
        try Folder.remove(parts, in: folder)
    }
}
