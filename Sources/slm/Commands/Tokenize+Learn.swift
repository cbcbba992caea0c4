import Corpus
import Files
import Kernels
import Tokenize

/// Learning a vocabulary, and writing tokens with one.
extension TokenizeOptions {
    private func pool() throws -> WorkerPool { try WorkerPool(threads: threads ?? CPU.availableCores) }

    /// The bytes of all files, if they can be told.
    private func bytes(of paths: [String]) throws -> Int? {
        var sum = 0
        for path in try Folder.files(at: paths, withExtensions: CorpusBlocks.fileExtensions) {
            guard path != "-", let size = try InputFile(path).size else { return nil }
            sum += size
        }
        return sum
    }

    func learn() throws -> Vocabulary {
        let isOfCharacters = tokenizer == "characters"
        var counting = CorpusCounter(isOfCharacters ? .characters : .words(wordPattern))
        counting.format = format
        counting.sample = sample
        counting.seed = UInt64(bitPattern: Int64(seed))
        counting.skipsBad = skipsBad
        let progress = Progress("reading", ofBytes: try bytes(of: data)), pool = try pool()
        counting.progress = { progress.show(bytes: $0) }
        var learned: BPETrainer.TrainedVocabulary?, report = CorpusReport(), vocabulary = Vocabulary()
        let seconds = try measureSeconds {
            var counted = try counting.count(data, on: pool)
            report = counted.report
            if isOfCharacters {
                vocabulary = .ofCharacters(counted.characters, specialTokens: specialTexts, first: !specialsLast)
            } else {
                var trainer = BPETrainer(size: vocabularySize ?? 0)
                trainer.specialTokens = specialTexts
                trainer.specialTokensFirst = !specialsLast
                trainer.pattern = wordPattern
                trainer.minFrequency = leastCount
                trainer.maxTokenLength = longestToken
                let result = trainer.train(on: counted.takeWordCounts())
                learned = result
                vocabulary = result.vocabulary
            }
        }
        progress.clear()
        tell(report)
        summarize(vocabulary, learned, report, seconds: seconds)
        return vocabulary
    }

    private func summarize(_ vocabulary: Vocabulary, _ learned: BPETrainer.TrainedVocabulary?, _ report: CorpusReport, seconds: Double) {
        if isQuiet { return }
        let bytes = report.train.bytes.total, perToken = learned.map { Double($0.bytes) / Double(max(1, $0.tokens)) }
        if json {
            return say(JSONLine(["vocabulary": .whole(vocabulary.count), "merges": .whole(vocabulary.merges.count), "bytes": .whole(bytes),
                                 "tokens": learned.map { .whole($0.tokens) }, "bytes_per_token": perToken.map { .number($0) },
                                 "conversations": .whole(report.kept), "empty": .whole(report.empty), "malformed": .whole(report.malformed),
                                 "seconds": .number(seconds), "peak_rss_mb": .whole(CPU.peakMemory >> 20)]))
        }
        say("\(vocabulary.count) tokens learned from \(amount(bytes)) of text in \(seconds.fixed(2)) s, \(CPU.peakMemory >> 20) MB at most")
        if let perToken { say("\(perToken.fixed(2)) bytes a token") }
        if let size = vocabularySize, vocabulary.count < size {
            note(
                "\(size) tokens were asked for: no other pair occurs \(leastCount) times"
                    + (longestToken.map { " and makes at most \($0) bytes" } ?? "") + ".")
        }
        let longest = vocabulary.merges.map(\.result).sorted { vocabulary.tokens[Int($0)].count > vocabulary.tokens[Int($1)].count }.prefix(
            8)
        if !longest.isEmpty { say("longest: " + longest.map { "'\(shown(vocabulary.tokens[Int($0)]))'" }.joined(separator: " ")) }
    }

    func writeTokens(with vocabulary: Vocabulary, to folder: String) throws {
        // The folder is complete: whoever trains finds the vocabulary in it.
        try Folder.create(folder)
        let own = folder + "/tokenizer.json"
        // --out may have put it there a moment ago.
        if out == nil || (try? FileStamp(own)) != (try? FileStamp(out ?? own)) { try vocabulary.write(to: own) }
        var encoding = CorpusEncoder(try Tokenizer(vocabulary), file: "tokenizer.json", template: form)
        encoding.format = format
        encoding.seed = UInt64(bitPattern: Int64(seed))
        encoding.validationShare = validationShare
        encoding.maxTokens = longest
        encoding.skipsBad = skipsBad
        let progress = Progress("writing", ofBytes: try bytes(of: data + validation)), pool = try pool()
        encoding.progress = { progress.show(bytes: $0) }
        var report = CorpusReport()
        let seconds = try measureSeconds { report = try encoding.write(data, validation: validation, to: folder, on: pool) }
        progress.clear()
        tell(report)
        if isQuiet { return }
        let bytes = report.train.bytes.total + report.val.bytes.total
        if json {
            return say(
                JSONLine([
                    "folder": .text(folder), "kept": .whole(report.kept), "cut": .whole(report.cut), "empty": .whole(report.empty),
                    "malformed": .whole(report.malformed), "train_tokens": .whole(report.train.tokens),
                    "val_tokens": .whole(report.val.tokens),
                    "train_conversations": .whole(report.train.conversations), "val_conversations": .whole(report.val.conversations),
                    "bytes": .whole(bytes), "seconds": .number(seconds), "peak_rss_mb": .whole(CPU.peakMemory >> 20),
                ]))
        }
        for (name, counts) in [("train.bin", report.train), ("val.bin", report.val)] {
            say(
                "\(hidesFolder ? "" : folder + "/")\(name): \(counts.tokens) tokens, \(counts.conversations) conversations, \(amount(counts.bytes.total)) of text"
            )
        }
        say("in \(seconds.fixed(2)) s, \(CPU.peakMemory >> 20) MB at most")
    }

    /// What became of the conversations.
    private func tell(_ report: CorpusReport) {
        tellFaults(of: report)
        let parts = [(report.kept, "kept"), (report.cut, "cut"), (report.empty, "empty"), (report.malformed, "malformed")]
        if !json, !isQuiet {
            say("conversations: " + parts.filter { $0.0 > 0 || $0.1 == "kept" }.map { "\($0) \($1)" }.joined(separator: ", "))
        }
    }

    private func amount(_ bytes: Int) -> String { bytes < 100_000 ? "\(bytes) bytes" : "\((Double(bytes) / 1e6).fixed(1)) MB" }
}

/// What was left out: the first of it, and how much.
func tellFaults(of report: CorpusReport) {
    for fault in report.malformedLines { note("left out: \(fault)") }
    if report.malformed > report.malformedLines.count { note("left out: \(report.malformed - report.malformedLines.count) more") }
}
