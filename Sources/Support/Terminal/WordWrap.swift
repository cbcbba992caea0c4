/// Wraps streamed text at words.
///
///     var wrap = WordWrap(columns: 80, indent: 7)
///     write(wrap.add("Hello, wor"))                            // is shown at once …
///     write(wrap.add("ld"))                                    // … and moves to the next row if the word does not fit
///
/// Rows leave the last column empty, because terminals differ in how they wrap there. A word that is longer than a row is broken.
package struct WordWrap {
    private let width: Int
    private let indent: Int
    private var column: Int
    /// The word at the end of the row, as far as it is shown.
    private var word = ""
    private var wordColumns = 0

    /// - Parameters:
    ///   - columns: The width of the terminal.
    ///   - indent: The column where the text and all its rows begin.
    package init(columns: Int, indent: Int = 0) {
        self.indent = indent
        width = max(indent + 4, columns - 1)
        column = indent
    }

    /// Returns what to write for the next part of the text.
    package mutating func add(_ text: String) -> String {
        var output = ""
        for character in text {
            switch character {
            case "\n", "\r\n": startRow(&output)
            case " ": addSpaces(1, &output)
            case "\t": addSpaces(8 - (column - indent) % 8, &output)
            default: add(character, &output)
            }
        }
        return output
    }

    private mutating func startRow(_ output: inout String) {
        output += "\n" + String(repeating: " ", count: indent)
        column = indent
        endWord()
    }

    private mutating func endWord() {
        word = ""
        wordColumns = 0
    }

    /// Spaces that do not fit become a line break.
    private mutating func addSpaces(_ count: Int, _ output: inout String) {
        endWord()
        if column + count > width { return startRow(&output) }
        output += String(repeating: " ", count: count)
        column += count
    }

    private mutating func add(_ character: Character, _ output: inout String) {
        let columns = character.columns
        // A row may end before each wide character, as there are no spaces between Chinese or Japanese words.
        if columns > 1 { endWord() }
        if column + columns > width {
            let moved = (word, wordColumns)
            if moved.1 > 0, moved.1 < column - indent {
                output += "\u{1B}[\(moved.1)D\u{1B}[K"           // takes the word back
                startRow(&output)
                output += moved.0
                (word, wordColumns) = moved
                column += moved.1
            } else {
                startRow(&output)
            }
        }
        output.append(character)
        column += columns
        if columns > 1 { return }
        word.append(character)
        wordColumns += columns
    }
}
