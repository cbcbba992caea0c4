import Terminal
import Testing
import TestSupport

@Suite struct LineTests {
    private func line(_ keys: Key...) -> (text: String, cursor: Int) {
        var line = LineBuffer()
        for key in keys { line.apply(key) }
        return (line.text, line.cursor)
    }

    @Test func `keys move the cursor, insert and cut text`() {
        #expect(line(.text("hello"), .home, .text("> "), .end, .text("!")) == ("> hello!", 8))
        #expect(line(.text("ab"), .left, .text("x"), .right, .right, .text("y")) == ("axby", 4))
        #expect(line(.text("one two  three"), .control("w"), .control("w")) == ("one ", 4))
        #expect(line(.text("one two"), .wordLeft, .control("k"), .control("a"), .control("y")) == ("twoone ", 3))
        #expect(line(.text("one two"), .wordLeft, .control("u"), .wordRight) == ("two", 3))
        #expect(line(.text("abc"), .home, .delete, .control("f"), .backspace) == ("c", 0))
        #expect(line(.backspace, .left, .right, .delete, .control("k"), .control("w"), .control("y")) == ("", 0))
    }

    @Test func `grapheme clusters are edited as one character`() {
        #expect(line(.text("e"), .text("\u{301}"), .backspace) == ("", 0))
        #expect(line(.text("👩"), .text("\u{200D}"), .text("🚀"), .text("x"), .left, .backspace) == ("x", 0))
        #expect(line(.paste("a\n\u{1B}[31mb\tc")).text == "a\n[31mb    c")
    }

    @Test func `wide characters have two columns, combining marks none`() {
        for (text, columns) in [
            ("abc", 3), ("日本", 4), ("é", 1), ("e\u{301}", 1), ("🙂", 2), ("👩‍🚀", 2), ("❤️", 2), ("ｆ", 2), ("한", 2), ("", 0), ("\u{200B}", 0),
        ] {
            #expect(text.columns == columns, "\(text)")
        }
    }

    @Test func `control characters are removed from printable text`() {
        #expect("a\u{1B}[31mb\u{7}\r\n\tc\u{9B}2Jd\u{202E}e".printable == "a[31mb\n\tc2Jde")
        #expect("plain 日本 🙂".printable == "plain 日本 🙂")
    }

    @Test func `the closest name is suggested if it is close enough`() {
        #expect(closestMatch(to: "sav", among: ["save", "load"]) == "save")
        #expect(closestMatch(to: "xyzzyq", among: ["save", "load"]) == nil)
    }
}
