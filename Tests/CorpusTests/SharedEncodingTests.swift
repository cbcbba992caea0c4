import Corpus
import Files
import Kernels
import TestSupport
import Testing
import Threads
import Tokenize

/// Several processes that encode one corpus, which are threads here. `RankCommandTests` runs processes.
@Suite struct SharedEncodingTests {
    let folder = TemporaryFolder()

    private static func encoder(_ blockSize: Int = 300) throws -> CorpusEncoder {
        var encoder = CorpusEncoder(try byteTokenizer(), file: "tokenizer.json", template: .specialTokens)
        encoder.blockSize = blockSize
        encoder.skipsBad = true
        return encoder
    }

    private func corpus() -> [String] {
        var chats = ""
        for i in 0..<400 {
            chats += i % 50 == 49 ? "no marker \(i)\n" : "[INST] q\(i) [/INST] " + String(repeating: "é ", count: i % 9 + 1) + "\n"
        }
        return [folder.write(chats, to: "a.txt"), folder.write((0..<300).map { "line \($0)\n" }.joined(), to: "b.txt")]
    }

    private func files(in name: String) throws -> [[UInt8]] {
        try ["train.bin", "train.turns.bin", "val.bin", "val.turns.bin", "meta.json"].map {
            try InputFile.contents(of: folder("\(name)/\($0)"))
        }
    }

    /// The files that `count` processes write.
    ///
    /// - Parameter part: What the processes after the first one do.
    private func encode(
        _ paths: [String], over count: Int, to name: String, part: @escaping @Sendable (SharedEncoding) throws -> Void
    ) throws -> CorpusReport {
        let pipes = folder("pipes \(name)")
        try Folder.create(pipes)
        try SharedEncoding.createPipes(in: pipes, count: count)
        let errors = Mailbox<String?>()
        for index in 1..<count {
            try BackgroundThread.run {
                do {
                    try part(SharedEncoding(index, of: count, in: pipes))
                    errors.put(nil)
                } catch { errors.put("\(error)") }
            }
        }
        let report = try Self.encoder().write(
            paths, to: folder(name), sharing: SharedEncoding(0, of: count, in: pipes), on: WorkerPool(threads: 2))
        for _ in 1..<count { #expect(errors.take() == nil) }
        return report
    }

    @Test(arguments: [2, 3, 5]) func `several processes write the bytes of one`(_ count: Int) throws {
        let paths = corpus()
        let expected = try Self.encoder().write(paths, to: folder("one"), on: WorkerPool(threads: 1))
        #expect(expected.malformed == 8)
        let report = try encode(paths, over: count, to: "several") { sharing in
            try Self.encoder().encodePart(of: paths, sharing: sharing, on: WorkerPool(threads: 1))
        }
        #expect(report == expected)
        #expect(try files(in: "several") == files(in: "one"))
    }

    @Test func `process 0 does the work of one that ends early, or that reads other blocks`() throws {
        let paths = corpus()
        try Self.encoder().write(paths, to: folder("one"), on: WorkerPool(threads: 1))
        let ended = try encode(paths, over: 2, to: "ended") { _ in }
        #expect(ended.malformed == 8)
        #expect(try files(in: "ended") == files(in: "one"))
        _ = try encode(paths, over: 2, to: "other") { sharing in
            try Self.encoder(700).encodePart(of: paths, sharing: sharing, on: WorkerPool(threads: 1))
        }
        #expect(try files(in: "other") == files(in: "one"))
    }

    @Test func `a process stops when process 0 has an error`() throws {
        let paths = corpus()
        let missing = folder("no such file.txt")
        #expect(throws: CorpusError.self) {
            // The other process has valid files only.
            try encode(paths + [missing], over: 2, to: "failed") { sharing in
                try Self.encoder().encodePart(of: paths, sharing: sharing, on: WorkerPool(threads: 1))
            }
        }
    }
}
