import Files
package import Kernels
package import Tokenize

/// Encodes a corpus to token files: the chats of `data` to `data/train.bin`, `data/val.bin` and their metadata.
///
///     var encoder = CorpusEncoder(tokenizer, file: "tokenizer.json", template: .specialTokens)
///     encoder.skipsBad = true
///     let report = try encoder.write(["data"], to: "data", on: WorkerPool(threads: 2))
///
/// - `train.bin`, `val.bin`: token IDs, little-endian, of 16 bits, or 32 if the vocabulary has more than 65,536 tokens. nanoGPT reads them.
/// - `train.turns.bin`, `val.turns.bin`: where the role changes, little-endian, 64 bits each: position · 4 + role, in ascending order.
///   Role 0 is the preamble of a conversation, 1 the user, 2 the assistant, 3 the system. Plain text is the assistant's.
/// - `meta.json`: a `TokenMeta`.
///
/// With a `shardSize`, a split with more tokens is in several files instead: `train-00001-of-00016.bin`, its turns, and so on.
///
/// The same corpus, settings and tokenizer give the same bytes on every machine and with any number of threads. All files are replaced
/// together at the end; after an error the previous files are unchanged.
package struct CorpusEncoder {
    package let tokenizer: Tokenizer
    /// The tokenizer's file name in `meta.json`.
    package let tokenizerFile: String
    package let template: ChatTemplate

    /// The format of all files, instead of detecting it.
    package var format: ChatFileFormat?
    /// Selects the conversations for validation: see `ValidationSplit`.
    package var seed: UInt64 = 1
    /// The share of the conversations that is for validation.
    package var validationShare = 0.1
    /// The maximum number of tokens of a conversation, which is truncated to it.
    package var maxTokens: Int?
    /// Whether malformed lines are skipped and counted.
    package var skipsBad = false
    /// The maximum number of tokens of a file, unless a conversation is longer; nil for one file per split.
    package var shardSize: Int?
    package var maxLineBytes = LineBlocks.defaultLimit
    package var blockSize = 1 << 17
    /// Called after each block with the number of bytes read so far. It stops the work by throwing `.stopped`; then no file is changed.
    package var progress: (_ bytesRead: Int) throws(CorpusError) -> Void = { _ in }

    package init(_ tokenizer: Tokenizer, file: String, template: ChatTemplate) {
        self.tokenizer = tokenizer
        tokenizerFile = file
        self.template = template
    }

    /// - Parameter validation: files for validation, instead of a share of `paths`.
    @discardableResult
    package func write(
        _ paths: [String], validation: [String] = [], to folder: String, on pool: WorkerPool
    ) throws(CorpusError) -> CorpusReport {
        let width = TokenMeta.width(ofVocabulary: tokenizer.vocabulary.count)
        var blocks = try CorpusBlocks(
            paths, validation: validation, format: format, validationShare: validationShare,
            blockSize: blockSize, maxLineBytes: maxLineBytes
        )
        var workers: [BlockEncoder] = []
        for _ in 0..<pool.size { workers.append(try BlockEncoder(tokenizer, template: template, maxTokens: maxTokens, width: width)) }
        try mapFileError { () throws(FileError) in try Folder.create(folder) }
        // From here on, another program that writes to the folder has an error.
        var meta = try mapFileError { () throws(FileError) in try AtomicFile(folder + "/meta.json") }
        try mapFileError { () throws(FileError) in try TokenFileName.removeUnfinished(in: folder) }
        var train = try SplitWriter(folder, .train, width: width, shardSize: shardSize)
        var val = try SplitWriter(folder, .val, width: width, shardSize: shardSize)
        var report = CorpusReport()
        let validationSplit = ValidationSplit(seed: seed, share: validationShare)
        var index = 0
        var bytesRead = 0
        var hasChats = false

        try blocks.forEach(on: pool, transform: { block, thread in workers[thread].encode(block) }) { block throws(CorpusError) in
            for line in block.malformedLines { try report.add(line, skipsBad: skipsBad) }
            if let failure = block.failure { throw failure }
            report.empty += block.empty
            hasChats = hasChats || block.hasChats
            var idStart = 0
            var turnStart = 0
            for entry in block.entries {
                let split = block.split ?? (validationSplit.isInValidationSet(index) ? .val : .train)
                index += 1
                if entry.isTruncated { report.truncated += 1 } else if entry.startsHere { report.kept += 1 }
                switch split {
                case .train: try train.append(entry, of: block, idStart: idStart, turnStart: turnStart)
                case .val: try val.append(entry, of: block, idStart: idStart, turnStart: turnStart)
                }
                idStart = entry.idEnd
                turnStart = entry.turnEnd
            }
            bytesRead += block.bytesRead
            try progress(bytesRead)
        }
        report.train = train.counts
        report.val = val.counts
        guard train.counts.tokens + val.counts.tokens > 0 else {
            throw .noTrainingData(files: blocks.sources.count, empty: report.empty, malformed: report.malformed)
        }
        do throws(FileError) {
            // Everything that may fail comes before the first file is replaced.
            try train.finish()
            try val.finish()
            let shards = [DatasetSplit.train: train.shards, .val: val.shards]
            try meta.write(TokenMeta(self, width: width, report, shards, blocks.sources, hasChats: hasChats).json)
            try meta.finish()
            let names = train.names + val.names
            try train.commit()
            try val.commit()
            try meta.commit()
            try TokenFileName.removeOthers(than: names, in: folder)
        } catch { throw .file(error) }
        return report
    }
}
