/// Reads DOCX (Office Open XML): headings by their styles, paragraphs, items of lists and rows of tables. Headers, footers, footnotes,
/// comments and deleted text are left out. Lines are those of the text: paragraphs and rows are counted.
struct DOCXReader {
    private let styles: [String: Style]
    private var blocks: [Document.Block] = []
    private var title: String?

    // The paragraph that is being read.
    private var text: [UInt8] = []
    private var style: Style?
    private var isItem = false
    private var isText = false
    /// How many elements that are left out are open.
    private var skipped = 0
    /// Open tables. Those inside of another one are text of its cells.
    private var tables = 0
    private var cells: [String] = []
    private var isHeaderRow = false
    private var tableHeader: String?

    fileprivate enum Style: Equatable {
        case title, heading(level: Int)
    }

    private static let leftOut: Set = ["mc:Fallback", "w:del", "w:moveFrom", "w:pPrChange", "w:trPrChange"]

    /// - Parameter limit: The most bytes of the text with its markup.
    static func document(_ bytes: [UInt8], limit: Int) throws(SkipReason) -> Document {
        var archive = try ZippedFiles(bytes, limit: limit)
        guard let text = try archive.contents(of: "word/document.xml") else { throw .damaged("it has no word/document.xml") }
        var reader = DOCXReader(styles: styles(try archive.contents(of: "word/styles.xml") ?? []))
        reader.read(TextDecoding.withoutControls(text[...]))
        let named = PackageTitle.title(in: try archive.contents(of: "docProps/core.xml") ?? [])
        let heading = reader.blocks.first { $0.kind == .heading(level: 1) }?.text
        return Document(title: named ?? reader.title ?? heading, blocks: reader.blocks)
    }

    private init(styles: [String: Style]) { self.styles = styles }

    /// The styles of headings by their ids, which differ between languages. Their names do not.
    private static func styles(_ bytes: [UInt8]) -> [String: Style] {
        var scanner = XMLScanner(bytes), styles: [String: Style] = [:], id: String?
        while let token = scanner.next() {
            guard case .start(let tag) = token else { continue }
            switch tag.name {
            case "w:style": id = tag["w:styleId"]
            case "w:name":
                let name = tag["w:val"]?.lowercased() ?? ""
                if let id, name == "title" { styles[id] = .title }
                if let id, name.hasPrefix("heading "), let level = Int(name.dropFirst(8)) { styles[id] = heading(level) }
            case "w:outlineLvl":
                if let id, styles[id] == nil, let level = tag["w:val"].flatMap({ Int($0) }), level < 9 { styles[id] = heading(level + 1) }
            default: break
            }
        }
        return styles
    }

    private static func heading(_ level: Int) -> Style { .heading(level: min(max(level, 1), 6)) }

    private mutating func read(_ bytes: [UInt8]) {
        var scanner = XMLScanner(bytes)
        while let token = scanner.next() {
            switch token {
            case .start(let tag):
                if Self.leftOut.contains(tag.name) { if !tag.isEmpty { skipped += 1 } } else if skipped == 0 { start(tag) }
            case .end(let name):
                if Self.leftOut.contains(name) { skipped = max(0, skipped - 1) } else if skipped == 0 { end(name) }
            case .text(let characters): if isText, skipped == 0 { text += characters }
            }
        }
        endParagraph()
        endRow()
    }

    private mutating func start(_ tag: XMLScanner.Tag) {
        switch tag.name {
        case "w:p": endParagraph()
        case "w:pStyle": style = tag["w:val"].flatMap { styles[$0] }
        case "w:outlineLvl": if let level = tag["w:val"].flatMap({ Int($0) }), level < 9 { style = Self.heading(level + 1) }
        case "w:numPr": isItem = true
        case "w:t": isText = !tag.isEmpty
        case "w:tab": text.append(32)
        case "w:br", "w:cr": text.append(10)
        case "w:noBreakHyphen": text.append(UInt8(ascii: "-"))
        case "w:tbl":
            endParagraph()
            tables += 1
            if tables == 1 { tableHeader = nil }
        case "w:tc" where tables == 1: cells.append("")
        case "w:tblHeader" where tables == 1: isHeaderRow = tag["w:val"].map { $0 != "0" && $0 != "false" } ?? true
        default: break
        }
    }

    private mutating func end(_ name: String) {
        switch name {
        case "w:t": isText = false
        case "w:p": endParagraph()
        case "w:tr" where tables == 1: endRow()
        case "w:tbl": tables = max(0, tables - 1)
        default: break
        }
    }

    private mutating func endParagraph() {
        let string = text[...].trimmed.string
        defer {
            text = []
            style = nil
            isItem = false
        }
        if string.isEmpty { return }
        if tables > 0 {
            if cells.isEmpty { cells.append("") }
            cells[cells.count - 1] += (cells[cells.count - 1].isEmpty ? "" : " ") + string
            return
        }
        switch style {
        case .title? where title == nil && blocks.isEmpty: title = string
        case .title?: add(.heading(level: 1), string)
        case .heading(let level)?: add(.heading(level: level), string)
        case nil: add(isItem ? .listItem : .paragraph, string)
        }
    }

    private mutating func endRow() {
        let row = cells.joined(separator: " | "), isEmpty = cells.allSatisfy(\.isEmpty)
        cells = []
        defer { isHeaderRow = false }
        if isEmpty { return }
        if isHeaderRow, tableHeader == nil { tableHeader = row } else { add(.row(header: tableHeader), row) }
    }

    private mutating func add(_ kind: Document.Block.Kind, _ text: String) { blocks.append(.init(kind, text, line: blocks.count + 1)) }
}

/// The title in the metadata of a DOCX or an EPUB.
enum PackageTitle {
    /// nil if there is none.
    static func title(in metadata: [UInt8]) -> String? {
        var scanner = XMLScanner(TextDecoding.withoutControls(metadata[...])), isTitle = false
        while let token = scanner.next() {
            switch token {
            case .start(let tag): isTitle = tag.name == "dc:title" && !tag.isEmpty
            case .end: isTitle = false
            case .text(let text):
                let string = text[...].trimmed.string
                if isTitle, !string.isEmpty { return string }
            }
        }
        return nil
    }
}
