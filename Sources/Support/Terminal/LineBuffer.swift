/// The text of an input line and its cursor.
///
///     var line = LineBuffer()
///     line.apply(.text("hello")); line.apply(.home); line.apply(.text("> "))
///     line.text                                                // "> hello"
package struct LineBuffer: Sendable {
    package private(set) var characters: [Character] = []
    /// The index at which typed characters are inserted.
    package private(set) var cursor = 0
    /// The last text cut, for control-Y.
    private var killed: [Character] = []

    package init(_ text: String = "") { set(text) }

    package var text: String { String(characters) }
    package var isEmpty: Bool { characters.isEmpty }

    /// Replaces the text and moves the cursor to its end.
    package mutating func set(_ text: String) {
        characters = Array(text)
        cursor = characters.count
    }

    package mutating func place(cursor index: Int) { cursor = max(0, min(index, characters.count)) }

    /// Applies a key.
    ///
    /// - Returns: Whether the key edits a line.
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

    /// Rebuilds the characters before the cursor, since the text may combine with the one before it, as an accent does.
    private mutating func insert(_ text: String) {
        let before = Array(String(characters[..<cursor]) + text.insertable)
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
    /// Replaces tabs by spaces and removes control characters.
    fileprivate var insertable: String { printable.replacing("\t", with: "    ") }
}
