import Corpus
import Files
import Glibc
import Testing
import TestSupport
import Tokenize
import Kernels

@Suite struct DatasetCacheTests {
    private let folder = TemporaryFolder()
    private var cache: DatasetCache { DatasetCache(in: folder("cache")) }

    /// The cached folder, and whether it was made by this call.
    private func folder(for paths: [String], recipe: String = "one") throws -> (path: String, isNew: Bool) {
        var isNew = false
        let path = try cache.folder(for: paths, recipe: recipe) { part in
            isNew = true
            var file = try AtomicFile(part + "/made")
            try file.write(Array(recipe.utf8))
            try file.commit()
        }
        #expect(Folder.contains("made", in: path))
        return (path, isNew)
    }

    @Test func `a folder is reused until a file or the recipe changes`() throws {
        let a = folder.write("a", to: "a.txt"), b = folder.write("b", to: "b.txt")
        let first = try folder(for: [a, b])
        #expect(first.isNew)
        let again = try folder(for: [a, b])
        #expect(!again.isNew && again.path == first.path)
        for (paths, recipe) in [([a], "one"), ([b, a], "one"), ([a, b], "other"), ([folder.path], "one")] {
            #expect(try folder(for: paths, recipe: recipe).isNew, "\(paths) \(recipe)")
        }
        folder.write("longer", to: "b.txt")
        #expect(try folder(for: [a, b]).isNew)
        #expect(try !folder(for: [a]).isNew)
    }

    @Test func `an incomplete folder is never reused`() throws {
        struct Stopped: Error {}
        let a = folder.write("a", to: "a.txt")
        #expect(throws: Stopped.self) {
            try cache.folder(for: [a], recipe: "one") { part in
                try AtomicFile(part + "/made").commit()
                throw Stopped()
            }
        }
        #expect(TemporaryFolder.names(in: folder("cache")).isEmpty)
        let path = try folder(for: [a]).path
        // Neither the folder of a hash collision nor the part of a killed program is used.
        let key = path + "/made-from.txt"
        var file = try AtomicFile(key)
        try file.write(Array("another\n".utf8))
        try file.commit()
        #expect(try folder(for: [a]).isNew)
        try Folder.create(path + ".part.999999999")
        folder.write("ab", to: "a.txt")
        #expect(try folder(for: [a]).isNew)
    }

    @Test func `parts of killed programs are deleted and those of running programs are kept`() throws {
        let target = folder("whole"), abandoned = target + ".part.999999999", running = target + ".part.1"
        for part in [abandoned, running] { try Folder.create(part + "/deep") }
        try Folder.createAtomically(target) { try Folder.create($0 + "/in") }
        #expect(folder.names == ["whole", "whole.part.1"] && TemporaryFolder.names(in: target) == ["in"])
    }

    @Test func `the least recently used folder of a full cache is evicted`() throws {
        let paths = ["a", "b", "c", "d"].map { folder.write($0, to: $0 + ".txt") }
        let made = try paths.prefix(3).map { try folder(for: [$0]).path }
        for (age, path) in [(9_000, made[0]), (8_000, made[1]), (7_000, made[2])] { Self.age(path, by: age) }
        #expect(try !folder(for: [paths[0]]).isNew)                         // used just now
        let one = CachedFolder.all(in: folder("cache"), marker: "made-from.txt").map(\.bytes).max() ?? 0
        let small = DatasetCache(in: folder("cache"), maxBytes: 3 * one)
        _ = try small.folder(for: [paths[3]], recipe: "one") { part in try AtomicFile(part + "/made").commit() }
        #expect(made.map { Folder.contains("made", in: $0) } == [true, false, true])
        // Folders used within the last hour are kept, however small the cache.
        _ = try DatasetCache(in: folder("cache"), maxBytes: 0).folder(for: [paths[1]], recipe: "one") { part in
            try AtomicFile(part + "/made").commit()
        }
        #expect(TemporaryFolder.names(in: folder("cache")).count == 3 && !Folder.contains("made", in: made[2]))
    }

    private static func age(_ path: String, by seconds: Int) {
        var times = [timespec(tv_sec: time(nil) - seconds, tv_nsec: 0), timespec(tv_sec: time(nil) - seconds, tv_nsec: 0)]
        utimensat(AT_FDCWD, path + "/made-from.txt", &times, 0)
    }

    @Test func `a missing file and a device are errors`() {
        #expect(throws: CorpusError.self) { try folder(for: [folder("nothing.txt")]) }
        #expect(throws: CorpusError.self) { try folder(for: ["/dev/null"]) }
    }
}

@Suite struct ExchangeTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    private func file(_ chats: String, template: ChatTemplate = .specialTokens) throws -> (TokenFile, Tokenizer) {
        let tokenizer = try Tokenizer(vocabulary)
        var encoder = CorpusEncoder(tokenizer, file: "tokenizer.json", template: template)
        encoder.validationShare = 0
        try encoder.write([folder.write(chats, to: "chats.txt")], to: folder.path, on: WorkerPool(threads: 1))
        return (try TokenFile(.train, in: folder.path), tokenizer)
    }

    private func texts(_ exchange: TokenFile.Exchange, _ tokens: TokenFile, _ tokenizer: Tokenizer) throws -> [String] {
        try [exchange.prompt, exchange.question, exchange.answer].map { range in
            var ids: [TokenID] = []
            try tokens.read(range, into: &ids)
            return tokenizer.text(of: ids)
        }
    }

    @Test func `the first prompt that is short enough is found with its answer`() throws {
        let (tokens, tokenizer) = try file(
            "[INST] a very long question [/INST] no [INST] b? [/INST] b!\n[INST] unanswered\n[INST] c? [/INST] c!\n")
        let found = try #require(tokens.firstExchange(of: 1...8))
        #expect(try texts(found, tokens, tokenizer) == ["<|user|>c?<|assistant|>", "c?<|assistant|>", "c!<|eos|>"])
        let long = try #require(tokens.firstExchange(of: 1...100))
        #expect(try texts(long, tokens, tokenizer)[0] == "<|user|>a very long question<|assistant|>")
        #expect(tokens.firstExchange(of: 1...3) == nil)
    }

    @Test func `human-assistant chats have exchanges and plain text has none`() throws {
        let (tokens, tokenizer) = try file("[INST] c? [/INST] c!\n", template: .humanAssistant)
        #expect(try texts(#require(tokens.firstExchange(of: 1...100)), tokens, tokenizer)[0] == "Human: c?\nAssistant:")
        #expect(try file("just a text\n").0.firstExchange(of: 1...100) == nil)
    }
}
