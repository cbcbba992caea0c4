import Documents
import Gzip
import Testing
import TestSupport

/// DOCX and EPUB: zip archives with XML.
@Suite struct PackageReaderTests {
    private let reader = DocumentReader(programs: "")

    /// Kind, line and text of each block.
    private func blocks(_ archive: [UInt8], _ name: String) throws -> [String] {
        try reader.document(archive, name: name, path: "").blocks.map { block in
            switch block.kind {
            case .heading(let level): "h\(level) \(block.line): \(block.text)"
            case .listItem: "li \(block.line): \(block.text)"
            case .row(let header): "row(\(header ?? "")) \(block.line): \(block.text)"
            default: "p \(block.line): \(block.text)"
            }
        }
    }

    private static let styles = """
        <w:styles><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style><w:style w:styleId="T"><w:name w:val="Title"/>
        </w:style><w:style w:styleId="Mine"><w:name w:val="Mine"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style></w:styles>
        """

    /// A paragraph.
    private static func p(_ text: String, _ properties: String = "") -> String {
        "<w:p><w:pPr>\(properties)</w:pPr><w:r><w:t xml:space=\"preserve\">\(text)</w:t></w:r></w:p>"
    }

    private static func docx(_ body: String, _ others: [String: String] = [:]) -> [UInt8] {
        let files = [
            "word/document.xml": "<?xml version=\"1.0\"?><w:document><w:body>\(body)</w:body></w:document>", "word/styles.xml": styles,
        ]
        return ZipWriter.archive(files.merging(others) { $1 })
    }

    @Test func `DOCX has headings, paragraphs, items and tables`() throws {
        let p = Self.p
        let cells = { (texts: [String]) in texts.map { "<w:tc>\(p($0, ""))</w:tc>" }.joined() }
        let body = p("The pump", "<w:pStyle w:val=\"T\"/>") + p("Reset", "<w:pStyle w:val=\"berschrift1\"/>")
            + "<w:p><w:r><w:t>Hold the </w:t></w:r><w:r><w:t>red</w:t><w:tab/><w:t>button &amp; wait.</w:t><w:br/>"
            + "<w:t>Then go.</w:t></w:r></w:p>"
            + p("one", "<w:numPr/>") + p("Deep", "<w:pStyle w:val=\"Mine\"/>") + p("Own", "<w:outlineLvl w:val='2'/>")
            + "<w:p><w:del><w:r><w:t>gone</w:t></w:r></w:del><w:r><w:instrText>PAGE</w:instrText><w:delText>gone</w:delText></w:r></w:p>"
            + "<w:tbl><w:tr><w:trPr><w:tblHeader/></w:trPr>\(cells(["code", "meaning"]))</w:tr><w:tr>\(cells(["E1", "no water"]))</w:tr>"
            + "<w:tr><w:tc>\(p("E2", ""))\(p("(new)", ""))<w:tbl><w:tr>\(cells(["inner"]))</w:tr></w:tbl></w:tc>"
            + "\(cells(["hot"]))</w:tr></w:tbl>"
            + "<mc:AlternateContent><mc:Choice>\(p("box", ""))</mc:Choice><mc:Fallback>\(p("box", ""))</mc:Fallback></mc:AlternateContent>"
        #expect(try blocks(Self.docx(body), "a.docx") == [
            "h1 1: Reset", "p 2: Hold the red button & wait.\nThen go.", "li 3: one", "h2 4: Deep", "h3 5: Own",
            "row(code | meaning) 6: E1 | no water", "row(code | meaning) 7: E2 (new) inner | hot", "p 8: box",
        ])
        func title(_ others: [String: String] = [:]) throws -> String? {
            try reader.document(Self.docx(body, others), name: "a.docx", path: "").title
        }
        #expect(try title() == "The pump")
        #expect(try title(["docProps/core.xml": "<cp:coreProperties><dc:title> P200 </dc:title></cp:coreProperties>"]) == "P200")
        #expect(try title(["docProps/core.xml": "<cp:coreProperties><dc:title/></cp:coreProperties>"]) == "The pump")
    }

    @Test func `tracked changes of the formatting are left out`() throws {
        let before = "<w:pPrChange><w:pPr><w:pStyle w:val=\"None\"/><w:numPr/></w:pPr></w:pPrChange>"
        let body = Self.p("Reset", "<w:pStyle w:val=\"berschrift1\"/>" + before)
        #expect(try blocks(Self.docx(body), "a.docx") == ["h1 1: Reset"])
    }

    @Test func `empty elements of XHTML end where they begin`() throws {
        let chapter = "<html><head><title/><script src=\"a.js\"/></head><body><p>Hi</p></body></html>"
        #expect(try blocks(Self.epub([("a.xhtml", chapter)]), "a.epub") == ["p 1: Hi"])
    }

    private static func epub(_ chapters: [(file: String, text: String)], package: String = "OEBPS/book.opf") -> [UInt8] {
        let items = chapters.enumerated().map { i, chapter in
            "<item id=\"c\(i)\" href=\"\(chapter.file)\" media-type=\"application/xhtml+xml\"/>"
        }.reversed().joined()
        let order = chapters.indices.map { "<itemref idref='c\($0)'/>" }.joined()
        var files = [
            "mimetype": "application/epub+zip", "META-INF/container.xml": "<container><rootfile full-path=\"\(package)\"/></container>",
            package: "<package><metadata><dc:title>The book</dc:title></metadata><manifest>"
                + "<item id='i' href='i.png' media-type='image/png'/>\(items)</manifest><spine>\(order)<itemref idref='i'/>"
                + "<itemref idref='none'/></spine></package>",
        ]
        for (file, text) in chapters {
            let name = file == "../more.xhtml" ? "more.xhtml" : "OEBPS/" + file.replacing("%20", with: " ").replacing("./", with: "")
            files[name] = text
        }
        return ZipWriter.archive(files)
    }

    @Test func `EPUB has its chapters in the order of reading`() throws {
        let book = Self.epub([
            ("one.xhtml", "<html><head><title>The book</title></head><body><h1>One</h1><p>First.</p></body></html>"),
            ("./text/two%20b.xhtml", "<html><head><title>Two</title></head><body><p>Second.<script>no()</script></p></body></html>"),
            ("../more.xhtml", "<html><head><title>The book</title></head><body><p>Last.</p></body></html>"),
            ("missing.xhtml#x", "<p>not found by this name</p>"),
        ])
        #expect(try blocks(book, "a.epub") == [
            "h1 1: One", "p 2: First.", "h1 3: Two", "p 4: Second.", "p 5: Last.",
        ])
        #expect(try reader.document(book, name: "a.epub", path: "").title == "The book")
    }

    @Test func `damaged and encrypted archives are refused with a reason`() throws {
        let good = Self.docx(Self.p("The pump."))
        func reason(_ bytes: [UInt8], _ name: String = "a.docx") -> SkipReason? {
            do throws(SkipReason) {
                _ = try reader.document(bytes, name: name, path: "")
                return nil
            } catch { return error }
        }
        #expect(reason(good) == nil && reason(good, "a.epub") == .damaged("it does not say which chapters it has"))
        #expect(reason([]) == .damaged("it has no directory of a zip archive") && reason(Array(good.dropLast())) != nil)
        #expect(reason(ZipWriter.archive(["a": "b"])) == .damaged("it has no word/document.xml"))
        #expect(reason(Self.docx("")) == .empty)
        #expect(reason(ZipWriter.archive(["word/document.xml": "x"], flags: 1)) == .unsupported(format: "an encrypted file"))
        #expect(reason(ZipWriter.archive(["word/document.xml": "x"], method: 14)) == .unsupported(format: "zip compression 14"))
        var wrong = ZipWriter.archive(["word/document.xml": "<w:t>x</w:t>"], compresses: false)
        wrong[50] ^= 1
        #expect(reason(wrong) == .damaged("the checksum of word/document.xml is wrong"))
    }

    @Test func `an archive that expands beyond the limit is refused before it is expanded`() throws {
        var limits = DocumentReader.Limits()
        limits.convertedSize = 1_000_000
        let reader = DocumentReader(limits: limits, programs: "")
        let bomb = Self.docx(String(repeating: Self.p("x"), count: 60_000))
        #expect(bomb.count < 100_000)
        let expected = SkipReason.notConverted("it expands to more than 1 MB")
        #expect(throws: expected) { try reader.document(bomb, name: "a.docx", path: "") }
        // Also if it lies about its size, and in many parts.
        #expect(throws: expected) {
            try reader.document(
                ZipWriter.archive(["word/document.xml": String(repeating: "x", count: 3_000_000)], size: 10), name: "a.docx", path: "")
        }
        let chapter = "<p>" + String(repeating: "x", count: 400_000) + "</p>"
        let book = Self.epub((0..<4).map { ("\($0).xhtml", chapter) })
        #expect(throws: expected) { try reader.document(book, name: "a.epub", path: "") }
    }

    @Test(arguments: ["a.docx", "a.epub"]) func `damaged archives are read or refused`(name: String) throws {
        let cell = "<w:tbl><w:tr><w:tc>\(Self.p("c"))</w:tc></w:tr></w:tbl>"
        let docx = Self.p("T", "<w:pStyle w:val=\"T\"/>") + Self.p("a &#65;") + cell + "<!-- x --><![CDATA[y]]>"
        let chapter = "<html><head><title>T</title></head><body><h1>A</h1><p>b<ul><li>c</ul></body></html>"
        let seed = name == "a.docx" ? Self.docx(docx) : Self.epub([("1.xhtml", chapter), ("../more.xhtml", chapter)])
        let words = [
            "<w:p>", "</w:tbl>", "<w:tc>", "<![CDATA[", "]]>", "<!--", "&#", "PK\u{1}\u{2}", "PK\u{5}\u{6}", "=\"", "<item id='c0'",
        ]
        var mutator = Mutator(seed: 5, words: words)
        for _ in 0..<fuzzRounds(default: 1_500) {
            var bytes = seed
            for _ in 0...mutator.random.below(3) { mutator.damage(&bytes) }
            guard let document = try? reader.document(bytes, name: name, path: "") else { continue }
            #expect(document.blocks.allSatisfy { !$0.text.isEmpty && $0.line >= 1 })
        }
        // Damaged XML in a whole archive.
        for _ in 0..<fuzzRounds(default: 1_500) {
            var bytes = Array((name == "a.docx" ? docx : chapter).utf8)
            for _ in 0...mutator.random.below(3) { mutator.damage(&bytes) }
            let text = String(decoding: bytes, as: UTF8.self)
            let archive = name == "a.docx" ? Self.docx(text) : Self.epub([("1.xhtml", text)])
            guard let document = try? reader.document(archive, name: name, path: "") else { continue }
            #expect(document.blocks.allSatisfy { !$0.text.isEmpty })
        }
    }

    @Test(arguments: ["<", "<w:p>", "<w:tbl>", "<w:t>", "<![CDATA[", "<!--", "&", "<a b=\"", "<w:del>", "<w:pStyle w:val="])
    func `long XML of one part is read in linear time`(part: String) {
        let bytes = Self.docx(String(repeating: part, count: 400_000 / part.utf8.count) + Self.p("x"))
        _ = try? reader.document(bytes, name: "a.docx", path: "")
    }
}

/// Writes zip archives, also damaged ones.
enum ZipWriter {
    /// - Parameters:
    ///   - method: What the headers say; nil for the true method.
    ///   - size: What the headers say; nil for the true sizes.
    static func archive(
        _ files: [String: String], compresses: Bool = true, flags: Int = 0, method: Int? = nil, size: Int? = nil
    ) -> [UInt8] {
        var bytes: [UInt8] = [], directory: [UInt8] = []
        for (name, text) in files.sorted(by: { $0.key < $1.key }) {
            let contents = Array(text.utf8), offset = bytes.count
            // A gzip file is 10 bytes, the deflated data, and 8 bytes.
            let stored = compresses ? Array(Gzip.compress(contents).dropFirst(10).dropLast(8)) : contents
            let header = number(20, 2) + number(flags, 2) + number(method ?? (compresses ? 8 : 0), 2) + number(0, 4)
                + number(Int(CRC32.of(contents.span)), 4) + number(stored.count, 4) + number(size ?? contents.count, 4)
                + number(name.utf8.count, 2) + number(0, 2)
            bytes += number(0x0403_4B50, 4) + header + name.utf8 + stored
            directory += number(0x0201_4B50, 4) + number(20, 2) + header + number(0, 2) + number(0, 2) + number(0, 2) + number(0, 4)
                + number(offset, 4) + name.utf8
        }
        let end = number(0x0605_4B50, 4) + number(0, 4) + number(files.count, 2) + number(files.count, 2) + number(directory.count, 4)
            + number(bytes.count, 4) + number(0, 2)
        return bytes + directory + end
    }

    private static func number(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}
