/// Reads EPUB: the chapters of a book in the order of reading, each of which is XHTML. Lines are those of the text: blocks are counted.
struct EPUBReader {
    private var archive: ZippedFiles
    private var blocks: [Document.Block] = []

    private static let mostChapters = 10_000

    /// - Parameter limit: The most bytes of the chapters with their markup.
    static func document(_ bytes: [UInt8], limit: Int) throws(SkipReason) -> Document {
        var reader = EPUBReader(archive: try ZippedFiles(bytes, limit: limit))
        return try reader.document()
    }

    private init(archive: ZippedFiles) { self.archive = archive }

    private mutating func document() throws(SkipReason) -> Document {
        guard let container = try archive.contents(of: "META-INF/container.xml"), let path = Self.packagePath(in: container),
            let package = try archive.contents(of: path) else { throw .damaged("it does not say which chapters it has") }
        let title = PackageTitle.title(in: package)
        for chapter in Self.chapters(in: package, at: path).prefix(Self.mostChapters) {
            // A chapter that is no text does not make the others unreadable.
            guard let bytes = try archive.contents(of: chapter), let text = try? TextDecoding.utf8(of: bytes) else { continue }
            add(HTMLReader.document(text, isXML: true), title)
        }
        return Document(title: title, blocks: blocks)
    }

    private mutating func add(_ chapter: Document, _ bookTitle: String?) {
        let hasHeading = chapter.blocks.contains { if case .heading = $0.kind { true } else { false } }
        // Without one, the passages would be below the heading of the chapter before.
        if !hasHeading, let title = chapter.title, title != bookTitle, !chapter.blocks.isEmpty { add(.heading(level: 1), title) }
        for block in chapter.blocks { add(block.kind, block.text) }
    }

    private mutating func add(_ kind: Document.Block.Kind, _ text: String) { blocks.append(.init(kind, text, line: blocks.count + 1)) }

    private static func packagePath(in container: [UInt8]) -> String? {
        var scanner = XMLScanner(container)
        while let token = scanner.next() {
            if case .start(let tag) = token, tag.name.split(separator: ":").last == "rootfile" { return tag["full-path"] }
        }
        return nil
    }

    /// The names of the chapters in the archive.
    private static func chapters(in package: [UInt8], at path: String) -> [String] {
        var scanner = XMLScanner(package), files: [String: String] = [:], order: [String] = []
        while let token = scanner.next() {
            guard case .start(let tag) = token else { continue }
            // Some books write the prefix of the namespace.
            switch tag.name.split(separator: ":").last {
            case "item":
                let isText = tag["media-type"].map { $0 == "application/xhtml+xml" || $0 == "text/html" } ?? false
                if isText, let id = tag["id"], let file = tag["href"] { files[id] = file }
            case "itemref": if let id = tag["idref"] { order.append(id) }
            default: break
            }
        }
        let folder = path.split(separator: "/").dropLast().map(String.init)
        return order.compactMap { files[$0] }.map { resolved($0, in: folder) }
    }

    /// A name in the archive for a reference to it.
    private static func resolved(_ reference: String, in folder: [String]) -> String {
        var parts = folder
        for part in percentDecoded(reference).split(separator: "/") where part != "." {
            if part == ".." { if !parts.isEmpty { parts.removeLast() } } else { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    private static func percentDecoded(_ text: String) -> String {
        let parts = text.utf8.prefix { $0 != UInt8(ascii: "#") }.split(separator: UInt8(ascii: "%"), omittingEmptySubsequences: false)
        let decoded = parts.dropFirst().reduce(into: Array(parts[0])) { result, part in
            if part.count >= 2, let byte = UInt8(String(decoding: part.prefix(2), as: UTF8.self), radix: 16) {
                result += [byte] + part.dropFirst(2)
            } else { result += [UInt8(ascii: "%")] + part }
        }
        return String(decoding: decoded, as: UTF8.self)
    }
}
