import Files

/// Reads source code of any language: blocks of lines at the outermost level, each with the comment above it.
///
/// A block begins at a line without indentation after an empty line. This holds for functions and types of most languages.
enum CodeReader {
    static func document(_ text: [UInt8]) -> Document {
        let lines = SourceLines(text)
        var blocks: [Document.Block] = [], start = 0
        func add(to end: Int) {
            let range = start..<end
            guard let first = range.first(where: { !lines[$0].isBlank }),
                let last = range.last(where: { !lines[$0].isBlank }) else { return }
            blocks.append(.init(.code(label: label(of: first..<last + 1, lines)), lines.text(first..<last + 1), line: first + 1))
        }
        for i in lines.indices.dropFirst() where lines[i - 1].isBlank && beginsBlock(lines[i]) {
            add(to: i)
            start = i
        }
        add(to: lines.count)
        return Document(blocks: blocks)
    }

    private static func beginsBlock(_ line: ArraySlice<UInt8>) -> Bool {
        guard let first = line.first, !first.isSpace else { return false }
        return !"})]".utf8.contains(first)
    }

    /// The first line that is not a comment, without what opens its body.
    private static func label(of range: Range<Int>, _ lines: SourceLines) -> String? {
        let comments = ["//", "#", "/*", "*", "--", ";", "\"\"\"", "'''", "<!--", "%", "@"].map { Array($0.utf8) }
        let line = range.prefix(200).first { i in
            let text = lines[i].trimmed
            let isDirective = text.starts(with: "#define".utf8) || text.starts(with: "#include".utf8)
            return !text.isEmpty && (isDirective || !comments.contains { text.starts(with: $0) })
        }
        guard let line else { return nil }
        var text = lines[line].trimmed
        while let last = text.last, "{:(= ".utf8.contains(last) { text.removeLast() }
        return text.isEmpty ? nil : text.string
    }
}
