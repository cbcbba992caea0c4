import Settings
import TestSupport
import Testing

@Suite struct SettingsFileTests {
    static let commands: [(name: String, options: [String])] = [("train", ["threads", "data", "preset", "json"]), ("bench train", ["threads", "batch"]), ("info", ["threads"])]

    private func file(_ text: String) throws -> SettingsFile { try SettingsFile(Array(text.utf8), at: "slm.yaml", commands: Self.commands) }

    private func told(_ text: String, _ command: String) throws -> [String] {
        try file(text).settings(for: command).map { "\($0.source)=\($0.texts.joined(separator: "|"))\($0.isList ? " list" : "")" }
    }

    @Test func `a section is for its command alone, and comes before what is for all`() throws {
        let text = """
            # for all
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
        #expect(try told(text, "train") == ["slm.yaml:4: threads=4", "slm.yaml:5: data=a.txt|b: c.txt list", "slm.yaml:6: preset=eugpt", "slm.yaml:7: json=Yes", "slm.yaml:2: threads=2"])
        #expect(try told(text, "bench train") == ["slm.yaml:9: batch=8", "slm.yaml:2: threads=2"])
        #expect(try told(text, "info") == ["slm.yaml:2: threads=2"])
    }

    @Test func `lists and texts are read in every way that YAML writes them`() throws {
        #expect(try told("data:\n- a\n-   b\n- >-\n  c\n  d\n- |\n  e\n  f\n", "train") == ["slm.yaml:1: data=a|b|c d|e\nf\n list"])
        #expect(try told("{data: [], \"thre\\u0061ds\": 2}", "train") == ["slm.yaml:1: data= list", "slm.yaml:1: threads=2"])
        #expect(try told("preset: \"\"\ndata: '~'\n", "train") == ["slm.yaml:1: preset=", "slm.yaml:2: data=~"])
        #expect(try told("\u{FEFF}--- # begins\npreset: größer\r\nthreads: 1e3\n...\n", "train") == ["slm.yaml:2: preset=größer", "slm.yaml:3: threads=1e3"])
        for nothing in ["", "\n", "# only a remark\n", "---\n...\n", "--- {}\n"] where nothing != "---\n...\n" { #expect(try told(nothing, "train").isEmpty, "\(nothing)") }
    }

    @Test(arguments: [
        ("threads: 2\npreest: tiny\n", "slm.yaml:2: no command has an option 'preest'; did you mean 'preset'?"),
        ("weather: fine\n", "slm.yaml:1: no command has an option 'weather'."),
        ("trian:\n  preset: tiny\n", "slm.yaml:1: no command has an option 'trian'; did you mean 'train'?"),
        ("train:\n  preset: tiny\n  thraeds: 2\n", "slm.yaml:3: slm train has no option 'thraeds'; did you mean 'threads'?"),
        ("info:\n  preset: tiny\n", "slm.yaml:2: slm info has no option 'preset'. All options: slm info --help"),
        ("train: fast\n", "slm.yaml:1: expected options of slm train beneath 'train', further in, found 'fast'."),
        ("threads:\n", "slm.yaml:1: threads: expected a value, found nothing."),
        ("threads: ~\n", "slm.yaml:1: threads: expected a value, found nothing."),
        ("threads:\n  most: 2\n", "slm.yaml:1: threads: expected a value, found names with values of their own."),
        ("data: [a, [b]]\n", "slm.yaml:1: data: expected a value, found a list."),
        ("data: [a, null]\n", "slm.yaml:1: data: expected a value, found nothing."),
        ("threads: 1\ndata: a\nthreads: 2\n", "slm.yaml:3: 'threads' is there a second time: it is in line 1."),
        ("just words\n", "slm.yaml:1: expected options and their values, such as 'threads: 2'."),
        ("- threads\n", "slm.yaml:1: expected options and their values, such as 'threads: 2'."),
        ("train:\n\tpreset: tiny\n", "slm.yaml:2: expected spaces before a name, found a tab."),
        ("threads: 1\n data: a\n", "slm.yaml:2: mapping values are not allowed in this context."),
        ("data: [a, b\n", "slm.yaml:2: did not find expected ',' or ']' (while parsing a flow sequence)."),
        ("threads: &n 2\n", "slm.yaml:1: anchors (&name) are not understood: write each value out."),
        ("threads: *n\n", "slm.yaml:1: aliases (*name) are not understood: write the value out."),
        ("threads: !!int 2\n", "slm.yaml:1: tags (!name) are not understood: write the value alone."),
        ("threads: 2\n---\nthreads: 3\n", "slm.yaml:2: expected one document, found a second."),
        ("? [a]\n: b\n", "slm.yaml:1: expected a name before the colon, found a list or members."),
        ("data: \"a\\0b\"\n", "slm.yaml:1: expected a text, found one with a NUL byte."),
        ("threads: 2\ndata: \u{1}\n", "slm.yaml:2: control characters are not allowed."),
        ("data: [[[[[[[[[[a]]]]]]]]]]\n", "slm.yaml:1: expected at most 8 levels, found more."),
    ])
    func `what cannot be meant is said with its line`(text: String, sentence: String) throws {
        let error = try #require(#expect(throws: SettingsError.self) { try file(text) })
        #expect(error.description == sentence)
    }

    @Test func `bytes that are no UTF-8, and too many, are refused`() {
        func refusal(_ bytes: [UInt8]) -> String? {
            #expect(throws: SettingsError.self) { try SettingsFile(bytes, at: "a", commands: Self.commands) }?.description
        }
        #expect(refusal(Array("threads: 2\ndata: ".utf8) + [0xFF]) == "a:2: invalid leading UTF-8 octet.")
        #expect(refusal(Array(repeating: 0x20, count: 2 << 20)) == "a:1: 2097152 bytes are too long for settings: at most 1048576.")
    }

    /// Whatever is in it, a file is read or refused; and what is read says the same when it is read again.
    @Test func `files with random changes are read or refused`() throws {
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
        let pieces = ["{", "}", "[", "]", ":", ": ", "\n", "\n  ", "- ", "? ", "&a ", "*a", "!t ", "|", ">", "'", "\"", "\\", "#", "---\n", "...\n", "\t", "%YAML 1.1\n", "\u{FEFF}", "é", "~"]
            .map { Array($0.utf8) } + [[0], [0xFF], [0xC3], [0xFE, 0xFF], [0x85]]
        var random = Noise(11), read = 0
        for _ in 0..<fuzzRounds(else: 20_000) {
            var text = seed
            for _ in 0...Int(random.next() % 6) {
                let place = Int.random(in: 0...text.count, using: &random), end = min(text.count, place + Int.random(in: 0...12, using: &random))
                switch random.next() % 4 {
                case 0: text.removeSubrange(place..<end)
                case 1: text.insert(contentsOf: Array(text[place..<end]), at: Int.random(in: 0...text.count, using: &random))
                case 2: text.removeSubrange(place...)
                default: text.insert(contentsOf: pieces[Int(random.next() % UInt64(pieces.count))], at: place)
                }
            }
            do throws(SettingsError) {
                let file = try SettingsFile(text, at: "a", commands: Self.commands)
                read += 1
                let again = try SettingsFile(text, at: "a", commands: Self.commands)
                #expect(file.settings(for: "train") == again.settings(for: "train"))
                #expect(file.settings(for: "train").allSatisfy { !$0.texts.contains { $0.utf8.contains(0) } })
            } catch {
                guard error.description.hasPrefix("a:"), error.description.hasSuffix(".") || error.description.hasSuffix("?") || error.description.hasSuffix("--help") else {
                    Issue.record("no place, or no sentence: \(error)")
                    continue
                }
            }
        }
        #expect(read > 0)
    }

    @Test func `a text of brackets alone ends soon`() {
        for text in [String(repeating: "[", count: 1 << 20), String(repeating: "- ", count: 1 << 19), String(repeating: "{a: ", count: 1 << 18), String(repeating: "a:\n ", count: 1 << 18)] {
            #expect(throws: SettingsError.self) { try file(text) }
        }
    }
}
