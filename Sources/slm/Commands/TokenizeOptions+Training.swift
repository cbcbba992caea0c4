import Corpus
import Files
import Kernels
import Terminal
import Tokenize
import Train

/// Training a tokenizer, and writing token files.
extension TokenizeOptions {
    func pool() throws -> WorkerPool { try WorkerPool(threads: threads ?? CPU.availableCores) }

    /// The size of all files; nil if it is unknown, as for a pipe.
    private func bytes(of paths: [String]) throws -> Int? {
        var sum = 0
        for path in try Folder.files(at: paths, withExtensions: CorpusBlocks.fileExtensions) {
            guard path != "-", let size = try InputFile(path).size else { return nil }
            sum += size
        }
        return sum
    }

    func trainVocabulary() throws -> Vocabulary {
        var counter = CorpusCounter(usesCharacters ? .characters : .words(preTokenizationPattern))
        counter.format = format
        counter.sample = sample
        counter.seed = UInt64(bitPattern: Int64(seed))
        counter.skipsBad = skipsBad
        let progress = ProgressBar("reading", ofBytes: try bytes(of: data), isVisible: !quiet)
        let pool = try pool()
        counter.progress = { progress.show(bytes: $0) }
        var trained: BPETrainer.TrainedVocabulary?
        var report = CorpusReport()
        var vocabulary = Vocabulary()
        let seconds = try measureSeconds {
            var counted = try counter.count(data, on: pool)
            report = counted.report
            if usesCharacters {
                vocabulary = .ofCharacters(counted.characters, specialTokens: specialTexts, first: !specialsLast)
            } else {
                var trainer = BPETrainer(vocabularySize: vocabularySize ?? 0)
                trainer.specialTokens = specialTexts
                trainer.specialTokensFirst = !specialsLast
                trainer.pattern = preTokenizationPattern
                trainer.minFrequency = minCount
                trainer.maxTokenLength = maxTokenLength
                let result = trainer.train(on: counted.takeWordCounts())
                trained = result
                vocabulary = result.vocabulary
            }
        }
        progress.clear()
        printCounts(of: report)
        if !isSilent { printSummary(of: vocabulary, trained, report, seconds: seconds) }
        return vocabulary
    }

    private func printSummary(
        of vocabulary: Vocabulary,
        _ trained: BPETrainer.TrainedVocabulary?,
        _ report: CorpusReport,
        seconds: Double
    ) {
        let bytes = report.train.bytes.total
        let bytesPerToken = trained.map { Double($0.bytes) / Double(max(1, $0.tokens)) }
        if json {
            return printLine(JSONLine([
                "vocabulary": .whole(vocabulary.count),
                "merges": .whole(vocabulary.merges.count),
                "bytes": .whole(bytes),
                "tokens": trained.map { .whole($0.tokens) },
                "bytes_per_token": bytesPerToken.map { .number($0) },
                "conversations": .whole(report.kept),
                "empty": .whole(report.empty),
                "malformed": .whole(report.malformed),
                "seconds": .number(seconds),
                "peak_rss_mb": .whole(CPU.peakMemory >> 20),
            ]))
        }
        printLine("\(vocabulary.count) tokens, trained on \(amount(bytes)) of text in \(seconds.durationText), "
            + "peak memory \(CPU.peakMemory >> 20) MB")
        if let bytesPerToken { printLine("\(bytesPerToken.fixed(2)) bytes per token") }
        if let size = vocabularySize, vocabulary.count < size {
            let length = maxTokenLength.map { " and makes at most \($0) bytes" } ?? ""
            printNote("the vocabulary has \(vocabulary.count) of at most \(size) tokens: in this text, no other pair of tokens occurs "
                + "\(minCount) times\(length).")
        }
        let longest = vocabulary.merges.map(\.result)
            .sorted { vocabulary.tokens[Int($0)].count > vocabulary.tokens[Int($1)].count }
            .prefix(8)
        if longest.isEmpty { return }
        printLine("longest: " + longest.map { "'\(Self.visible(vocabulary.tokens[Int($0)]))'" }.joined(separator: " "))
    }

    /// Builds the data of a training run, with a progress bar, and prints the report of the tokenization.
    func printingProgress(
        _ build: (WorkerPool, _ progress: @escaping (_ bytesRead: Int) throws(CorpusError) -> Void) throws -> TrainingData
    ) throws -> TrainingData {
        let progress = ProgressBar("writing", ofBytes: try bytes(of: data + validation), isVisible: !quiet)
        let start = now()
        let built = try build(pool()) { progress.show(bytes: $0) }
        progress.clear()
        guard let report = built.report else { return built }
        printCounts(of: report)
        if !isSilent { printSummary(of: report, "", built.meta, seconds: now() - start) }
        return built
    }

    func writeTokens(with vocabulary: Vocabulary, to folder: String) throws {
        try Folder.create(folder)
        // The folder is complete: slm train finds the tokenizer in it. --out may have written the same file before.
        let own = folder + "/tokenizer.json"
        if out == nil || (try? FileStamp(own)) != (try? FileStamp(out ?? own)) { try vocabulary.write(to: own) }
        let tokenizer = try Tokenizer(vocabulary)
        var encoder = CorpusEncoder(tokenizer, file: "tokenizer.json", template: try chatTemplate.template(for: tokenizer))
        encoder.format = format
        encoder.seed = UInt64(bitPattern: Int64(seed))
        encoder.validationShare = validationShare
        encoder.maxTokens = maxLength
        encoder.shardSize = shardSize
        encoder.skipsBad = skipsBad
        let progress = ProgressBar("writing", ofBytes: try bytes(of: data + validation), isVisible: !quiet)
        let pool = try pool()
        encoder.progress = { progress.show(bytes: $0) }
        var report = CorpusReport()
        let seconds = try measureSeconds { report = try encoder.write(data, validation: validation, to: folder, on: pool) }
        progress.clear()
        printCounts(of: report)
        if !isSilent { printSummary(of: report, folder, try TokenMeta(reading: folder + "/meta.json"), seconds: seconds) }
        if report.train.tokens == 0 {
            let reason = report.val.tokens > 0 && validation.isEmpty ? "all of it is in val.bin: use a smaller --val-share"
                : "no text was found in the data"
            printNote("\(folder)/train.bin holds 0 tokens, so nothing can be trained on it; \(reason).")
        }
    }

    private func printSummary(of report: CorpusReport, _ folder: String, _ meta: TokenMeta, seconds: Double) {
        if json {
            return printLine(JSONLine([
                "folder": .text(folder),
                "kept": .whole(report.kept),
                "cut": .whole(report.truncated),
                "empty": .whole(report.empty),
                "malformed": .whole(report.malformed),
                "train_tokens": .whole(report.train.tokens),
                "val_tokens": .whole(report.val.tokens),
                "train_conversations": .whole(report.train.conversations),
                "val_conversations": .whole(report.val.conversations),
                "train_files": .whole(meta.shards(of: .train).count),
                "val_files": .whole(meta.shards(of: .val).count),
                "bytes": .whole(report.train.bytes.total + report.val.bytes.total),
                "seconds": .number(seconds),
                "peak_rss_mb": .whole(CPU.peakMemory >> 20),
            ]))
        }
        for (split, counts) in [(DatasetSplit.train, report.train), (.val, report.val)] {
            let name = meta.fileName(of: split)
            let path = hidesFolder ? name : "\(folder)/\(name)"
            printLine("\(path): \(counts.tokens) tokens, \(counts.conversations) conversations, \(amount(counts.bytes.total)) of text")
        }
        printLine("in \(seconds.durationText), peak memory \(CPU.peakMemory >> 20) MB")
    }

    /// Prints how many conversations were kept, cut or skipped.
    private func printCounts(of report: CorpusReport) {
        printFaults(of: report)
        let counts = [(report.kept, "kept"), (report.truncated, "cut"), (report.empty, "empty"), (report.malformed, "malformed")]
        if json || isSilent { return }
        printLine("conversations: " + counts.filter { $0.0 > 0 || $0.1 == "kept" }.map { "\($0) \($1)" }.joined(separator: ", "))
    }

    private func amount(_ bytes: Int) -> String { bytes < 100_000 ? "\(bytes) bytes" : "\((Double(bytes) / 1e6).fixed(1)) MB" }
}

/// Prints the first records that were skipped, and how many more there are.
func printFaults(of report: CorpusReport) {
    for fault in report.malformedLines { printNote("skipped: \(fault)") }
    if report.malformed > report.malformedLines.count { printNote("skipped: \(report.malformed - report.malformedLines.count) more") }
}
