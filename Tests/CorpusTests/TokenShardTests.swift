import Corpus
import Files
import Kernels
import TestSupport
import Testing
import Tokenize

@Suite struct TokenShardTests {
    let folder = TemporaryFolder()

    /// Conversations of different lengths and a plain text, which share a set.
    private func corpus() -> [String] {
        let chats = (0..<40).map { "[INST] question \($0) [/INST] " + String(repeating: "answer ", count: $0 % 5) + "x\n" }.joined()
        return [
            folder.write(chats, to: "a.txt"), folder.write((0..<60).map { "line \($0)\n" }.joined(), to: "b.txt"),
        ]
    }

    @discardableResult
    private func encode(_ paths: [String], to name: String, shardSize: Int? = nil, share: Double = 0.2) throws -> CorpusReport {
        var encoder = CorpusEncoder(try byteTokenizer(), file: "tokenizer.json", template: .specialTokens)
        encoder.validationShare = share
        encoder.shardSize = shardSize
        encoder.blockSize = 100
        return try encoder.write(paths, to: folder(name), on: WorkerPool(threads: 2))
    }

    private func error(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch { return "\(error)".replacing(folder.path, with: "FOLDER") }
    }

    private func errorOnOpening(_ name: String) -> String { error { _ = try TokenFile(.train, in: folder(name)) } }

    @Test(arguments: [1, 30, 200, 100_000]) func `shards read as the one file that has the same tokens`(shardSize: Int) throws {
        let paths = corpus()
        #expect(try encode(paths, to: "one") == encode(paths, to: "shards", shardSize: shardSize))
        let meta = try TokenMeta(reading: folder("shards/meta.json"))
        for split in DatasetSplit.allCases {
            let one = try TokenFile(split, in: folder("one")), shards = try TokenFile(split, in: folder("shards"))
            #expect(Array(shards.turns) == Array(one.turns) && one.count > 150)
            var ids: [TokenID] = [], roles: [TokenRole] = [], expectedIDs: [TokenID] = [], expectedRoles: [TokenRole] = []
            for start in stride(from: 0, to: one.count, by: 7) {
                for length in [0, 1, 5, 64, one.count] {
                    let range = start..<min(start + length, one.count)
                    try one.read(range, into: &expectedIDs, roles: &expectedRoles)
                    try shards.read(range, into: &ids, roles: &roles)
                    #expect(ids == expectedIDs && roles == expectedRoles, "\(split) \(range)")
                }
            }
            // Each shard can be read on its own, as by other programs, and together they are the whole.
            let names = folder.names(in: "shards").filter { $0.hasPrefix(split.rawValue) && !$0.hasSuffix(".turns.bin") }
            #expect(names.count == meta.shards(of: split).count)
            if shardSize == 100_000 { #expect(names == ["\(split.rawValue).bin"]) }
            if shardSize == 30 { #expect(names.count > 3 && names[0].hasPrefix("\(split.rawValue)-00001-of-000")) }
            var whole: [TokenID] = []
            for (name, listed) in zip(names, meta.shards(of: split)) {
                let shard = try #require(try TokenFile(named: name, in: folder("shards"), meta))
                try shard.read(0..<shard.count, into: &ids)
                whole += ids
                #expect(shard.count == listed.tokens && shard.turns.count == listed.turns)
                // A conversation is in one shard.
                if shard.count > shardSize, shard.turns.contains(where: { $0.role == .preamble }) {
                    #expect(shard.turns.filter { $0.role == .preamble }.count == 1)
                }
            }
            try one.read(0..<one.count, into: &ids)
            #expect(whole == ids)
        }
    }

    @Test func `a missing, surplus, truncated or foreign shard is an error that names it`() throws {
        let paths = corpus()
        try encode(paths, to: "shards", shardSize: 400)
        let count = try TokenMeta(reading: folder("shards/meta.json")).shards(of: .train).count
        try #require((3...9).contains(count))
        let name = { (number: Int) in "train-0000\(number)-of-0000\(count)" }
        let ids = try InputFile.contents(of: folder("shards/\(name(2)).bin"))
        try Folder.remove(["\(name(2)).bin"], in: folder("shards"))
        #expect(errorOnOpening("shards") == """
            FOLDER/shards/meta.json lists \(count) shards, and \(name(2)).bin is missing. Copy what is missing from where the corpus was \
            encoded, or encode it again: slm tokenize corpus
            """)
        folder.write(ids, to: "shards/\(name(2)).bin")
        #expect(errorOnOpening("shards") == "no error")

        folder.write(ids, to: "shards/train-00001-of-00099.bin")
        #expect(errorOnOpening("shards") == """
            FOLDER/shards/meta.json lists \(count) shards, and train-00001-of-00099.bin is not among them. Delete what belongs to another \
            corpus, or encode the corpus again: slm tokenize corpus
            """)
        try Folder.remove(["train-00001-of-00099.bin"], in: folder("shards"))

        folder.write(Array(ids.dropLast(2)), to: "shards/\(name(2)).bin")
        #expect(errorOnOpening("shards") == """
            FOLDER/shards/\(name(2)).bin is damaged: expected \(ids.count / 2) tokens as in meta.json, found \(ids.count / 2 - 1). \
            Encode the corpus again: slm tokenize corpus
            """)
        folder.write(Array(ids.dropLast(1)), to: "shards/\(name(2)).bin")
        #expect(errorOnOpening("shards").contains("bytes are not a multiple of 16 bits; the file is truncated"))

        // As long as it should be, with valid ids.
        folder.write(ids.reversed().map { $0 == 0 ? 0 : 5 }.reversed(), to: "shards/\(name(2)).bin")
        let foreign = errorOnOpening("shards")
        #expect(foreign.hasPrefix("FOLDER/shards/\(name(2)).bin belongs to another corpus or has another number: meta.json expects the "))
        folder.write(ids, to: "shards/\(name(2)).bin")
        let turns = try InputFile.contents(of: folder("shards/\(name(3)).turns.bin"))
        folder.write(Array(turns.dropLast(8)), to: "shards/\(name(3)).turns.bin")
        #expect(
            errorOnOpening("shards").contains("\(name(3)).turns.bin is damaged: expected \(turns.count / 8) turns as in meta.json, found"))
        folder.write(turns, to: "shards/\(name(3)).turns.bin")
        #expect(errorOnOpening("shards") == "no error")
    }

    @Test func `the metadata must list shards that make up the split`() throws {
        try encode(corpus(), to: "shards", shardSize: 400)
        let text = String(decoding: try InputFile.contents(of: folder("shards/meta.json")), as: UTF8.self)
        let tokens = try TokenMeta(reading: folder("shards/meta.json")).shards(of: .train)[1].tokens
        for (old, new) in [("\"tokens\": \(tokens),", "\"tokens\": \(tokens + 1),"), ("\"tokens\": \(tokens),", "\"tokens\": -1,")] {
            let path = folder.write(text.replacing(old, with: new), to: "shards/meta.json")
            let error = #expect(throws: CorpusError.self) { try TokenMeta(reading: path) }
            #expect(error?.description.contains("\"shards\": expected ") ?? false, "\(error?.description ?? "none")")
        }
    }

    @Test func `files of an older corpus with another number of shards are removed, also those of a killed program`() throws {
        let paths = corpus(), others = ["meta.json", "notes.bin"]
        try encode(paths, to: "out", shardSize: 300)
        folder.write("my own", to: "out/notes.bin")
        folder.write("a part", to: "out/train-00017.bin.part")
        try encode(paths, to: "out", shardSize: 700)
        let meta = try TokenMeta(reading: folder("out/meta.json"))
        let files = DatasetSplit.allCases.reduce(0) { $0 + 2 * meta.shards(of: $1).count }
        #expect(folder.names(in: "out").count == files + others.count)
        #expect(try TokenFile(.train, in: folder("out")).count == meta.counts(of: .train).tokens)
        try encode(paths, to: "out")
        #expect(
            folder.names(in: "out") == ["meta.json", "notes.bin", "train.bin", "train.turns.bin", "val.bin", "val.turns.bin"])
    }

    @Test func `after an error no shard is left, and the older files are unchanged`() throws {
        let paths = corpus()
        try encode(paths, to: "out", shardSize: 300)
        let names = folder.names(in: "out"), ids = try InputFile.contents(of: folder("out/\(names[1])"))
        let bad = folder.write("[INST] fine\nno marker\n", to: "c.txt")
        #expect(throws: CorpusError.self) { try encode([paths[0], bad], to: "out", shardSize: 50) }
        #expect(folder.names(in: "out") == names)
        #expect(try InputFile.contents(of: folder("out/\(names[1])")) == ids)
        #expect(try TokenFile(.train, in: folder("out")).count > 0)
    }

    @Test func `two programs cannot write to one folder`() throws {
        let paths = corpus()
        try Folder.create(folder("out"))
        let other = try AtomicFile(folder("out/meta.json"))
        #expect(error { try encode(paths, to: "out", shardSize: 300) }
            == "FOLDER/out/meta.json: cannot be written: another program is writing it (FOLDER/out/meta.json.part).")
        _ = consume other
    }

    @Test func `ids of files that are not read when they are opened are checked when they are read`() throws {
        let path = folder.write([1, 0, 2, 0, 3, 0, 9, 0, 1, 0] as [UInt8], to: "train.bin")
        let checked = error { _ = try TokenFile(path, vocabularySize: 9) }
        #expect(
            checked == "FOLDER/train.bin is damaged: expected IDs below 9, found 9 at token 3. "
                + "Encode the corpus again: slm tokenize corpus")
        let file = try TokenFile(path, vocabularySize: 9, checkedBytes: 9)
        var ids: [TokenID] = []
        try file.read(0..<3, into: &ids)
        #expect(ids == [1, 2, 3] && file.residentBytes == 0)
        try file.read(4..<5, into: &ids)
        #expect(ids == [1])
        #expect(error { try file.read(2..<5, into: &ids) } == checked)

        let wide = folder.write([1, 0, 0, 0, 0, 0, 0, 128] as [UInt8], to: "wide.bin")
        let large = try TokenFile(wide, width: 4, vocabularySize: 70_000, checkedBytes: 0)
        #expect(error { try large.read(0..<2, into: &ids) }.contains("expected IDs below 70000, found 2147483648 at token 1"))
    }
}
