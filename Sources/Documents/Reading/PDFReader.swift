import Files
import Platform

/// Reads PDF with `pdftotext` of poppler: the text of each page in reading order.
///
/// The program runs as a process of its own, so that a file that crashes it is only skipped. It is killed after a time, and when its text
/// grows beyond a limit. Its memory is limited, too.
struct PDFReader {
    static let program = "pdftotext", package = "poppler-utils"

    /// The path of the program; nil if it is not installed.
    private let path: String?
    private let timeout: Duration
    private let limit, memory: Int

    /// - Parameters:
    ///   - path: Folders separated by colons in which the program is searched.
    ///   - limit: The most bytes of the text.
    ///   - memory: The most bytes of memory.
    init(searching path: String, timeout: Duration, limit: Int, memory: Int) {
        self.path = path.split(separator: ":").map { "\($0)/\(Self.program)" }.first { FileStatus($0)?.kind == .file }
        self.timeout = timeout
        self.limit = limit
        self.memory = memory
    }

    func document(at file: String) throws(SkipReason) -> Document {
        guard let path else { throw .missingProgram(Self.program, package: Self.package) }
        let text: Result<[UInt8], SkipReason>
        do throws(FileError) { text = try convert(file, path) } catch { throw .notConverted(error.description) }
        return try Self.document(text)
    }

    /// - Returns: The text, or why there is none.
    private func convert(_ file: String, _ program: String) throws(FileError) -> Result<[UInt8], SkipReason> {
        let folder = try ScratchFolder(), text = folder.path + "/text", messages = folder.path + "/messages"
        guard let lock = try FileLock(folder.path + "/lock") else { return .failure(.notConverted("its scratch folder is locked")) }
        let process = try BackgroundProcess(
            program, ["-q", "-enc", "UTF-8", "-eol", "unix", file, text], environment: ["LC_ALL": "C.UTF-8"], output: messages,
            holding: lock, memory: memory)
        var isTooLong = false
        let ending = process.end(within: timeout) {
            isTooLong = isTooLong || (FileStatus(text)?.size ?? 0) > limit
            return isTooLong
        }
        if isTooLong { return .failure(.notConverted("its text is longer than \(limit / 1_000_000) MB")) }
        switch ending {
        case .status(0)?: return .success(try InputFile.contents(of: text))
        case nil: return .failure(.notConverted("\(Self.program) took longer than \(timeout.components.seconds) s"))
        case .signal(let signal)?: return .failure(.notConverted("\(Self.program) crashed (signal \(signal))"))
        case .status(let status)?:
            let lines = try LineBlocks.nonEmptyLines(of: messages)
            return .failure(.notConverted("\(Self.program): " + (lines.last ?? "exit status \(status)")))
        }
    }

    private static func document(_ text: Result<[UInt8], SkipReason>) throws(SkipReason) -> Document {
        let bytes = try TextDecoding.utf8(of: try text.get(), keepsPages: true)
        var blocks: [Document.Block] = []
        for (i, page) in bytes.split(separator: 12, omittingEmptySubsequences: false).enumerated() {
            blocks += PlainTextReader.blocks(Array(page), page: i + 1)
        }
        return Document(blocks: blocks)
    }
}
