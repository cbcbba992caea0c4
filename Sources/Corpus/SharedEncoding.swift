package import Files
package import Kernels
import Tokenize

/// How several processes of one machine encode a corpus together. All of them read it; process i encodes the blocks i, i + n, i + 2n …,
/// and sends them through a named pipe to process 0, which writes the token files.
///
///     try SharedEncoding.createPipes(in: folder, count: 2)     // then, in process 1:
///     try encoder.encodePart(of: paths, sharing: SharedEncoding(1, of: 2, in: folder), on: pool)
///
/// The token files have the bytes that one process would write. A process that ends early leaves its blocks to process 0.
package struct SharedEncoding: Sendable {
    package let index, count: Int
    /// In process 0 the pipes of the others, else its own.
    private let pipes: [NamedPipe]

    package static func createPipes(in folder: String, count: Int) throws(FileError) {
        for index in 1..<count { try NamedPipe.create(path(folder, index)) }
    }

    /// Opens the pipes. Waits until the processes at their other ends do so, too.
    package init(_ index: Int, of count: Int, in folder: String) throws(FileError) {
        self.index = index
        self.count = count
        var pipes: [NamedPipe] = []
        if index > 0 { pipes = [try NamedPipe(writing: Self.path(folder, index))] } else {
            for other in 1..<count { pipes.append(try NamedPipe(reading: Self.path(folder, other))) }
        }
        self.pipes = pipes
    }

    private static func path(_ folder: String, _ index: Int) -> String { "\(folder)/\(index)" }

    func encodes(_ block: Int) -> Bool { block % count == index }

    /// Sends a block to process 0.
    ///
    /// - Returns: Whether process 0 still reads.
    func send(_ block: EncodedBlock) throws(CorpusError) -> Bool {
        let bytes = block.bytes ?? []
        return try mapFileError { () throws(FileError) in
            if try !pipes[0].write(bytes.count.littleEndianBytes) { return false }
            return try pipes[0].write(bytes)
        }
    }

    /// Receives a block that another process has encoded. nil if process 0 is to encode it itself.
    func receive(_ block: CorpusBlock, _ index: Int) throws(CorpusError) -> EncodedBlock? {
        let pipe = pipes[index % count - 1]
        let bytes = try mapFileError { () throws(FileError) -> [UInt8]? in
            guard let header = try pipe.read(8) else { return nil }
            let size = Int(littleEndian: header.span)
            return size > 0 ? try pipe.read(size) : nil
        }
        guard let encoded = bytes.map(EncodedBlock.init) else { return nil }
        // A file that grows may have other blocks in the other process.
        guard case .lines(let lines, _) = block.content, encoded.bytesRead == lines.bytes.count else { return nil }
        return encoded
    }
}

extension EncodedBlock {
    /// The block for another process; nil if it has malformed lines or an error, which the other process is to find itself.
    fileprivate var bytes: [UInt8]? {
        if failure != nil || !malformedLines.isEmpty { return nil }
        let splits: [DatasetSplit?] = [nil, .train, .val]
        var numbers = [splits.firstIndex(of: split) ?? 0, empty, hasChats ? 1 : 0, bytesRead, turns.count, entries.count]
        for turn in turns { numbers += [turn.start, Int(turn.role.rawValue)] }
        for entry in entries {
            numbers += [
                entry.idEnd, entry.turnEnd, entry.bytes.user, entry.bytes.assistant, entry.bytes.system, entry.messages,
                entry.isTruncated ? 1 : 0, entry.startsHere ? 1 : 0,
            ]
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 * numbers.count + ids.count)
        for number in numbers { bytes.append(littleEndian: number) }
        return bytes + ids
    }

    fileprivate init(_ data: [UInt8]) {
        var position = 0
        func next() -> Int {
            defer { position += 8 }
            return Int(littleEndian: data.span.extracting(position..<position + 8))
        }
        self.init(split: [nil, .train, .val][next()])
        empty = next()
        hasChats = next() == 1
        bytesRead = next()
        let turnCount = next(), entryCount = next()
        for _ in 0..<turnCount { turns.append(.init(next(), TokenRole(rawValue: UInt8(next())) ?? .preamble)) }
        for _ in 0..<entryCount {
            let (idEnd, turnEnd) = (next(), next())
            var bytes = ChatTokens.Bytes()
            bytes.user = next()
            bytes.assistant = next()
            bytes.system = next()
            entries.append(Entry(
                idEnd: idEnd, turnEnd: turnEnd, bytes: bytes, messages: next(), isTruncated: next() == 1, startsHere: next() == 1))
        }
        ids = Array(data[position...])
    }
}

extension CorpusEncoder {
    /// Encodes this process's part of a corpus that process 0 writes, with the same settings.
    package func encodePart(
        of paths: [String], validation: [String] = [], sharing: SharedEncoding, on pool: WorkerPool
    ) throws(CorpusError) {
        var blocks = try blocks(paths, validation: validation)
        let workers = try blockEncoders(pool.size)
        do throws(CorpusError) {
            try blocks.forEach(on: pool) { block, index, thread in
                sharing.encodes(index) ? workers[thread].encode(block) : nil
            } consume: { block throws(CorpusError) in
                if let block, try !sharing.send(block) { throw .stopped }
            }
        } catch CorpusError.stopped {
            // Process 0 has ended with an error, which it reports.
        }
    }
}
