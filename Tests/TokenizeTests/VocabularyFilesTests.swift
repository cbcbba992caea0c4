import Files
import Glibc
import Testing
import Tokenize

@Suite struct VocabularyFilesTests {
    @Test func `a file is written in the format of its name and read by its content`() throws {
        try withFolder { folder in
            let vocabulary = try VocabularyFixtures.trained(specialTokens: ["<|eos|>"])
            var withoutMerges = vocabulary                      // of whole words, as in tiktoken
            withoutMerges.ignoresMerges = true
            for (path, written, expected) in [
                ("/t.json", "/t.json", vocabulary), ("/t.tiktoken", "/t.tiktoken", withoutMerges), ("/a/b/", "/a/b", vocabulary),
                ("/a/b/", "/a/b/vocab.json", vocabulary), ("/a/b/", "/a/b/merges.txt", vocabulary),
            ] {
                try vocabulary.write(to: folder + path)
                #expect(try Vocabulary(reading: folder + written, specialTokens: vocabulary.specialTokens) == expected, "\(path)")
            }
            #expect(rename(folder + "/t.tiktoken", folder + "/ranks") == 0)
            #expect(try Vocabulary(reading: folder + "/ranks", pattern: .gpt4, specialTokens: vocabulary.specialTokens).pattern == .gpt4)
            #expect(rename(folder + "/a/b/vocab.json", folder + "/a/b/words") == 0)
            #expect(try Vocabulary(reading: folder + "/a/b/words") == vocabulary)
            #expect(rename(folder + "/t.json", folder + "/a/tokenizer.json") == 0)
            #expect(try Vocabulary(reading: folder + "/a/") == vocabulary)
        }
    }

    @Test func `a missing file and an unknown format are reported`() throws {
        try withFolder { folder in
            #expect(
                message { _ = try Vocabulary(reading: folder) }
                    == "\(folder): cannot be read: it has no tokenizer.json, no vocab.json with merges.txt, "
                    + "no encoder.json with vocab.bpe and no tokenizer.model."
            )
            #expect(
                message { _ = try Vocabulary(reading: folder + "/none.json") }
                    == "\(folder)/none.json: cannot be read: No such file or directory.")
            #expect(
                message { try VocabularyFixtures.trained().write(to: folder + "/t.txt") }
                    == "\(folder)/t.txt: the file name does not determine a tokenizer format. "
                    + "End it in .json, in .tiktoken, or in / for a vocab.json and a merges.txt.")
            var file = try AtomicFile(folder + "/empty")
            try file.write([10])
            try file.commit()
            #expect(
                message { _ = try Vocabulary(reading: folder + "/empty") } == "\(folder)/empty: expected a tokenizer, found an empty file."
            )
        }
    }

    private func message(_ body: () throws -> Void) -> String? { #expect(throws: TokenizeError.self, performing: body)?.description }

    private func withFolder(_ body: (String) throws -> Void) throws {
        var name = Array("/tmp/slm-vocabulary-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&name).map { String(cString: $0) })
        defer {
            for path in [
                "/a/b/vocab.json", "/a/b/words", "/a/b/merges.txt", "/a/tokenizer.json", "/t.json", "/t.tiktoken", "/ranks", "/empty",
                "/a/b", "/a", "",
            ] {
                remove(folder + path)
            }
        }
        try body(folder)
    }
}
