import Files

/// Reads plain text: paragraphs and items of lists, below headings that are underlined, numbered or in capital letters.
struct PlainTextReader {
    private let lines: SourceLines
    private let page: Int?
    private var blocks: [Document.Block] = []
    /// The lines of the paragraph or item that is being read.
    private var pending = 0..<0
    private var isItem = false
    /// The characters of underlines so far, that of the highest level first.
    private var underlines: [UInt8] = []

    static func document(_ text: [UInt8]) -> Document {
        let blocks = blocks(text)
        return Document(title: blocks.first { $0.kind == .heading(level: 1) }?.text, blocks: blocks)
    }

    /// - Parameter page: The page of which this is the text.
    static func blocks(_ text: [UInt8], page: Int? = nil) -> [Document.Block] {
        var reader = PlainTextReader(lines: SourceLines(text), page: page)
        reader.read()
        return reader.blocks
    }

    private init(lines: SourceLines, page: Int?) {
        self.lines = lines
        self.page = page
    }

    private mutating func read() {
        for i in lines.indices {
            let line = lines[i], text = line.trimmed
            if text.isEmpty {
                flush()
            } else if text.isRow(of: "=-~^*#+`'\"_", atLeast: 3) {
                readUnderline(at: i, text)
            } else if pending.isEmpty, isHeading(at: i) {
                blocks.append(.init(.heading(level: number(of: text) ?? 1), text.string, line: i + 1, page: page))
            } else {
                if line.listMarker != nil {
                    flush()
                    isItem = true
                }
                pending = pending.isEmpty ? i..<i + 1 : pending.lowerBound..<i + 1
            }
        }
        flush()
    }

    /// A row of one character makes the single line above it a heading, if it is about as long. Otherwise it separates paragraphs.
    private mutating func readUnderline(at i: Int, _ row: ArraySlice<UInt8>) {
        guard pending.count == 1, !isItem, let character = row.first else { return flush() }
        let title = lines[pending.lowerBound].trimmed
        guard row.count + 3 >= title.count, row.count <= 2 * title.count + 8 else { return flush() }
        if !underlines.contains(character) { underlines.append(character) }
        let level = 1 + (underlines.firstIndex(of: character) ?? 0)
        blocks.append(.init(.heading(level: level), title.string, line: pending.lowerBound + 1, page: page))
        pending = 0..<0
    }

    /// Whether a line without indentation, between empty or indented lines, is short and in capital letters, or numbered.
    private func isHeading(at i: Int) -> Bool {
        let line = lines[i]
        guard line.count <= 80, line.indentation == 0, i == 0 || lines[i - 1].isBlank else { return false }
        guard let next = lines.indices[(i + 1)...].first(where: { !lines[$0].isBlank }), lines[next].indentation > 0 else { return false }
        let text = line.trimmed, letters = text.count { (65...90).contains($0) }
        let isInCapitals = letters >= 3 && !text.contains { (97...122).contains($0) }
        return isInCapitals || number(of: text) != nil && lines[i + 1].isBlank && letters > 0 && text.last != UInt8(ascii: ".")
    }

    /// The number of parts of a number such as "3.2." at the beginning of a heading.
    private func number(of text: ArraySlice<UInt8>) -> Int? {
        let number = text.prefix { $0.isDigit || $0 == UInt8(ascii: ".") }
        guard let first = number.first, first.isDigit, number.count < 16, number.count < text.count,
            text[number.endIndex].isSpace else { return nil }
        return number.split(separator: UInt8(ascii: ".")).count
    }

    private mutating func flush() {
        defer {
            pending = 0..<0
            isItem = false
        }
        guard !pending.isEmpty else { return }
        blocks.append(.init(
            isItem ? .listItem : .paragraph, lines.text(pending), line: pending.lowerBound + 1, page: page))
    }
}
