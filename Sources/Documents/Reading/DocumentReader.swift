import Files

/// Reads files of all formats that an index can contain. The format follows from the name of a file, and from its first bytes.
///
///     let reader = DocumentReader()
///     let document = try reader.document(bytes, name: "notes/pump.md", path: "/home/me/notes/pump.md")
package struct DocumentReader {
    package enum Format: Sendable, Equatable {
        case text, markdown, html, table, jsonLines, code, pdf, docx, epub
        /// A format that is not read, by its name.
        case unsupported(String)
    }

    package struct Limits: Sendable {
        /// The size of a file in bytes.
        package var fileSize = 50_000_000
        /// The time to convert a PDF.
        package var conversionTime = Duration.seconds(60)
        /// The memory to convert a PDF, in bytes.
        package var conversionMemory = 1 << 30
        /// The size of a PDF's text, and of what is read of a DOCX or an EPUB, in bytes.
        package var convertedSize = 50_000_000

        package init() {}
    }

    package let limits: Limits
    private let pdf: PDFReader

    /// - Parameter programs: Folders, separated by colons, of the programs that convert formats.
    package init(limits: Limits = Limits(), programs: String) {
        self.limits = limits
        pdf = PDFReader(
            searching: programs, timeout: limits.conversionTime, limit: limits.convertedSize, memory: limits.conversionMemory)
    }

    /// - Parameters:
    ///   - name: The file's name, of which the ending counts.
    ///   - path: The file itself, for programs that convert it.
    package func document(_ bytes: [UInt8], name: String, path: String) throws(SkipReason) -> Document {
        let format = bytes.starts(with: "%PDF-".utf8) ? .pdf : Self.format(ofFile: name)
        let document: Document
        switch format {
        case .unsupported(let format): throw .unsupported(format: format)
        case .pdf: document = try pdf.document(at: path)
        case .docx: document = try DOCXReader.document(bytes, limit: limits.convertedSize)
        case .epub: document = try EPUBReader.document(bytes, limit: limits.convertedSize)
        case .text: document = PlainTextReader.document(try TextDecoding.utf8(of: bytes))
        case .markdown: document = MarkdownReader.document(try TextDecoding.utf8(of: bytes))
        case .html: document = HTMLReader.document(try TextDecoding.utf8(of: bytes))
        case .table: document = TableReader.document(try TextDecoding.utf8(of: bytes))
        case .jsonLines: document = JSONLinesReader.document(try TextDecoding.utf8(of: bytes))
        case .code: document = CodeReader.document(try TextDecoding.utf8(of: bytes))
        }
        guard !document.blocks.isEmpty else { throw .empty }
        return document
    }

    package static func format(ofFile name: String) -> Format {
        let file = RelativePath.fileName(of: name)
        guard let dot = file.lastIndex(of: "."), dot > file.startIndex else { return codeNames.contains(file) ? .code : .text }
        let ending = file[file.index(after: dot)...].lowercased()
        switch ending {
        case "md", "markdown", "mdx", "qmd", "rmd": return .markdown
        case "html", "htm", "xhtml": return .html
        case "csv", "tsv": return .table
        case "jsonl", "ndjson": return .jsonLines
        case "pdf": return .pdf
        case "docx": return .docx
        case "epub": return .epub
        case "odt", "doc", "rtf", "pptx", "xlsx", "ods", "odp": return .unsupported(ending.uppercased())
        default: return codeEndings.contains(ending) ? .code : .text
        }
    }

    private static let codeNames: Set = ["Makefile", "Dockerfile", "CMakeLists.txt", "Rakefile", "Gemfile"]
    private static let codeEndings: Set<String> = Set("""
        swift c h cc cpp cxx hpp hh m mm rs go py pyi rb js mjs cjs ts tsx jsx java kt kts scala cs fs php pl pm lua sh bash zsh \
        fish sql r jl hs ml mli ex exs erl clj cljs lisp el vim css scss less toml yaml yml json xml ini cfg conf cmake mk \
        gradle tf proto zig nim dart v sv vhd f f90 f95 pas ada asm s bat ps1 awk sed tcl groovy
        """.split(separator: " ").map(String.init))
}
