import Foundation
import Testing
import TestSupport

/// The output of `slm tokenize`.
@Suite struct TokenizeCommandTests {
    private let folder = TemporaryFolder()

    private static let chats = (0..<60).map {
        "[INST] What comes after \($0)? [/INST] After \($0) comes \($0 + 1), don't you think? 日本 🎉\n"
    }.joined()

    /// The file of a tokenizer trained on the chats.
    private func tokenizer() throws -> String {
        folder.write(Self.chats, to: "chats.txt")
        let outcome = try slm("tokenize", "--data", folder("chats.txt"), "--vocab-size", "300", "--out", folder("new/tokenizer.json"))
        #expect(outcome.status == 0 && outcome.errors.hasPrefix("Build token files with it: slm tokenize corpus "), "\(outcome.errors)")
        #expect(
            outcome.output.contains("300 tokens, trained on") && outcome.output.contains("bytes per token")
                && outcome.output.contains("longest: "))
        return folder("new/tokenizer.json")
    }

    @Test func `a trained tokenizer encodes, counts and decodes`() throws {
        let tokenizer = try tokenizer(), text = "After 7 comes 日本,\n\n don't  you?<|eos|> \u{1F600}"
        let ids = try slm("tokenize", "--tokenizer", tokenizer, "--encode", input: text)
        #expect(ids.status == 0 && ids.errors.isEmpty)
        #expect(try slm("tokenize", "--tokenizer", tokenizer, "--decode", input: ids.output).output == text)
        let numbers = ids.output.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        #expect(try slm("tokenize", "--tokenizer", tokenizer, "--count", input: text).output == "\(numbers.count)\n")
        // Text is encoded as special tokens only with --recognize-specials.
        #expect(numbers.allSatisfy { $0 >= 4 })
        let special = try slm("tokenize", "--tokenizer", tokenizer, "--encode", "--recognize-specials", input: text)
        #expect(special.output.split(separator: " ").contains("2"))
        #expect(try slm("tokenize", "--tokenizer", tokenizer, "--decode", input: special.output).output == text)
    }

    @Test func `--lines encodes each line on its own`() throws {
        let tokenizer = try tokenizer()
        let lines = try slm("tokenize", "--tokenizer", tokenizer, "--encode", "--lines", input: "After 7\n\n 8 comes").output
        let alone = try ["After 7", "", " 8 comes"].map { try slm("tokenize", "--tokenizer", tokenizer, "--encode", input: $0).output }
        #expect(lines == alone.joined())
    }

    @Test func `converted tokenizers encode to the same ids`() throws {
        let tokenizer = try tokenizer(), text = "What comes after 12, don't you think?"
        let expected = try slm("tokenize", "--tokenizer", tokenizer, "--encode", input: text).output
        for name in ["b.json", "c/"] {
            #expect(try slm("tokenize", "--tokenizer", tokenizer, "--out", folder(name)).status == 0)
            #expect(try slm("tokenize", "--tokenizer", folder(name), "--encode", input: text).output == expected)
        }
        #expect(try slm("tokenize", "--tokenizer", tokenizer, "--out", folder("d.tiktoken")).status == 0)
        #expect(try slm("tokenize", "--tokenizer", folder("d.tiktoken"), "--encode", input: text).output == expected)
    }

    @Test func `the same data gives the same tokenizer, from files, a pipe and any number of threads`() throws {
        let file = try String(contentsOfFile: tokenizer(), encoding: .utf8)
        for (arguments, input) in [
            (["--data", folder("chats.txt"), "--threads", "1"], ""), (["--data", "-", "--threads", "3"], Self.chats),
        ] {
            #expect(
                try slm(["tokenize", "--vocab-size", "300", "--out", folder("again.json")] + arguments, input: Data(input.utf8)).status == 0
            )
            #expect(try String(contentsOfFile: folder("again.json"), encoding: .utf8) == file)
        }
    }

    @Test func `chats are encoded into token files and meta.json`() throws {
        let tokenizer = try tokenizer()
        let outcome = try slm("tokenize", "--data", folder("chats.txt"), "--tokenizer", tokenizer, "--tokens", folder("tokens"))
        #expect(outcome.status == 0 && outcome.output.hasPrefix("conversations: 60 kept\n"), "\(outcome.errors)")
        #expect(
            TemporaryFolder.names(in: folder("tokens")).sorted()
                == ["meta.json", "tokenizer.json", "train.bin", "train.turns.bin", "val.bin", "val.turns.bin"])
        let meta =
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: folder("tokens/meta.json")))) as? [String: Any]
        #expect(meta?["chat_template"] as? String == "markers" && meta?["dtype"] as? String == "uint16")
    }

    @Test func `characters and bytes are tokenizers, too`() throws {
        let text = folder.write("to be, or not to be: ß日", to: "text.txt")
        #expect(
            try slm("tokenize", "--data", text, "--tokenizer", "characters", "--specials", "", "--out", folder("characters.json")).status
                == 0)
        let characters = try slm("tokenize", "--tokenizer", folder("characters.json"), "--encode", input: "ß日 to")
        #expect(characters.output == "9 10 0 8 6\n")
        let unknown = try slm("tokenize", "--tokenizer", folder("characters.json"), "--encode", input: "to x")
        #expect(unknown.status == 1 && unknown.errors.contains("no token for 'x' at byte 3"))
        #expect(try slm("tokenize", "--tokenizer", "bytes", "--specials", "<|eos|>", "--encode", input: "ab").output == "98 99\n")
    }

    @Test func `an error in the data is reported with file and line, and no token files are written`() throws {
        let tokenizer = try tokenizer(), bad = folder.write("{\"user\": \"a\", \"assistant\": \"b\"}\n{\"user\": 1}\n", to: "bad.jsonl")
        let refused = try slm("tokenize", "--data", bad, "--tokenizer", tokenizer, "--tokens", folder("none"))
        #expect(refused.status == 1 && refused.errors.hasPrefix("slm: \(bad):2: "), "\(refused.errors)")
        #expect(!TemporaryFolder.names(in: folder("none")).contains { $0.hasSuffix(".bin") || $0 == "meta.json" })
        let skipped = try slm("tokenize", "--data", bad, "--tokenizer", tokenizer, "--tokens", folder("some"), "--skip-bad")
        #expect(skipped.status == 0 && skipped.output.hasPrefix("conversations: 1 kept, 1 malformed\n"))
        #expect(skipped.errors.hasPrefix("slm: skipped: \(bad):2: "))
    }

    @Test(arguments: [
        (["--encode"], "--encode needs a --tokenizer."),
        (
            ["--encode", "--decode", "--tokenizer", "bytes"],
            "expected one of --encode, --decode and --count, found --encode and --decode."
        ),
        (
            ["--tokenizer", "bytes", "--encode", "--out", "x.json"],
            "--encode reads standard input and writes standard output: --data, --out and --tokens do not apply."
        ),
        (["--data", "a.txt"], "expected --out, --tokens, --encode, --decode or --count."),
        (["--data", "a.txt", "--out", "x.json"], "expected --vocab-size to train a tokenizer, or --tokenizer to use one."),
        (["--vocab-size", "300", "--out", "x.json"], "training a tokenizer needs --data."),
        (["--tokenizer", "bytes", "--tokens", "x"], "--tokens needs --data."),
        (
            ["--tokenizer", "bytes", "--vocab-size", "300", "--data", "a", "--out", "x.json"],
            "expected --vocab-size (train a tokenizer) or --tokenizer (use one), found both."
        ),
    ])
    func `options that exclude each other are rejected`(arguments: [String], reason: String) throws {
        let outcome = try slm(["tokenize"] + arguments)
        #expect(outcome.status == 2 && outcome.errors == "slm tokenize: \(reason) All options: slm tokenize --help\n")
    }

    @Test func `an invalid id is reported with its position`() throws {
        let outcome = try slm("tokenize", "--tokenizer", "bytes", "--decode", input: "5 9 300")
        #expect(outcome.status == 1 && outcome.errors == "slm: standard input:number 3: expected an id below 260, found 300.\n")
        #expect(
            try slm("tokenize", "--tokenizer", "bytes", "--decode", input: "5 x").errors.contains(
                "number 2: expected ids separated by spaces, found 'x'"))
    }

    @Test func `show prints tokens with their ids`() throws {
        let shown = try slm("tokenize", "show", tokenizer(), "After 🦊")
        #expect(shown.status == 0 && shown.output.contains("\\xF0") && shown.output.contains("tokens, 10 bytes"), "\(shown.output)")
    }

    @Test func `the benchmark prints the documented keys`() throws {
        let text = folder.write(Self.chats, to: "bench.txt")
        let lines = try slm("bench", "tokenize", "--text", text, "--vocab-size", "280", "--runs", "1", "--json").output.split(
            separator: "\n")
        let objects = try lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        #expect(objects.first??["case"] as? String == "train" && objects.dropFirst().allSatisfy { $0?["case"] as? String == "encode" })
        for object in objects {
            #expect(object?["bench"] as? String == "tokenize")
            for key in ["threads", "mb_per_s", "seconds", "peak_rss_mb"] { #expect(object?[key] is NSNumber, "\(key)") }
        }
    }

    @Test(arguments: [["tokenize", "--tokens"], ["tokenize", "corpus", "--out"]])
    func `the tokenizer 'characters' is made from the data that is encoded`(command: [String]) throws {
        folder.write("abcabcab\n", to: "text.txt")
        let outcome = try slm(
            command + [folder("letters"), "--data", folder("text.txt"), "--tokenizer", "characters", "--specials", "", "--val-share", "0"])
        #expect(outcome.status == 0 && outcome.output.contains("4 tokens, trained on"), "\(outcome.errors)")
        let show = try slm("tokenize", "show", folder("letters/tokenizer.json"), "cab")
        #expect(show.output.contains("3 tokens, 3 bytes"), "\(show.output)\(show.errors)")
        let encoded = try slm("tokenize", "--tokenizer", "characters", "--encode", input: "abc")
        #expect(encoded.status == 2 && encoded.errors.contains("is made from data. Write it to a file first"), "\(encoded.errors)")
    }

    @Test func `a train.bin without tokens is reported`() throws {
        let tokenizer = try tokenizer()
        let outcome = try slm(
            "tokenize", "corpus", "--data", folder("chats.txt"), "--tokenizer", tokenizer, "--val-share", "1", "--out", folder("x"))
        #expect(
            outcome.status == 0
                && outcome.errors.contains("/train.bin holds 0 tokens, so nothing can be trained on it; all of it is in val.bin"),
            "\(outcome.errors)")
        let usual = try slm("tokenize", "corpus", "--data", folder("chats.txt"), "--tokenizer", tokenizer, "--out", folder("y"))
        #expect(usual.status == 0 && !usual.errors.contains("holds 0 tokens"), "\(usual.errors)")
    }
}
