import Corpus
import Files
import Glibc
import Testing
import TestSupport
import Tokenize
import Kernels

@Suite struct TokenCacheTests {
    private let folder = TemporaryFolder()
    private var cache: DatasetCache { DatasetCache(in: folder("cache")) }

    /// The folder, and whether it had to be made.
    private func folder(of paths: [String], made manner: String = "so") throws -> (path: String, isNew: Bool) {
        var isNew = false
        let path = try cache.folder(of: paths, made: manner) { part in
            isNew = true
            var file = try AtomicFile(part + "/made")
            try file.write(Array(manner.utf8))
            try file.commit()
        }
        #expect(Folder.contains("made", in: path))
        return (path, isNew)
    }

    @Test func `what was made is found again until a file, or the manner, is another`() throws {
        let a = folder.write("a", to: "a.txt"), b = folder.write("b", to: "b.txt")
        let first = try folder(of: [a, b])
        #expect(first.isNew)
        let again = try folder(of: [a, b])
        #expect(!again.isNew && again.path == first.path)
        for (paths, manner) in [([a], "so"), ([b, a], "so"), ([a, b], "thus"), ([folder.path], "so")] {
            #expect(try folder(of: paths, made: manner).isNew, "\(paths) \(manner)")
        }
        folder.write("longer", to: "b.txt")
        #expect(try folder(of: [a, b]).isNew)
        #expect(try !folder(of: [a]).isNew)
    }

    @Test func `a folder that was not made whole is never found`() throws {
        struct Stopped: Error {}
        let a = folder.write("a", to: "a.txt")
        #expect(throws: Stopped.self) {
            try cache.folder(of: [a], made: "so") { part in
                try AtomicFile(part + "/made").commit()
                throw Stopped()
            }
        }
        #expect(TemporaryFolder.names(in: folder("cache")).isEmpty)
        let path = try folder(of: [a]).path
        // Of another name for the same hash, and of a killed program, nothing is taken.
        let key = path + "/made-from.txt"
        var file = try AtomicFile(key)
        try file.write(Array("another\n".utf8))
        try file.commit()
        #expect(try folder(of: [a]).isNew)
        try Folder.create(path + ".part.999999999")
        folder.write("ab", to: "a.txt")
        #expect(try folder(of: [a]).isNew)
    }

    @Test func `what a killed program left is taken away, and what another one is making is not`() throws {
        let target = folder("whole"), left = target + ".part.999999999", busy = target + ".part.1"
        for part in [left, busy] { try Folder.create(part + "/deep") }
        try Folder.createAtomically(target) { try Folder.create($0 + "/in") }
        #expect(folder.names == ["whole", "whole.part.1"] && TemporaryFolder.names(in: target) == ["in"])
    }

    @Test func `of more than is to be kept, what was not used for longest goes`() throws {
        let paths = ["a", "b", "c", "d"].map { folder.write($0, to: $0 + ".txt") }
        let made = try paths.prefix(3).map { try folder(of: [$0]).path }
        for (age, path) in [(9_000, made[0]), (8_000, made[1]), (7_000, made[2])] { Self.age(path, by: age) }
        #expect(try !folder(of: [paths[0]]).isNew)                         // used just now
        let one = CachedFolder.all(in: folder("cache"), markedBy: "made-from.txt").map(\.bytes).max() ?? 0
        let small = DatasetCache(in: folder("cache"), atMost: 3 * one)
        _ = try small.folder(of: [paths[3]], made: "so") { part in try AtomicFile(part + "/made").commit() }
        #expect(made.map { Folder.contains("made", in: $0) } == [true, false, true])
        // Used within the hour, all of it stays, however little is to be kept.
        _ = try DatasetCache(in: folder("cache"), atMost: 0).folder(of: [paths[1]], made: "so") { part in
            try AtomicFile(part + "/made").commit()
        }
        #expect(TemporaryFolder.names(in: folder("cache")).count == 3 && !Folder.contains("made", in: made[2]))
    }

    private static func age(_ path: String, by seconds: Int) {
        var times = [timespec(tv_sec: time(nil) - seconds, tv_nsec: 0), timespec(tv_sec: time(nil) - seconds, tv_nsec: 0)]
        utimensat(AT_FDCWD, path + "/made-from.txt", &times, 0)
    }

    @Test func `a file that is not there, or none, is said`() {
        #expect(throws: CorpusError.self) { try folder(of: [folder("nothing.txt")]) }
        #expect(throws: CorpusError.self) { try folder(of: ["/dev/null"]) }
    }
}

@Suite struct ExchangeTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    private func file(_ chats: String, form: ChatTemplate = .specialTokens) throws -> (TokenFile, Tokenizer) {
        let tokenizer = try Tokenizer(vocabulary)
        var encoding = CorpusEncoder(tokenizer, file: "tokenizer.json", template: form)
        encoding.validationShare = 0
        try encoding.write([folder.write(chats, to: "chats.txt")], to: folder.path, on: WorkerPool(threads: 1))
        return (try TokenFile(.train, in: folder.path), tokenizer)
    }

    private func texts(_ found: TokenFile.Exchange, _ tokens: TokenFile, _ tokenizer: Tokenizer) -> [String] {
        [found.prompt, found.question, found.answer].map { range in
            var ids: [TokenID] = []
            tokens.read(range, into: &ids)
            return tokenizer.text(of: ids)
        }
    }

    @Test func `the first question that is short enough is found with its answer`() throws {
        let (tokens, tokenizer) = try file(
            "[INST] a very long question [/INST] no [INST] b? [/INST] b!\n[INST] only asked\n[INST] c? [/INST] c!\n")
        let found = try #require(tokens.firstExchange(of: 1...8))
        #expect(texts(found, tokens, tokenizer) == ["<|user|>c?<|assistant|>", "c?<|assistant|>", "c!<|eos|>"])
        let long = try #require(tokens.firstExchange(of: 1...100))
        #expect(texts(long, tokens, tokenizer)[0] == "<|user|>a very long question<|assistant|>")
        #expect(tokens.firstExchange(of: 1...3) == nil)
        let starts = tokens.turns.filter { $0.role == .preamble }.map(\.start), conversations = starts.prefix(3).map { $0..<$0 + 1 }
        #expect(tokens.firstExchange(of: 1...100, in: Array(conversations.dropFirst())) == found)
        #expect(tokens.firstExchange(of: 1...100, in: [conversations[1]]) == nil)
    }

    @Test func `in the form of lines, too; in plain text there is none`() throws {
        let (tokens, tokenizer) = try file("[INST] c? [/INST] c!\n", form: .humanAssistant)
        #expect(texts(try #require(tokens.firstExchange(of: 1...100)), tokens, tokenizer)[0] == "Human: c?\nAssistant:")
        #expect(try file("just a text\n").0.firstExchange(of: 1...100) == nil)
    }
}
