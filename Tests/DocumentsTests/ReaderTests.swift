import Documents
import Glibc
import Testing
import TestSupport

/// What each format's reader makes of a file.
@Suite struct ReaderTests {
    private let reader = DocumentReader(programs: "")

    private func read(_ text: String, _ name: String) throws -> Document {
        try reader.document(Array(text.utf8), name: name, path: "/nowhere/\(name)")
    }

    /// Kind, line and text of each block.
    private func blocks(_ text: String, _ name: String) throws -> [String] {
        try read(text, name).blocks.map { block in
            let kind = switch block.kind {
            case .heading(let level): "h\(level)"
            case .paragraph: "p"
            case .listItem: "li"
            case .code(let label): "code" + (label.map { "(\($0))" } ?? "")
            case .row(let header): "row" + (header.map { "(\($0))" } ?? "")
            }
            return "\(kind) \(block.line): \(block.text)"
        }
    }

    @Test func `Markdown has headings, paragraphs, items, tables and code`() throws {
        let text = """
            ---
            title: "The pump"
            ---
            # Pump `P1`
            First line
            second line.

            Setext
            ------
            - one
              more
            * two
            1. three

            | name | price |
            |---|---|
            | a | 1 |
            | b | 2 |

            ```sh
            # no heading

            reset --now
            ```
            <!-- left out
            # hidden -->
            ## See [the **manual**](m.md) ##
            > quoted
            """
        #expect(try read(text, "a.md").title == "The pump")
        let found = try blocks(text, "a.md")
        #expect(found == [
            "h1 4: Pump P1", "p 5: First line\nsecond line.", "h2 8: Setext", "li 10: - one\n  more", "li 12: * two", "li 13: 1. three",
            "row(| name | price |) 17: | a | 1 |", "row(| name | price |) 18: | b | 2 |", "code 21: # no heading\n\nreset --now",
            "h2 27: See the manual", "p 28: > quoted",
        ])
    }

    @Test func `HTML is text without scripts, with entities decoded`() throws {
        let text = """
            <!DOCTYPE html><html><head><title>Caf&eacute; &amp; Bar</title><style>p { color: red }</style>
            <script>if (a < b) { document.write("<p>no</p>"); }</script></head>
            <body><!-- <h1>no</h1> --><h1 class="a>b">Open&shy;ing</h1>
            <p>One   <b>bold</b>
            line.<p>1 &lt; 2 &#8364; &#x41; &unknown; &amp</p>
            <ul><li>first<li>second</ul>
            <pre>  a
              b</pre>
            <table><tr><th>name<th>price</tr><tr><td>Pump</td><td>30 &euro;</td></tr></table>
            a < b
            """
        #expect(try read(text, "a.html").title == "Café & Bar")
        let found = try blocks(text, "a.html")
        #expect(found == [
            "h1 3: Opening", "p 4: One bold line.", "p 5: 1 < 2 € A &unknown; &amp", "li 6: first", "li 6: second",
            "code 7:   a\n  b", "row(name | price) 9: Pump | 30 €", "p 10: a < b",
        ])
    }

    @Test func `plain text has paragraphs below underlined, numbered and capital headings`() throws {
        let text = "Title\n=====\n\nOne\ntwo\n\n- item\n\nPart\n----\nText\n\nNAME\n       ls - list\n\n2.1. Scope\n\n   About.\n\n"
            + "JUST A LINE\nof text\n"
        #expect(try blocks(text, "a.txt") == [
            "h1 1: Title", "p 4: One\ntwo", "li 7: - item", "h2 9: Part", "p 11: Text", "h1 13: NAME", "p 14:        ls - list",
            "h2 16: 2.1. Scope", "p 18:    About.", "p 20: JUST A LINE\nof text",
        ])
    }

    @Test func `rows of CSV have the names of their columns`() throws {
        #expect(try blocks("name;note\nPump;\"a \"\"b\"\";\nc\"\nValve;\n", "a.csv") == [
            "row 2: name: Pump; note: a \"b\";\nc", "row 4: name: Valve",
        ])
        #expect(try blocks("1,2\n3,4\n", "a.csv") == ["row 1: 1; 2", "row 2: 3; 4"])
        #expect(try blocks("Hold the button\nTurn the valve\n", "a.csv") == ["row 1: Hold the button", "row 2: Turn the valve"])
        #expect(try blocks("name,note\n", "a.csv") == ["row 1: name; note"])
        #expect(try blocks("a\tb\n1\t2\n", "a.tsv") == ["row 2: a: 1; b: 2"])
    }

    @Test func `lines of JSON have the names of their members`() throws {
        let text = #"{"q": "Why?", "n": [1, 2.5, true, null], "o": {"k": "v"}}"# + "\nnot JSON\n\n\"x\"\n"
        #expect(try blocks(text, "a.jsonl") == ["row 1: q: Why?\nn: 1\nn: 2.5\nn: true\no.k: v", "row 2: not JSON", "row 4: x"])
        #expect(try blocks(#"{"q": "\u001b[2Jred\u0007"}"#, "a.jsonl") == ["row 1: q: red"])
    }

    @Test func `code is divided at declarations, with the comments above them`() throws {
        let text = "import A\n\n// Adds.\nfunc add(a: Int) {\n    let b = 1\n\n    return b\n}\n\n# note\ndef f(x):\n    pass\n"
        #expect(try blocks(text, "a.swift") == [
            "code(import A) 1: import A",
            "code(func add(a: Int)) 3: // Adds.\nfunc add(a: Int) {\n    let b = 1\n\n    return b\n}",
            "code(def f(x)) 10: # note\ndef f(x):\n    pass",
        ])
    }

    @Test(arguments: [
        ([0xEF, 0xBB, 0xBF] + Array("é\r\nx\ry".utf8), "é\nx\ny"),
        ([0xFF, 0xFE, 0xE9, 0, 10, 0, 0x3D, 0xD8, 0x00, 0xDE], "é\n😀"),
        ([0xFE, 0xFF, 0, 0xE9, 0x20], "é"),
        ([0x63, 0x61, 0x66, 0xE9, 0x20, 0x80, 0x93], "café €“"),
        (Array("日本 é ü".utf8) + [0xFF], "日本 é ü\u{FFFD}"),
        (Array("a\u{1B}[31mred\u{1B}[0m N\u{8}NA\u{8}AME _\u{8}x \u{7}\u{0085}\u{7F}.".utf8), "ared NAME x ."),
    ] as [([UInt8], String)])
    func `a text of any encoding becomes UTF-8 without control characters`(bytes: [UInt8], text: String) throws {
        #expect(try reader.document(bytes, name: "a.txt", path: "").blocks.map(\.text) == [text])
    }

    @Test func `what is no text is skipped with a reason`() throws {
        func reason(_ bytes: [UInt8], _ name: String) -> SkipReason? {
            #expect(throws: SkipReason.self) { try reader.document(bytes, name: name, path: "") }
        }
        #expect(reason([0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0], "a") == .binary)
        #expect(reason((0..<100).map { UInt8($0 % 8) + 1 }, "a.txt") == .binary)
        #expect(reason(Array(" \n\t\n".utf8), "a.md") == .empty)
        #expect(reason([], "a.html") == .empty)
        #expect(reason(Array("PK".utf8), "a.odt") == .unsupported(format: "ODT"))
        #expect(reason(Array("%PDF-1.5".utf8), "a") == .missingProgram("pdftotext", package: "poppler-utils"))
    }

    /// A program in the place of pdftotext: the real one need not be installed.
    private func pdf(_ script: String, timeout: Duration = .seconds(20), limit: Int = 1_000, memory: Int = 1 << 30) throws -> Document {
        let folder = TemporaryFolder()
        folder.write("#!/bin/sh\n\(script)\n", to: "pdftotext")
        chmod(folder("pdftotext"), 0o755)
        var limits = DocumentReader.Limits()
        limits.conversionTime = timeout
        limits.convertedSize = limit
        limits.conversionMemory = memory
        let reader = DocumentReader(limits: limits, programs: "/nowhere:\(folder.path)")
        return try withExtendedLifetime(folder) {
            try reader.document(Array("%PDF-1.5".utf8), name: "a.pdf", path: folder.write("x", to: "a.pdf"))
        }
    }

    @Test func `pages of a PDF are separate`() throws {
        let document = try pdf(#"printf 'INTRO\n\n  One\n\fTwo\n\n\fThree\n' > "$7""#)
        #expect(document.blocks.map { "\($0.page ?? 0) \($0.line) \($0.text)" } == ["1 1 INTRO", "1 3   One", "2 1 Two", "3 1 Three"])
    }

    @Test func `a PDF that fails, is too long, or needs too much time or memory is skipped`() throws {
        func reason(_ script: String, timeout: Duration = .seconds(20), memory: Int = 1 << 30) -> SkipReason? {
            #expect(throws: SkipReason.self) { try pdf(script, timeout: timeout, memory: memory) }
        }
        #expect(reason("echo 'Incorrect password' >&2; exit 1") == .notConverted("pdftotext: Incorrect password"))
        #expect(reason("kill -SEGV $$") == .notConverted("pdftotext crashed (signal 11)"))
        #expect(reason("sleep 30", timeout: .milliseconds(50)) == .notConverted("pdftotext took longer than 0 s"))
        #expect(reason(#"while :; do echo aaaaaaaaaaaaaaaaaaaaaaaa; done > "$7""#) == .notConverted("its text is longer than 0 MB"))
        #expect(reason(#": > "$7""#) == .empty)
        // dd has a buffer of 200 MB. The limit is set when the shell runs already.
        let script = #"sleep 0.2; dd if=/dev/zero of=/dev/null bs=200M count=1 2>&1 && echo read > "$7" || { echo full >&2; exit 1; }"#
        #expect(reason(script, memory: 100 << 20) == .notConverted("pdftotext: full"))
        #expect(try pdf(script).blocks.map(\.text) == ["read"])
    }
}
