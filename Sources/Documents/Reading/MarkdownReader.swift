import Files

/// Reads Markdown: headings, paragraphs, items of lists, tables and code. Text keeps its marks, which models read and write.
struct MarkdownReader {
    private let lines: SourceLines
    private var blocks: [Document.Block] = []
    private var title: String?
    private var pending = 0..<0
    private var isItem = false
    /// The first row of the table that is being read.
    private var tableHeader: String?
    /// The last line that ends a comment. A comment without an end is text.
    private let lastCommentEnd: Int

    static func document(_ text: [UInt8]) -> Document {
        var reader = MarkdownReader(lines: SourceLines(text))
        reader.read()
        let heading = reader.blocks.first { $0.kind == .heading(level: 1) }?.text
        return Document(title: reader.title ?? heading, blocks: reader.blocks)
    }

    private init(lines: SourceLines) {
        self.lines = lines
        lastCommentEnd = lines.indices.last { lines[$0].range(of: "-->".utf8) != nil } ?? -1
    }

    private mutating func read() {
        var i = skippingFrontMatter()
        while i < lines.count {
            let line = lines[i], text = line.trimmed, indentation = line.indentation
            if text.isEmpty {
                flush()
                tableHeader = nil
            } else if let fence = fence(text), indentation < 4 || isItem {
                i = readCode(from: i, fence)
                continue
            } else if indentation >= 4, pending.isEmpty, blocks.last?.kind != .listItem {
                i = readIndentedCode(from: i)
                continue
            } else if i <= lastCommentEnd, text.starts(with: "<!--".utf8), pending.isEmpty {
                i = skippingComment(from: i)
                continue
            } else if let heading = heading(text), indentation < 4 {
                flush()
                addHeading(heading.level, heading.text, line: i + 1)
            } else if pending.count == 1, !isItem, text.isRow(of: "=-", atLeast: 1) {
                let level = text.first == UInt8(ascii: "=") ? 1 : 2
                addHeading(level, lines[pending.lowerBound].trimmed, line: pending.lowerBound + 1)
                pending = 0..<0
            } else if text.isRow(of: "-*_", atLeast: 3) {
                flush()
            } else if text.first == UInt8(ascii: "|") {
                readTableRow(at: i, text)
            } else {
                if line.listMarker != nil {
                    flush()
                    isItem = true
                }
                pending = pending.isEmpty ? i..<i + 1 : pending.lowerBound..<i + 1
            }
            i += 1
        }
        flush()
    }

    /// A title in YAML before the text.
    private mutating func skippingFrontMatter() -> Int {
        guard lines.count > 1, lines[0].elementsEqual("---".utf8) else { return 0 }
        let end = lines.indices[1...].prefix(200).first { lines[$0].elementsEqual("---".utf8) || lines[$0].elementsEqual("...".utf8) }
        guard let end else { return 0 }
        for i in 1..<end where lines[i].starts(with: "title:".utf8) {
            let value = lines[i].dropFirst("title:".utf8.count).trimmed
            let isQuoted = value.count > 1 && value.first == value.last && value.first.map { "\"'".utf8.contains($0) } == true
            title = (isQuoted ? value.dropFirst().dropLast() : value).string
        }
        return end + 1
    }

    /// The characters that begin a block of code.
    private func fence(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let first = text.first, "`~".utf8.contains(first) else { return nil }
        let fence = text.prefix { $0 == first }
        // Three backticks in a line of text are code in this line.
        guard fence.count >= 3, first != UInt8(ascii: "`") || !text[fence.endIndex...].contains(first) else { return nil }
        return fence
    }

    /// - Returns: The line after the code.
    private mutating func readCode(from start: Int, _ fence: ArraySlice<UInt8>) -> Int {
        flush()
        let end = lines.indices[(start + 1)...].first { line in
            let text = lines[line].trimmed
            return text.count >= fence.count && text.allSatisfy { $0 == fence.first }
        }
        add(start + 1..<(end ?? lines.count), .code(label: nil))
        return (end ?? lines.count) + 1
    }

    private mutating func readIndentedCode(from start: Int) -> Int {
        var end = start + 1
        for i in start..<lines.count {
            if lines[i].isBlank { continue }
            if lines[i].indentation < 4 { break }
            end = i + 1
        }
        add(start..<end, .code(label: nil))
        return end
    }

    private func skippingComment(from start: Int) -> Int {
        (lines.indices[start...].first { lines[$0].range(of: "-->".utf8) != nil } ?? start) + 1
    }

    private func heading(_ text: ArraySlice<UInt8>) -> (level: Int, text: ArraySlice<UInt8>)? {
        let level = text.prefix { $0 == UInt8(ascii: "#") }.count
        guard (1...6).contains(level), level < text.count, text[text.startIndex + level].isSpace else { return nil }
        var title = text.dropFirst(level).trimmed
        while title.last == UInt8(ascii: "#") { title.removeLast() }
        return (level, title.trimmed)
    }

    private mutating func addHeading(_ level: Int, _ text: ArraySlice<UInt8>, line: Int) {
        let title = plain(text)
        if !text.isEmpty { blocks.append(.init(.heading(level: level), title.isEmpty ? text.string : title, line: line)) }
    }

    private mutating func readTableRow(at i: Int, _ text: ArraySlice<UInt8>) {
        flush()
        if text.allSatisfy({ "|-: ".utf8.contains($0) }) { return }
        if tableHeader == nil, i + 1 < lines.count, lines[i + 1].trimmed.allSatisfy({ "|-: ".utf8.contains($0) }), !lines[i + 1].isBlank {
            tableHeader = text.string
        } else {
            blocks.append(.init(.row(header: tableHeader), text.string, line: i + 1))
        }
    }

    private mutating func flush() {
        add(pending, isItem ? .listItem : .paragraph)
        pending = 0..<0
        isItem = false
    }

    private mutating func add(_ range: Range<Int>, _ kind: Document.Block.Kind) {
        guard let first = range.first, !range.allSatisfy({ lines[$0].isBlank }) else { return }
        blocks.append(.init(kind, lines.text(range), line: first + 1))
    }

    /// A heading without backticks, asterisks and the targets of links. What follows its first 1,000 bytes is left out.
    private func plain(_ heading: ArraySlice<UInt8>) -> String {
        let text = heading.prefix(1_000)
        var result: [UInt8] = [], i = text.startIndex
        // Where the texts of links begin in the result.
        var open: [Int] = []
        while i < text.endIndex {
            switch text[i] {
            case UInt8(ascii: "`"), UInt8(ascii: "*"): break
            case UInt8(ascii: "]"):
                let start = open.popLast()
                if let start, text[i...].starts(with: "](".utf8), let end = text[i...].firstIndex(of: UInt8(ascii: ")")) {
                    result.remove(at: start)
                    i = end
                } else { result.append(text[i]) }
            case let byte:
                if byte == UInt8(ascii: "[") { open.append(result.count) }
                result.append(byte)
            }
            i += 1
        }
        return result[...].string
    }
}
