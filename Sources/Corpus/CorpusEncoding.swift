import Files
package import Kernels
package import Tokenize
import Random

/// Turns a corpus into files of tokens: the chats of `data` into `data/train.bin`, `data/val.bin` and what describes them.
///
///     var encoding = CorpusEncoder(tokenizer, file: "tokenizer.json", template: .specialTokens)
///     encoding.skipsBad = true
///     let report = try encoding.write(["data"], to: "data", on: WorkerPool(threads: 2))
///
/// - `train.bin`, `val.bin`: ids, little-endian, 16 bits each, or 32 if the vocabulary has more than 65,536. nanoGPT reads them.
/// - `train.turns.bin`, `val.turns.bin`: who speaks from which token on, little-endian, 64 bits each: position · 4 + side, the positions
/// growing.
///   TokenRole 0 is a conversation's beginning, which nobody says, 1 the user, 2 the assistant, 3 the system. Plain text is the assistant's.
/// - `meta.json`: a `TokenMeta`.
///
/// The same corpus, settings and tokenizer give the same bytes on any machine and any number of threads. All files are put into place at
/// the end;
/// an error leaves what was there.
package struct CorpusEncoder {
    package let tokenizer: Tokenizer
    /// The name by which `meta.json` knows the tokenizer.
    package let tokenizerFile: String
    package let form: ChatTemplate

    /// All files are of this format, whatever they look like.
    package var format: ChatFileFormat?
    /// Which conversations are for validation depends on this and on their place in the corpus alone.
    package var seed: UInt64 = 1
    /// The share that is for validation.
    package var validationShare = 0.1
    /// The most tokens of a conversation; the rest of it is cut off.
    package var limit: Int?
    /// Faults are counted, and what they are in is left out.
    package var skipsBad = false
    package var lineLimit = LineBlocks.defaultLimit
    package var blockSize = 1 << 17
    /// Called after each block with the bytes that are done; throwing `.stopped` stops, and leaves nothing behind.
    package var progress: (_ bytesRead: Int) throws(CorpusError) -> Void = { _ in }

    package init(_ tokenizer: Tokenizer, file: String, form: ChatTemplate) {
        self.tokenizer = tokenizer
        tokenizerFile = file
        self.form = form
    }

    /// - Parameter validation: files for validation, instead of a share of `paths`.
    @discardableResult
    package func write(
        _ paths: [String], validation: [String] = [], to folder: String, on pool: WorkerPool
    ) throws(CorpusError) -> CorpusReport {
        let width = TokenMeta.width(ofVocabulary: tokenizer.vocabulary.count)
        var blocks = try CorpusBlocks(
            paths, validation: validation, format: format, validationShare: validationShare, blockSize: blockSize, lineLimit: lineLimit)
        var workers: [BlockEncoder] = []
        for _ in 0..<pool.size { workers.append(try BlockEncoder(tokenizer, form: form, limit: limit, width: width)) }
        try files { () throws(FileError) in try Folder.create(folder) }
        var train = try SplitWriter(folder, .train, width: width), val = try SplitWriter(folder, .val, width: width)
        var report = CorpusReport(), index: UInt64 = 0, bytesRead = 0, hasChats = false

        try blocks.forEach(on: pool, make: { block, thread in workers[thread].encode(block) }) { block throws(CorpusError) in
            for fault in block.faults { try report.add(fault, skipsBad: skipsBad) }
            if let failure = block.failure { throw failure }
            report.empty += block.empty
            hasChats = hasChats || block.hasChats
            var ids = 0, turns = 0
            for entry in block.entries {
                let part = block.part ?? (isHeldOut(index) ? .val : .train)
                index += 1
                if entry.isCut { report.cut += 1 } else if entry.beginsHere { report.kept += 1 }
                switch part {
                case .train: try train.append(entry, of: block, from: ids, turns)
                case .val: try val.append(entry, of: block, from: ids, turns)
                }
                ids = entry.idEnd
                turns = entry.turnEnd
            }
            bytesRead += block.bytesRead
            try progress(bytesRead)
        }
        report.train = train.counts
        report.val = val.counts
        guard train.counts.tokens + val.counts.tokens > 0 else {
            throw .nothingToLearn(files: blocks.sources.count, empty: report.empty, malformed: report.malformed)
        }
        var meta = try AtomicFile.forCorpus(folder + "/meta.json")
        let text = TokenMeta(self, width: width, report, blocks.sources, hasChats: hasChats).json
        do throws(FileError) {
            try meta.write(text)
            // What can fail, fails before the first file changes its place.
            try train.finish()
            try val.finish()
            try meta.finish()
            try train.commit()
            try val.commit()
            try meta.commit()
        } catch { throw .file(error) }
        return report
    }
}

extension CorpusEncoder {
    private func isHeldOut(_ index: UInt64) -> Bool {
        var random = SeededRandom(seed: seed, stream: index)
        return random.uniform() < validationShare
    }
}

extension AtomicFile {
    static func forCorpus(_ path: String) throws(CorpusError) -> AtomicFile {
        try files { () throws(FileError) in try AtomicFile(path) }
    }
}
