import Terminal
import Testing
import TestSupport

@Suite struct WordWrapTests {
    /// The rows of a terminal of unlimited width after it received a text, without spaces at their ends.
    private func rows(_ output: String) -> [String] {
        var rows: [[Character]] = [[]], rest = output[...]
        while let character = rest.popFirst() {
            if character == "\n" {
                rows.append([])
            } else if character == "\u{1B}", let match = rest.prefixMatch(of: /\[(\d+)D\x1B\[K/), let count = Int(match.1) {
                // Goes back by columns and erases what follows.
                var columns = count
                while columns > 0, let last = rows[rows.count - 1].popLast() { columns -= last.columns }
                rest = rest[match.range.upperBound...]
            } else {
                rows[rows.count - 1].append(character)
            }
        }
        return rows.map { row in String(row).replacing(/\ +$/, with: "") }
    }

    @Test func `words that do not fit move to the next row`() {
        var wrap = WordWrap(columns: 13, indent: 2)
        let pieces = ["He", "llo, ", "wor", "ld", "s and", " more\nnext"]
        #expect(rows("  " + pieces.map { wrap.add($0) }.joined()) == ["  Hello,", "  worlds and", "  more", "  next"])
        // Text is shown as soon as it comes.
        var streamed = WordWrap(columns: 13)
        #expect(streamed.add("wor") == "wor" && streamed.add("ld again") == "ld again")
        #expect(streamed.add("st") == "s\u{1B}[6D\u{1B}[K\nagainst")
    }

    @Test func `a long word is broken, and so is a text without spaces`() {
        var wrap = WordWrap(columns: 11)
        #expect(rows(wrap.add("a abcdefghijklmno p")) == ["a", "abcdefghij", "klmno p"])
        var wide = WordWrap(columns: 8)
        #expect(rows(wide.add("ab日本語です。")) == ["ab日本", "語です", "。"])
    }

    @Test func `any text in any pieces keeps its words and fits`() {
        var noise = TestRandom(5)
        for _ in 0..<500 {
            let words = (0..<noise.below(30)).map { _ in String("abcdéf日🙂ghij".shuffled(using: &noise).prefix(1 + noise.below(9))) }
            let text = words.joined(separator: " "), columns = 8 + noise.below(30)
            var wrap = WordWrap(columns: columns, indent: 3), output = "   ", rest = text[...]
            while !rest.isEmpty {
                let count = 1 + noise.below(5)
                output += wrap.add(String(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let rows = rows(output), isNarrow = rows.allSatisfy { $0.columns < columns && ($0.isEmpty || $0.hasPrefix("   ")) }
            let found = rows.map { $0.dropFirst(3) }.joined().filter { $0 != " " }
            #expect(isNarrow && found == text.filter { $0 != " " }, "\(columns): \(rows)")
        }
    }

    @Test func `a whole text is wrapped at words`() {
        #expect("one two  three".wrapped(to: 8) == ["one two", "three"] && "日本 語".wrapped(to: 6, hanging: 1) == ["日本", " 語"])
        #expect("".wrapped(to: 8) == [""] && "abcdefghijk l".wrapped(to: 5) == ["abcdefghijk", "l"])
    }

    @Test(arguments: [(0, "under 1 ms"), (0.0004, "under 1 ms"), (0.037, "37 ms"), (0.9999, "1.00 s"), (1.25, "1.25 s"), (75, "75.00 s")])
    func `a duration is never 0 seconds`(seconds: Double, text: String) { #expect(seconds.durationText == text) }
}
