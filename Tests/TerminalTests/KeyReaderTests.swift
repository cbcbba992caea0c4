import Terminal
import Testing
import TestSupport

@Suite struct KeyReaderTests {
    private static let cases: [(bytes: String, keys: [Key])] = [
        ("a", [.text("a")]), ("é日🙂", [.text("é"), .text("日"), .text("🙂")]), ("\r", [.enter]), ("\n", [.enter]),
        ("\u{7F}\u{8}", [.backspace, .backspace]),
        ("\u{1B}[A\u{1B}[B\u{1B}[C\u{1B}[D", [.up, .down, .right, .left]), ("\u{1B}OA\u{1B}OH\u{1B}OF", [.up, .home, .end]),
        ("\u{1B}[H\u{1B}[F\u{1B}[1~\u{1B}[4~\u{1B}[7~\u{1B}[8~\u{1B}[3~", [.home, .end, .home, .end, .home, .end, .delete]),
        ("\u{1B}[1;5D\u{1B}[1;3C\u{1B}b\u{1B}f\u{1B}\u{7F}", [.wordLeft, .wordRight, .wordLeft, .wordRight, .deleteWord]),
        ("\u{1}\u{3}\u{1A}", [.control("a"), .control("c"), .control("z")]),
        ("\u{1B}[200~a\r\nb\u{1B}[Ac\u{1B}[201~d", [.paste("a\nb\u{1B}[Ac"), .text("d")]),
        ("\u{1B}[?25h\u{1B}[99~\u{1B}x\u{0}z", [.unknown, .unknown, .unknown, .unknown, .text("z")]), ("\u{1B}\u{1B}[A", [.up]),
    ]

    @Test func `escape sequences are decoded wherever the input is split`() {
        for (text, keys) in Self.cases {
            let bytes = Array(text.utf8)
            for cut in 0...bytes.count {
                var reader = KeyReader()
                let found = reader.keys(in: bytes[..<cut]) + reader.keys(in: bytes[cut...])
                #expect(found == keys, "\(text.debugDescription) cut at \(cut)")
            }
        }
    }

    @Test func `invalid UTF-8 becomes U+FFFD and does not affect later characters`() {
        var reader = KeyReader()
        #expect(reader.keys(in: [0xE6, 0x97, 0x41, 0x80, 0xFF, 0x42]) == [.text("A"), .text("\u{FFFD}"), .text("\u{FFFD}"), .text("B")])
    }

    @Test func `fuzz: random input never moves the cursor out of the line, and pastes are bounded`() {
        var noise = TestRandom(2)
        let parts: [[UInt8]] = [
            [0x1B], [0x5B], Array("200~".utf8), Array("201~".utf8), [0x41], [0xE6], [0x97, 0xA5], [0x3B], [0x31], [13], [0], [255], [0x7E],
        ]
        for _ in 0..<fuzzRounds(default: 5_000) {
            var reader = KeyReader(), line = LineBuffer()
            for _ in 0..<noise.below(30) {
                for key in reader.keys(in: parts[noise.below(parts.count)]) { line.apply(key) }
                #expect(0...line.characters.count ~= line.cursor)
            }
        }
        var reader = KeyReader(), pasted = 0
        _ = reader.keys(in: Array("\u{1B}[200~".utf8))
        for _ in 0..<20 { _ = reader.keys(in: [UInt8](repeating: 0x31, count: 100_000)) }
        for case .paste(let text) in reader.keys(in: Array("\u{1B}[201~".utf8)) { pasted = text.utf8.count }
        #expect(pasted > 1_000_000 && pasted <= 1 << 20)
    }
}
