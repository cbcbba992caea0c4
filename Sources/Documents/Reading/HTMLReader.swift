import Files

/// Reads HTML: headings, paragraphs, items of lists, rows of tables and preformatted text. Scripts and styles are left out.
///
/// It reads any bytes as browsers do: text that is not well formed is text, and an element that is not closed ends with the file.
struct HTMLReader {
    private let bytes: [UInt8]
    /// Whether `<title/>` is an empty element, as in XHTML.
    private let isXML: Bool
    private var position = 0
    /// The line of `position`.
    private var line = 1
    private var title: String?
    private var blocks: [Document.Block] = []

    // The block that is being read.
    private var text: [UInt8] = []
    private var textLine = 1
    private var kind = Document.Block.Kind.paragraph
    private var isPreformatted = false
    /// The row of a table that is being read; nil outside of rows.
    private var row: Row?
    private var tableHeader: String?

    private struct Row {
        var hasData = false
    }

    static func document(_ text: [UInt8], isXML: Bool = false) -> Document {
        var reader = HTMLReader(text, isXML: isXML || text.starts(with: "<?xml".utf8))
        reader.read()
        let heading = reader.blocks.first { $0.kind == .heading(level: 1) }?.text
        return Document(title: reader.title ?? heading, blocks: reader.blocks)
    }

    private init(_ bytes: [UInt8], isXML: Bool = false) {
        self.bytes = bytes
        self.isXML = isXML
    }

    private mutating func read() {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "<"): readMarkup()
            case UInt8(ascii: "&"):
                let (characters, length) = HTMLEntities.decoded(bytes[position...])
                for byte in characters { add(byte) }
                advance(by: length)
            case let byte:
                add(byte)
                advance(by: 1)
            }
        }
        flush()
    }

    private mutating func advance(by count: Int) {
        let end = min(bytes.count, position + count)
        for i in position..<end where bytes[i] == 10 { line += 1 }
        position = end
    }

    /// Adds a character of the text. White space becomes one space, except in preformatted text.
    private mutating func add(_ byte: UInt8) {
        if byte.isSpace, !isPreformatted {
            if let last = text.last, last != 32, last != 10 { text.append(32) }
            return
        }
        if text.isEmpty { textLine = line }
        text.append(byte)
    }
}

/// Markup.
extension HTMLReader {
    private mutating func readMarkup() {
        let rest = bytes[position...]
        guard let next = rest.dropFirst().first else { return literal() }
        switch next {
        case UInt8(ascii: "!") where rest.starts(with: "<!--".utf8):
            advance(by: length(upTo: "-->", from: position + 4))
        case UInt8(ascii: "!"), UInt8(ascii: "?"):
            advance(by: length(upTo: ">", from: position + 1))
        case UInt8(ascii: "/"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
            readTag()
        default: literal()
        }
    }

    private mutating func literal() {
        add(bytes[position])
        advance(by: 1)
    }

    /// The length from `position` to the end of a text, or of the file.
    private func length(upTo end: String, from start: Int) -> Int {
        (bytes.range(of: end.utf8, from: start)?.upperBound ?? bytes.count) - position
    }

    private mutating func readTag() {
        let isEnd = bytes[position + 1] == UInt8(ascii: "/")
        let start = position + (isEnd ? 2 : 1)
        var end = start
        while end < bytes.count, isNameCharacter(bytes[end]) { end += 1 }
        let name = String(decoding: bytes[start..<end].prefix(20).map(lowercased), as: UTF8.self)
        // Attributes: quotes may contain ">".
        var quote: UInt8?, isAfterEquals = false
        while end < bytes.count {
            let byte = bytes[end]
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: ">") {
                break
            } else if isAfterEquals, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            }
            if !byte.isSpace { isAfterEquals = byte == UInt8(ascii: "=") }
            end += 1
        }
        let isEmpty = end < bytes.count && bytes[end - 1] == UInt8(ascii: "/") && (name == "svg" || isXML)
        advance(by: end + 1 - position)
        if isEmpty, name == "title" || Self.skipped.contains(name) { return }
        if isEnd { endElement(name) } else { startElement(name) }
    }

    private func isNameCharacter(_ byte: UInt8) -> Bool {
        (97...122).contains(lowercased(byte)) || byte.isDigit || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ":")
    }

    private func lowercased(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte | 0x20 : byte }

    /// Skips the text of an element up to its end, and returns it.
    private mutating func rawText(of name: String) -> ArraySlice<UInt8> {
        let start = position, wanted = Array("</\(name)".utf8)
        var i = start
        while i < bytes.count {
            if bytes[i] == wanted[0], bytes[i...].prefix(wanted.count).map(lowercased) == wanted { break }
            i += 1
        }
        advance(by: i - start)
        return bytes[start..<i]
    }
}

/// Elements.
extension HTMLReader {
    private static let skipped: Set = ["script", "style", "template", "noscript", "svg", "object", "iframe", "textarea", "select"]
    private static let separating: Set = [
        "html", "head", "body", "p", "div", "section", "article", "header", "footer", "main", "aside", "nav", "ul", "ol", "dl", "dd", "dt",
        "form", "fieldset", "blockquote", "figure", "figcaption", "address", "hr", "caption", "details", "summary", "center", "menu",
    ]

    private mutating func startElement(_ name: String) {
        switch name {
        case "title" where title == nil:
            let text = decodedText(rawText(of: name))
            if !text.isEmpty { title = text }
        case _ where Self.skipped.contains(name): _ = rawText(of: name)
        case "h1", "h2", "h3", "h4", "h5", "h6":
            endRow()
            flush(beginning: .heading(level: Int(name.dropFirst()) ?? 1))
        case "pre":
            if row == nil { flush(beginning: .code(label: nil)) }
            isPreformatted = true
        case "li" where row == nil: flush(beginning: .listItem)
        case "table":
            endRow()
            flush()
            tableHeader = nil
        case "tr":
            endRow()
            flush()
            row = Row()
        case "td", "th":
            if row == nil { row = Row() }
            if name == "td" { row?.hasData = true }
            endCell()
        case "br": if isPreformatted || row != nil { add(32) } else if !text.isEmpty { text.append(10) }
        case _ where Self.separating.contains(name): separate()
        default: break
        }
    }

    private mutating func endElement(_ name: String) {
        switch name {
        case "h1", "h2", "h3", "h4", "h5", "h6": flush()
        case "pre":
            isPreformatted = false
            if row == nil { flush() }
        case "li" where row == nil: flush()
        case "tr", "table":
            endRow()
            if name == "table" { tableHeader = nil }
        case "td", "th": endCell()
        case _ where Self.separating.contains(name): separate()
        default: break
        }
    }

    /// Ends a paragraph; in a row of a table, a word.
    private mutating func separate() {
        if row == nil { flush() } else { add(32) }
    }

    private mutating func endCell() {
        guard row != nil else { return }
        while let last = text.last, last.isSpace { text.removeLast() }
        if !text.isEmpty { text += text.suffix(2).elementsEqual(" |".utf8) ? " ".utf8 : " | ".utf8 }
    }

    private mutating func endRow() {
        guard let row else { return }
        self.row = nil
        var cells = text[...].trimmed
        if cells.last == UInt8(ascii: "|") { cells = cells.dropLast().trimmed }
        text = []
        guard !cells.isEmpty else { return }
        // A row of headers is that of the rows below it.
        if !row.hasData, tableHeader == nil {
            tableHeader = cells.string
        } else {
            blocks.append(.init(.row(header: tableHeader), cells.string, line: textLine))
        }
    }

    /// Ends the block that is being read.
    private mutating func flush(beginning next: Document.Block.Kind = .paragraph) {
        let trimmed = if case .code = kind { text.drop { $0 == 10 }.trimmingSuffix(while: \.isSpace) } else { text[...].trimmed }
        if !trimmed.isEmpty { blocks.append(.init(kind, trimmed.string, line: textLine)) }
        text = []
        kind = next
    }

    private func decodedText(_ raw: ArraySlice<UInt8>) -> String {
        var inner = HTMLReader(Array(raw.filter { $0 != UInt8(ascii: "<") }))
        inner.read()
        return inner.blocks.first?.text ?? ""
    }
}
