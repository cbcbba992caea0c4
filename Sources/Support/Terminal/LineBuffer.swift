/// A line that is being written, and the place in it.
///
///     var line = LineBuffer()
///     line.apply(.text("hello")); line.apply(.home); line.apply(.text("> "))
///     line.text                                                // "> hello"
package struct LineBuffer: Sendable {
    package private(set) var characters: [Character] = []
    /// Before which character the next one comes.
    package private(set) var cursor = 0
    /// What was cut last, for control-Y.
    private var killed: [Character] = []

    package init(_ text: String = "") { set(text) }

    package var text: String { String(characters) }
    package var isEmpty: Bool { characters.isEmpty }

    /// Another text, with the place at its end.
    package mutating func set(_ text: String) {
        characters = Array(text)
        cursor = characters.count
    }

    /// Whether the key means something to a line.
    @discardableResult
    package mutating func apply(_ key: Key) -> Bool {
        switch key {
        case .text(let text), .paste(let text): insert(text)
        case .backspace, .control("h"): delete(max(0, cursor - 1)..<cursor)
        case .delete, .control("d"): delete(cursor..<min(cursor + 1, characters.count))
        case .left, .control("b"): cursor = max(0, cursor - 1)
        case .right, .control("f"): cursor = min(characters.count, cursor + 1)
        case .home, .control("a"): cursor = 0
        case .end, .control("e"): cursor = characters.count
        case .wordLeft: cursor = wordStart
        case .wordRight: cursor = wordEnd
        case .control("k"): kill(cursor..<characters.count)
        case .control("u"): kill(0..<cursor)
        case .control("w"), .deleteWord: kill(wordStart..<cursor)
        case .control("y"): insert(String(killed))
        default: return false
        }
        return true
    }

    /// What is typed may join the character before it, such as an accent.
    private mutating func insert(_ text: String) {
        let before = Array(String(characters[..<cursor]) + text.typable)
        characters = before + characters[cursor...]
        cursor = before.count
    }

    private mutating func delete(_ range: Range<Int>) {
        characters.removeSubrange(range)
        cursor = range.lowerBound
    }

    private mutating func kill(_ range: Range<Int>) {
        if !range.isEmpty { killed = Array(characters[range]) }
        delete(range)
    }

    private var wordStart: Int {
        var i = cursor
        while i > 0, characters[i - 1].isWhitespace { i -= 1 }
        while i > 0, !characters[i - 1].isWhitespace { i -= 1 }
        return i
    }

    private var wordEnd: Int {
        var i = cursor
        while i < characters.count, characters[i].isWhitespace { i += 1 }
        while i < characters.count, !characters[i].isWhitespace { i += 1 }
        return i
    }
}

extension String {
    /// A tab is a few blanks in a line; what else a terminal obeys is none.
    fileprivate var typable: String { visible.replacing("\t", with: "    ") }
}
