import Documents
import Testing
import TestSupport

/// Damaged files of every format: blocks or a reason, and never a crash.
@Suite struct ReaderFuzzTests {
    private static let seeds: [(name: String, text: String, words: [String])] = [
        ("a.md",
         "---\ntitle: x\n---\n# A\n\ntext [l](u) `c`\n\n- i\n  j\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n\nS\n===\n    in\n",
         ["```", "\n---\n", "#", "|", "<!--", "-->", "\n\n", "- ", "](", "    "]),
        ("a.html",
         "<html><head><title>T</title></head><body><h1>A</h1><p>b&amp;c&#65;<ul><li>x</ul><pre>p</pre><table><tr><th>h<td>d</table>",
         ["<script>", "</", "<!--", "&#x110000;", "&#0;", "<table>", "<pre>", "<tr>", "<h9>", "=\"", "<", "&", "<title>"]),
        ("a.txt", "Title\n=====\n\ntext\n\n- a\n- b\n\nNAME\n   x\n\n1.2 Scope\n\n   y\n",
         ["====", "----", "\r", "\u{8}", "\u{1B}[", "\n\n", "1."]),
        ("a.csv", "name,price\n\"a \"\"b\"\"\",1\nc,2\n", ["\"", ",", "\n", ";", "\t"]),
        ("a.jsonl", "{\"a\": [1, {\"b\": \"c\"}]}\n[true, null]\n", ["[", "{", "\"", "}", "\n", "1e999"]),
        ("a.swift", "// c\nfunc a() {\n    b\n}\n\nstruct S {\n}\n", ["{", "}", "//", "\n\n", "#"]),
    ]

    @Test(arguments: seeds.map(\.name))
    func `damaged files are read or refused`(name: String) throws {
        let seed = try #require(Self.seeds.first { $0.name == name })
        let reader = DocumentReader(programs: ""), splitter = PassageSplitter(budget: 16)
        var mutator = Mutator(seed: 11, words: seed.words), read = 0
        for _ in 0..<fuzzRounds(default: 1_500) {
            var bytes = Array(seed.text.utf8)
            for _ in 0...mutator.random.below(3) { mutator.damage(&bytes) }
            do throws(SkipReason) {
                let document = try reader.document(bytes, name: name, path: "")
                read += 1
                let lines = bytes.count { $0 == 10 || $0 == 13 } + 1
                for block in document.blocks where block.line < 1 || block.line > lines || block.text.isEmpty {
                    Issue.record("line \(block.line) of \(lines), '\(block.text)': \(bytes)")
                }
                for passage in splitter.passages(of: document) where passage.text.isEmpty || passage.tokens > 16 + 60 {
                    Issue.record("a passage of \(passage.tokens) tokens: '\(passage.text)'")
                }
            } catch { continue }
        }
        #expect(read > 100)
    }

    /// Nested or unfinished parts must not take quadratic time. Each takes milliseconds; a quadratic reader would need minutes.
    @Test(arguments: [
        ("a.html", "<"), ("a.html", "<a b=\""), ("a.html", "<!--"), ("a.html", "<script>"), ("a.html", "&"), ("a.html", "<td>x"),
        ("a.html", "<pre>x"), ("a.md", "["), ("a.md", "- "), ("a.md", "<!--\n\n"), ("a.md", "```\n"), ("a.md", "|\n"), ("a.md", "# ["),
        ("a.md", "x\n"), ("a.csv", "\""), ("a.jsonl", "["), ("a.txt", "x\n==\n"), ("a.txt", "\u{8}"), ("a.txt", "x. "),
        ("a.swift", "x\n\n"), ("a.swift", "/"),
    ])
    func `a long file of one part is read in linear time`(name: String, part: String) throws {
        let reader = DocumentReader(programs: "")
        let bytes = Array(String(repeating: part, count: 400_000 / part.utf8.count).utf8)
        guard let document = try? reader.document(bytes, name: name, path: "") else { return }
        #expect(!PassageSplitter(budget: 200).passages(of: document).isEmpty)
    }
}
