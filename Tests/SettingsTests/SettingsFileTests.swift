import Settings
import TestSupport
import Testing

@Suite struct SettingsFileTests {
    static let commands: [(name: String, options: [String])] = [
        ("train", ["threads", "data", "preset", "json"]), ("bench train", ["threads", "batch"]), ("info", ["threads"]),
    ]

    private func file(_ text: String) throws -> SettingsFile { try SettingsFile(Array(text.utf8), at: "slm.yaml", commands: Self.commands) }

    private func settings(_ text: String, _ command: String) throws -> [String] {
        try file(text).settings(for: command).map { "\($0.source)=\($0.texts.joined(separator: "|"))\($0.isList ? " list" : "")" }
    }

    @Test func `a section applies to its command only and precedes common settings`() throws {
        let text = """
            # for all commands
            threads: 2
            train:
              threads: 4
              data: [a.txt, "b: c.txt"]
              preset: 'eugpt'   # quoted
              json: Yes
            bench train:
              batch: 8
            info:
            """
        #expect(try settings(text, "train") == [
            "slm.yaml:4: threads=4", "slm.yaml:5: data=a.txt|b: c.txt list", "slm.yaml:6: preset=eugpt", "slm.yaml:7: json=Yes",
            "slm.yaml:2: threads=2",
        ])
        #expect(try settings(text, "bench train") == ["slm.yaml:9: batch=8", "slm.yaml:2: threads=2"])
        #expect(try settings(text, "info") == ["slm.yaml:2: threads=2"])
    }

    @Test func `all YAML styles of lists and scalars are supported`() throws {
        #expect(try settings("data:\n- a\n-   b\n- >-\n  c\n  d\n- |\n  e\n  f\n", "train")
            == ["slm.yaml:1: data=a|b|c d|e\nf\n list"])
        #expect(try settings("{data: [], \"thre\\u0061ds\": 2}", "train") == ["slm.yaml:1: data= list", "slm.yaml:1: threads=2"])
        #expect(try settings("preset: \"\"\ndata: '~'\n", "train") == ["slm.yaml:1: preset=", "slm.yaml:2: data=~"])
        #expect(try settings("\u{FEFF}--- # start\npreset: größer\r\nthreads: 1e3\n...\n", "train")
            == ["slm.yaml:2: preset=größer", "slm.yaml:3: threads=1e3"])
        for empty in ["", "\n", "# only a comment\n", "--- {}\n"] { #expect(try settings(empty, "train").isEmpty, "\(empty)") }
    }

    @Test(arguments: [
        ("threads: 2\npreest: tiny\n", "slm.yaml:2: no command has an option 'preest'; did you mean 'preset'?"),
        ("weather: fine\n", "slm.yaml:1: no command has an option 'weather'."),
        ("trian:\n  preset: tiny\n", "slm.yaml:1: no command has an option 'trian'; did you mean 'train'?"),
        ("train:\n  preset: tiny\n  thraeds: 2\n", "slm.yaml:3: slm train has no option 'thraeds'; did you mean 'threads'?"),
        ("info:\n  preset: tiny\n", "slm.yaml:2: slm info has no option 'preset'. All options: slm info --help"),
        ("train: fast\n", "slm.yaml:1: expected options of slm train indented under 'train', found 'fast'."),
        ("threads:\n", "slm.yaml:1: threads: expected a value, found nothing."),
        ("threads: ~\n", "slm.yaml:1: threads: expected a value, found nothing."),
        ("threads:\n  most: 2\n", "slm.yaml:1: threads: expected a value, found a mapping."),
        ("data: [a, [b]]\n", "slm.yaml:1: data: expected a value, found a list."),
        ("data: [a, null]\n", "slm.yaml:1: data: expected a value, found nothing."),
        ("threads: 1\ndata: a\nthreads: 2\n", "slm.yaml:3: duplicate key 'threads'; it is also in line 1."),
        ("just words\n", "slm.yaml:1: expected options with values, such as 'threads: 2'."),
        ("- threads\n", "slm.yaml:1: expected options with values, such as 'threads: 2'."),
        ("train:\n\tpreset: tiny\n", "slm.yaml:2: expected spaces as indentation, found a tab."),
        ("threads: 1\n data: a\n", "slm.yaml:2: mapping values are not allowed in this context."),
        ("data: [a, b\n", "slm.yaml:2: did not find expected ',' or ']' (while parsing a flow sequence)."),
        ("threads: &n 2\n", "slm.yaml:1: anchors (&name) are not supported: remove the anchor."),
        ("threads: *n\n", "slm.yaml:1: aliases (*name) are not supported: write the value itself."),
        ("threads: !!int 2\n", "slm.yaml:1: tags (!name) are not supported: remove the tag."),
        ("threads: 2\n---\nthreads: 3\n", "slm.yaml:2: expected one document, found a second."),
        ("? [a]\n: b\n", "slm.yaml:1: expected a key before the colon, found a list or mapping."),
        ("data: \"a\\0b\"\n", "slm.yaml:1: expected text, found a NUL byte."),
        ("threads: 2\ndata: \u{1}\n", "slm.yaml:2: control characters are not allowed."),
        ("data: [[[[[[[[[[a]]]]]]]]]]\n", "slm.yaml:1: expected at most 8 levels of nesting, found more."),
    ])
    func `errors name the line`(text: String, sentence: String) throws {
        let error = try #require(#expect(throws: SettingsError.self) { try file(text) })
        #expect(error.description == sentence)
    }

    @Test func `invalid UTF-8 and large files are rejected`() {
        func errorText(_ bytes: [UInt8]) -> String? {
            #expect(throws: SettingsError.self) { try SettingsFile(bytes, at: "a", commands: Self.commands) }?.description
        }
        #expect(errorText(Array("threads: 2\ndata: ".utf8) + [0xFF]) == "a:2: invalid leading UTF-8 octet.")
        #expect(errorText(Array(repeating: 0x20, count: 2 << 20)) == "a:1: expected at most 1048576 bytes, found 2097152.")
    }

    /// Parsing must not crash, and must be deterministic.
    @Test func `fuzz: files with random changes are parsed or rejected`() throws {
        let seed = Array("""
            threads: 2            # all
            train:
              data: [a.txt, 'b''c', "d\\n\\u00e9"]
              preset: >-
                tiny
                more
              json: yes
            bench train: {batch: 8}
            info:
              - x
            ? a
            : &b !c *d
            """.utf8)
        let pieces =
            [
                "{", "}", "[", "]", ":", ": ", "\n", "\n  ", "- ", "? ", "&a ", "*a", "!t ", "|", ">", "'", "\"", "\\", "#", "---\n",
                "...\n", "\t",
                "%YAML 1.1\n", "\u{FEFF}", "é", "~",
            ].map { Array($0.utf8) } + [[0], [0xFF], [0xC3], [0xFE, 0xFF], [0x85]]
        var random = TestRandom(11), read = 0
        for _ in 0..<fuzzRounds(default: 20_000) {
            var text = seed
            for _ in 0...Int(random.next() % 6) {
                let start = Int.random(in: 0...text.count, using: &random)
                let end = min(text.count, start + Int.random(in: 0...12, using: &random))
                switch random.next() % 4 {
                case 0: text.removeSubrange(start..<end)
                case 1: text.insert(contentsOf: Array(text[start..<end]), at: Int.random(in: 0...text.count, using: &random))
                case 2: text.removeSubrange(start...)
                default: text.insert(contentsOf: pieces[Int(random.next() % UInt64(pieces.count))], at: start)
                }
            }
            do throws(SettingsError) {
                let file = try SettingsFile(text, at: "a", commands: Self.commands)
                read += 1
                let again = try SettingsFile(text, at: "a", commands: Self.commands)
                #expect(file.settings(for: "train") == again.settings(for: "train"))
                #expect(file.settings(for: "train").allSatisfy { !$0.texts.contains { $0.utf8.contains(0) } })
            } catch {
                let isSentence = [".", "?", "--help"].contains { error.description.hasSuffix($0) }
                guard error.description.hasPrefix("a:"), isSentence else {
                    Issue.record("expected a position and a sentence, found: \(error)")
                    continue
                }
            }
        }
        #expect(read > 0)
    }

    @Test func `deep nesting is rejected quickly`() {
        for text in [
            String(repeating: "[", count: 1 << 20), String(repeating: "- ", count: 1 << 19),
            String(repeating: "{a: ", count: 1 << 18), String(repeating: "a:\n ", count: 1 << 18),
        ] {
            #expect(throws: SettingsError.self) { try file(text) }
        }
    }
}
