package import Files

/// The side of a split.
///
///     TokenFile(.val, in: "data")                              // data/val.bin
package enum DatasetSplit: String, Sendable, CaseIterable {
    case train, val
}

/// Some lines of a corpus' file, or a line that could not be read.
///
///     if case .lines(let lines, let format) = block.content { … }
package struct CorpusBlock: Sendable {
    package enum Content: Sendable {
        case lines(LineBlock, ChatFileFormat)
        case fault(Fault)
    }

    package let path: String
    package let content: Content
    /// Where its conversations belong; nil to let the seed say it.
    package let part: DatasetSplit?
    /// Whether a plain text begins with this block, and whether it ends.
    package let begins, ends: Bool
}

/// The blocks of all files of a corpus, in the order of the files; bounded memory for any size.
///
///     var blocks = try CorpusBlocks(["data"], format: nil)
///     while let block = try blocks.next() { … }
///
/// A file says its format by how it begins, unless one is forced. Of a plain text the last `validationShare` of its bytes, from a line's
/// beginning on, are for validation:
/// neighbouring lines of a text know each other, so they are not split by chance. A text of unknown length (standard input) is split by
/// block.
package struct CorpusBlocks: ~Copyable {
    package static let endings = [".txt", ".text", ".jsonl", ".ndjson"]

    /// A file that was read, for the record.
    package struct Source: Sendable, Equatable {
        package let path: String
        package let part: DatasetSplit?
        package var bytes: Int
        package var format: ChatFileFormat?
    }

    package private(set) var sources: [Source]

    private let forced: ChatFileFormat?
    private let validationShare: Double
    private let blockSize, lineLimit: Int
    private var current: OpenFile?
    private var index = -1

    /// - Parameter validation: files whose conversations are all for validation; then all others of `paths` are for training.
    package init(_ paths: [String], validation: [String] = [], format: ChatFileFormat? = nil, validationShare: Double = 0,
                 blockSize: Int = 1 << 18, lineLimit: Int = LineBlocks.defaultLimit) throws(CorpusError) {
        let held = try files { () throws(FileError) in try Folder.files(at: validation, withExtensions: Self.endings) }
        let training = try files { () throws(FileError) in try Folder.files(at: paths, withExtensions: Self.endings) }.filter {
            !held.contains($0)
        }
        // What cannot be read is heard of before the work begins.
        for path in training + held { try files { () throws(FileError) in try InputFile.check(path) } }
        sources =
            training.map { Source(path: $0, part: validation.isEmpty ? nil : .train, bytes: 0) }
            + held.map { Source(path: $0, part: .val, bytes: 0) }
        forced = format
        self.validationShare = validation.isEmpty ? validationShare : 0
        self.blockSize = blockSize
        self.lineLimit = lineLimit
    }

    package mutating func next() throws(CorpusError) -> CorpusBlock? {
        while true {
            if current == nil {
                index += 1
                guard index < sources.count else { return nil }
                current = try files { () throws(FileError) in
                    OpenFile(
                        try LineBlocks(sources[index].path, size: blockSize, limit: lineLimit), part: sources[index].part,
                        validationShare: validationShare)
                }
            }
            let block = try current?.next(forced: forced)
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
private struct OpenFile: ~Copyable {
    private(set) var format: ChatFileFormat?
    private(set) var bytesRead = 0

    private var blocks: LineBlocks
    private let part: DatasetSplit?
    private var text: PlainTextChunker
    private var isEmpty = true, isAtEnd = false

    init(_ blocks: consuming LineBlocks, part: DatasetSplit?, validationShare: Double) {
        text = PlainTextChunker(size: blocks.fileSize, part: part, validationShare: validationShare)
        self.part = part
        self.blocks = blocks
    }

    mutating func next(forced: ChatFileFormat?) throws(CorpusError) -> CorpusBlock? {
        let path = blocks.name
        while true {
            if let piece = text.next(isAtEnd: isAtEnd) {
                return CorpusBlock(
                    path: path, content: .lines(piece.block, .text), part: piece.part, begins: piece.begins, ends: piece.ends)
            }
            if isAtEnd { return nil }
            let block: LineBlock?
            do throws(FileError) { block = try blocks.next() } catch {
                guard case .lineTooLong(_, let line, let limit) = error else { throw .file(error) }
                isEmpty = false
                return fault(path, line, "a line longer than \(limit) bytes")
            }
            guard let block else {
                isAtEnd = true
                if isEmpty { return fault(path, 1, "nothing in the file") }
                continue
            }
            bytesRead = block.offset + block.bytes.count
            if format == nil { format = forced ?? ChatFileFormat.format(of: block) }
            guard let format else { continue }          // empty lines so far
            isEmpty = false
            if format != .text { return CorpusBlock(path: path, content: .lines(block, format), part: part, begins: false, ends: false) }
            text.append(block)
        }
    }

    private func fault(_ path: String, _ line: Int, _ reason: String) -> CorpusBlock {
        CorpusBlock(
            path: path, content: .fault(MalformedLine(path: path, line: line, reason: reason)), part: part, begins: false, ends: false)
    }
}
