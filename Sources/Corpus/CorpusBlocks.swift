package import Files

/// A split of a dataset.
///
///     TokenFile(.val, in: "data")                              // data/val.bin
package enum DatasetSplit: String, Sendable, CaseIterable {
    case train, val
}

/// Consecutive lines of a file of a corpus, or a line that could not be read.
///
///     if case .lines(let lines, let format) = block.content { … }
package struct CorpusBlock: Sendable {
    package enum Content: Sendable {
        case lines(LineBlock, ChatFileFormat)
        case malformed(MalformedLine)
    }

    package let path: String
    package let content: Content
    /// The split of its conversations; nil to choose it by the seed.
    package let split: DatasetSplit?
    /// Whether this block is the first, and the last, of a plain text. Each line of a block of documents is a whole text.
    package let startsText, endsText: Bool
}

/// The blocks of all files of a corpus, in the order of the files, in bounded memory.
///
///     var blocks = try CorpusBlocks(["data"], format: nil)
///     while let block = try blocks.next() { … }
///
/// Each file's format is detected by its first lines, unless one is given. Of a plain text the last `validationShare` of its bytes, from
/// the start of a line on, are for validation: adjacent lines are related, so they are not split at random. A text of unknown length
/// (standard input) is split by block.
package struct CorpusBlocks: ~Copyable {
    package static let fileExtensions = [".txt", ".text", ".jsonl", ".ndjson"]

    /// A file of the corpus, for the metadata.
    package struct Source: Sendable, Equatable {
        package let path: String
        package let split: DatasetSplit?
        package var bytes: Int
        package var format: ChatFileFormat?
    }

    package private(set) var sources: [Source]

    private let givenFormat: ChatFileFormat?
    private let validationShare: Double
    private let blockSize, maxLineBytes: Int
    private var current: CorpusFile?
    private var index = -1

    /// - Parameter validation: files whose conversations are all for validation; then all others of `paths` are for training.
    package init(
        _ paths: [String], validation: [String] = [], format: ChatFileFormat? = nil, validationShare: Double = 0,
        blockSize: Int = 1 << 18, maxLineBytes: Int = LineBlocks.defaultLimit
    ) throws(CorpusError) {
        let validationFiles = try mapFileError { () throws(FileError) in
            try Folder.files(at: validation, withExtensions: Self.fileExtensions)
        }
        let trainingFiles = try mapFileError { () throws(FileError) in
            try Folder.files(at: paths, withExtensions: Self.fileExtensions)
        }.filter { !validationFiles.contains($0) }
        // Reports unreadable files before the work starts.
        for path in trainingFiles + validationFiles { try mapFileError { () throws(FileError) in try InputFile.check(path) } }
        sources = trainingFiles.map { Source(path: $0, split: validation.isEmpty ? nil : .train, bytes: 0) }
            + validationFiles.map { Source(path: $0, split: .val, bytes: 0) }
        givenFormat = format
        self.validationShare = validation.isEmpty ? validationShare : 0
        self.blockSize = blockSize
        self.maxLineBytes = maxLineBytes
    }

    package mutating func next() throws(CorpusError) -> CorpusBlock? {
        while true {
            if current == nil {
                index += 1
                guard index < sources.count else { return nil }
                let source = sources[index]
                current = try mapFileError { () throws(FileError) in
                    let blocks = try LineBlocks(source.path, size: blockSize, limit: maxLineBytes)
                    return CorpusFile(blocks, split: source.split, validationShare: validationShare)
                }
            }
            let block = try current?.next(givenFormat: givenFormat)
            if let file = current.take() {
                sources[index].bytes = file.bytesRead
                sources[index].format = file.format
                if block != nil { current = consume file }
            }
            if let block { return block }
        }
    }
}

/// The file that is being read.
private struct CorpusFile: ~Copyable {
    private(set) var format: ChatFileFormat?
    private(set) var bytesRead = 0

    private var blocks: LineBlocks
    private let split: DatasetSplit?
    private var text: PlainTextChunker
    private var isEmpty = true
    private var isAtEnd = false

    init(_ blocks: consuming LineBlocks, split: DatasetSplit?, validationShare: Double) {
        text = PlainTextChunker(path: blocks.name, size: blocks.fileSize, split: split, validationShare: validationShare)
        self.split = split
        self.blocks = blocks
    }

    mutating func next(givenFormat: ChatFileFormat?) throws(CorpusError) -> CorpusBlock? {
        let path = blocks.name
        while true {
            if let chunk = text.next(isAtEnd: isAtEnd) { return chunk }
            if isAtEnd { return nil }
            let block: LineBlock?
            do throws(FileError) { block = try blocks.next() } catch {
                guard case .lineTooLong(_, let line, let limit) = error else { throw .file(error) }
                isEmpty = false
                return malformed(path, line, "a line longer than \(limit) bytes")
            }
            guard let block else {
                isAtEnd = true
                if isEmpty { return malformed(path, 1, "the file is empty") }
                continue
            }
            bytesRead = block.offset + block.bytes.count
            if format == nil { format = givenFormat ?? ChatFileFormat.format(of: block) }
            guard let format else { continue }          // only empty lines so far
            isEmpty = false
            if format != .text {
                let isWhole = format == .documents
                return CorpusBlock(path: path, content: .lines(block, format), split: split, startsText: isWhole, endsText: isWhole)
            }
            text.append(block)
        }
    }

    private func malformed(_ path: String, _ line: Int, _ reason: String) -> CorpusBlock {
        let line = MalformedLine(path: path, line: line, reason: reason)
        return CorpusBlock(path: path, content: .malformed(line), split: split, startsText: false, endsText: false)
    }
}
