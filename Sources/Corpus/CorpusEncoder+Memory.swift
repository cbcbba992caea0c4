import Files
package import Kernels
package import Tokenize

/// A corpus as tokens in memory.
package struct EncodedCorpus: Sendable {
    /// A conversation, or a plain text as a whole.
    package struct Entry: Sendable {
        /// Its tokens.
        package var range: Range<Int>
        package var bytes: ChatTokens.Bytes
        package let isPlainText: Bool
    }

    package fileprivate(set) var tokens = ChatTokens()
    package fileprivate(set) var entries: [Entry] = []
    package fileprivate(set) var report = CorpusReport()
}

extension CorpusEncoder {
    /// Encodes the conversations of files in order, without a validation split and without writing files. Takes some 5 bytes per token.
    ///
    ///     let corpus = try encoder.tokens(of: ["chats.jsonl"], on: WorkerPool(threads: 2))
    ///     corpus.tokens.ids[corpus.entries[0].range]               // the first conversation
    package func tokens(of paths: [String], on pool: WorkerPool) throws(CorpusError) -> EncodedCorpus {
        var blocks = try CorpusBlocks(paths, format: format, blockSize: blockSize, maxLineBytes: maxLineBytes)
        var workers: [BlockEncoder] = []
        var result = EncodedCorpus()
        var bytesRead = 0
        for _ in 0..<pool.size { workers.append(try BlockEncoder(tokenizer, template: template, maxTokens: maxTokens, width: 4)) }
        try blocks.forEach(on: pool, transform: { block, thread in workers[thread].encode(block) }) { block throws(CorpusError) in
            for line in block.malformedLines { try result.report.add(line, skipsBad: skipsBad) }
            if let failure = block.failure { throw failure }
            result.report.empty += block.empty
            result.append(block)
            bytesRead += block.bytesRead
            try progress(bytesRead)
        }
        guard !result.tokens.ids.isEmpty else {
            throw .noTrainingData(files: blocks.sources.count, empty: result.report.empty, malformed: result.report.malformed)
        }
        return result
    }
}

extension EncodedCorpus {
    fileprivate mutating func append(_ block: EncodedBlock) {
        let first = tokens.ids.count
        for at in stride(from: 0, to: block.ids.count, by: 4) {
            tokens.ids.append(TokenID(littleEndian: block.ids.span.extracting(at..<at + 4)))
        }
        for turn in block.turns { tokens.turns.append(.init(first + turn.start, turn.role)) }
        var start = first
        for entry in block.entries {
            let end = first + entry.idEnd
            if entry.startsHere || entries.isEmpty {
                entries.append(Entry(range: start..<end, bytes: entry.bytes, isPlainText: entry.messages == 0))
                if entry.isTruncated { report.truncated += 1 } else { report.kept += 1 }
            } else {
                entries[entries.count - 1].range = entries[entries.count - 1].range.lowerBound..<end
                entries[entries.count - 1].bytes += entry.bytes
            }
            tokens.bytes += entry.bytes
            start = end
        }
    }
}
