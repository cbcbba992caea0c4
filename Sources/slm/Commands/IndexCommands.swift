import Documents
import Files
import JSON
import Platform
import Terminal

struct IndexBuildOptions: MachineOptions {
    var machine = MachineSettings()
    var embeddingModel: String?
    var paths: [String] = []
    var out: String?
    var passageTokens = IndexBuilder.defaultPassageTokens
    var stemming = DocumentIndex.Stemming.english
    var maxFileSize = DocumentReader.Limits().fileSize / 1_000_000
    var allowsEmpty = false
    var background = false
    var json = false
    var quiet = false
}

struct IndexOptions: MachineOptions {
    var machine = MachineSettings()
    var embeddingModel: String?
    var reranker: String?
    var method = SearchMethod.both
    var index: String?
    var words: [String] = []
    var earlier: [String] = []
    var file: String?
    var limit = 5
    var listsFiles = false
    var allowsEmpty = false
    var background = false
    var json = false
    var quiet = false

    static var index: CommandOption<IndexOptions> { .option("index", \.index, value: "INDEX", "Use this index.").positional() }
    static var model: CommandOption<IndexOptions> {
        .embeddingModel(
            \.embeddingModel, "Take the embedding model of the index from this file.", default: "where it was when the index was built")
    }
}

extension CommandOption {
    fileprivate static func allowEmpty(_ path: WritableKeyPath<Options, Bool>) -> CommandOption {
        .option("allow-empty", path, "Write the index also if no file has text.")
    }
}

extension SearchMethod: OptionValue {
    static var metavariable: String { "METHOD" }
}

extension DocumentIndex.Stemming: OptionValue {
    static var metavariable: String { "LANGUAGE" }
}

extension Command {
    static var indexBuild: Command {
        Command(
            "index build",
            "Build an index of documents, for slm chat --documents.",
            IndexBuildOptions(),
            [
                OptionGroup("Main options", [
                    .list("files", \.paths, value: "FILE", "Read these files, and all files in these folders.").positionalOnly(),
                    .option("out", \.out, value: "FILE", "Write the index to FILE.").short("o"),
                    .embeddingModel(\.embeddingModel, "Store a vector of this embedding model for each passage: a folder or a GGUF file."),
                    .allowEmpty(\.allowsEmpty),
                    .background(\.background),
                    .json(\.json, "Print one JSON object."),
                    .quiet(\.quiet),
                ]),
                OptionGroup("Passages", [
                    .option("passage-tokens", \.passageTokens, in: 16...8_192, "Divide texts into passages of about N tokens at most."),
                    .option("stemming", \.stemming, "Search for words without their English endings, or as they are."),
                    .option("max-file-size", \.maxFileSize, in: 1...1_000, "Skip files of more than N MB."),
                ]),
                OptionGroup("Machine", IndexBuildOptions.machineOptions),
            ],
            examples: ["slm index build notes manual.pdf --out notes.index"]
        ) { options in
            if options.background { ProcessPriority.lower() }
            if options.paths.isEmpty { throw UsageError("slm index build: expected documents: slm index build FILE… --out FILE.") }
            guard let out = options.out else { throw UsageError("slm index build: expected a file to write: --out FILE.") }
            let embedder = try options.embeddingModel.map { try TextEmbedder($0, on: options) }
            var work = IndexWork(
                index: out, embedder: embedder, allowsEmpty: options.allowsEmpty, json: options.json, quiet: options.quiet)
            work.limits.fileSize = options.maxFileSize * 1_000_000
            try work.run { builder throws(DocumentError) in
                try builder.build(options.paths, at: out, passageTokens: options.passageTokens, stemming: options.stemming)
            }
            if embedder == nil, !options.quiet, !options.json {
                printNote("passages are found by their words. With --embedding-model MODEL, also those that say the same in other words.")
            }
            printNextStep("Search it", "slm index search \(out.shellWord) 'a question'", unless: options.quiet || options.json)
        }
    }

    static var indexUpdate: Command {
        Command(
            "index update",
            "Read what has changed in the documents of an index.",
            IndexOptions(),
            [
                OptionGroup("Main options", [
                    IndexOptions.index, IndexOptions.model, .allowEmpty(\.allowsEmpty), .background(\.background),
                    .json(\.json, "Print one JSON object."), .quiet(\.quiet),
                ]),
                OptionGroup("Machine", IndexOptions.machineOptions),
            ],
            examples: ["slm index update notes.index"]
        ) { options in
            if options.background { ProcessPriority.lower() }
            let path = try options.path(for: "update")
            let embedder = try TextEmbedder(of: try DocumentIndex(path), options.embeddingModel, isNeeded: true, on: options)
            let work = IndexWork(
                index: path, embedder: embedder, allowsEmpty: options.allowsEmpty, json: options.json, quiet: options.quiet)
            try work.run { builder throws(DocumentError) in try builder.update(path) }
        }
    }

    static var indexSearch: Command {
        Command(
            "index search",
            "Search the documents of an index for passages.",
            IndexOptions(),
            [
                OptionGroup("Main options", [
                    IndexOptions.index,
                    .list("question", \.words, value: "TEXT", "Search for passages with these words.").positionalOnly(),
                    .list("after", \.earlier, value: "QUESTION",
                          "Search as in a chat in which QUESTION was asked before; the latest last."),
                    .option("limit", \.limit, in: 1...1_000, "Print at most N passages."),
                    .option("by", \.method, "Compare words, vectors, or both if the index has vectors."),
                    IndexOptions.model,
                    .reranker(\.reranker),
                    .json(\.json),
                ]),
                OptionGroup("Machine", IndexOptions.machineOptions),
            ],
            examples: ["slm index search notes.index 'how do I reset the pump'"]
        ) { options in
            let path = try options.path(for: "search"), question = options.words.joined(separator: " ")
            if question.isEmpty { throw UsageError("slm index search: expected a question: slm index search \(path.shellWord) TEXT.") }
            let index = try DocumentIndex(path), isByWords = options.method == .words
            let embedder = isByWords ? nil : try TextEmbedder(
                of: index, options.embeddingModel, isNeeded: options.method == .vectors, on: options)
            if options.method == .vectors, embedder == nil { throw DocumentError.noVectors(path: path) }
            let reranker = try options.reranker.map { try TextReranker($0, on: options) }
            let result = try index.search(
                question, after: options.earlier, limit: options.limit, by: options.method, embedder, reranker)
            for (i, passage) in result.passages.enumerated() {
                if options.json { printLine(PassageRecord(passage)) } else { printLine(passage.text(number: i + 1)) }
            }
            if !result.unknownWords.isEmpty {
                printNote("not in the documents: \(result.unknownWords.joined(separator: ", ").printable)")
            }
            if result.passages.isEmpty {
                printNote(embedder == nil ? "no passage has a word of the question." : "no passage fits the question.")
                throw ReportedFailure()
            }
        }
    }

    static var indexShow: Command {
        Command(
            "index show",
            "Print the passages of an index, or its files.",
            IndexOptions(),
            [
                OptionGroup("Main options", [
                    IndexOptions.index,
                    .option("file", \.file, value: "FILE", "Print the passages of this document only.").positional(),
                    .option("files", \.listsFiles, "List the documents, and why files were skipped."),
                    .json(\.json),
                ]),
            ],
            examples: ["slm index show notes.index", "slm index show notes.index notes/pump.md", "slm index show notes.index --files"]
        ) { options in
            let index = try DocumentIndex(options.path(for: "show"))
            if options.listsFiles { return try options.list(index.files()) }
            if let file = options.file {
                let names = try index.files().map(\.name)
                guard names.contains(file) else {
                    throw DocumentError.noSuchFile(name: file, index: index.path, suggestion: closestMatch(to: file, among: names))
                }
            }
            var number = 0
            try index.forEachPassage(of: options.file) { passage in
                number += 1
                printLine(options.json ? "\(PassageRecord(passage))" : passage.text(number: number))
            }
        }
    }
}

extension IndexOptions {
    fileprivate func path(for command: String) throws -> String {
        guard let index else { throw UsageError("slm index \(command): expected an index: slm index \(command) INDEX.") }
        return index
    }

    fileprivate func list(_ files: [IndexedFile]) throws {
        for file in files {
            if json {
                printLine(JSONLine([
                    "file": .text(file.name), "title": .text(file.title), "bytes": .whole(file.size), "passages": .whole(file.passages),
                    "skipped": file.skipped.map { .text($0) },
                ]))
            } else {
                let contents = file.skipped.map { "skipped: \($0)" } ?? "\(file.passages)"
                printLine("\(file.name)  \(contents)".printable)
            }
        }
    }
}

extension Passage {
    fileprivate func text(number: Int) -> String {
        let fit = score == 0 ? "" : "  (\(score.fixed(score < 0.1 ? 4 : 2)))"
        let head = "[\(number)] \(place)\(heading.isEmpty ? "" : ", " + heading)".split(whereSeparator: \.isNewline).joined(separator: " ")
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "    " + $0 }
        return ([head + fit] + lines + [""]).joined(separator: "\n").printable
    }
}

/// Building or updating an index, with progress and a report.
private struct IndexWork {
    let index: String
    var limits = DocumentReader.Limits()
    let embedder: TextEmbedder?
    let allowsEmpty, json, quiet: Bool

    func run(_ work: (IndexBuilder) throws(DocumentError) -> IndexReport) throws {
        let reader = DocumentReader(limits: limits, programs: SLM.environmentVariables()["PATH"] ?? "/usr/bin")
        let bar = ProgressBar("reading", isVisible: !quiet), start = now()
        let builder = IndexBuilder(reader: reader, embedder: embedder, mayBeEmpty: allowsEmpty, progress: { done, total in
            bar.show(fraction: Double(done) / Double(max(total, 1)), "\(done / 1_000_000) MB")
        }, willWrite: UnfinishedFile.removeWhenInterrupted)
        let report = try work(builder)
        bar.clear()
        let seconds = now() - start
        if json { printLine(record(report, seconds)) } else { printLine(summary(report, seconds)) }
        if !quiet { printSkipped(report.skipped) }
    }

    private func summary(_ report: IndexReport, _ seconds: Double) -> String {
        let changes = [("new", report.added), ("changed", report.changed), ("unchanged", report.unchanged), ("removed", report.removed)]
            .filter { $0.1 > 0 && report.added < report.files }.map { "\($0.1) \($0.0)" }
        let files = report.files.counted("file") + (changes.isEmpty ? "" : " (\(changes.joined(separator: ", ")))")
        let megabytes = (Double(report.bytes) / 1e6).fixed(1)
        let skipped = report.skipped.isEmpty ? "" : ", \(report.skipped.count) skipped"
        let vectors = embedder == nil ? "" : ", \(report.embedded.counted("vector")) computed"
        return "\(index): \(files)\(skipped), \(report.passages.counted("passage")) of \(megabytes) MB\(vectors), in \(seconds.fixed(1)) s"
    }

    private func record(_ report: IndexReport, _ seconds: Double) -> String {
        JSONWriter.text { writer in
            writer["files"] = report.files
            writer["added"] = report.added
            writer["changed"] = report.changed
            writer["unchanged"] = report.unchanged
            writer["removed"] = report.removed
            writer["passages"] = report.passages
            if embedder != nil { writer["embedded"] = report.embedded }
            writer["bytes"] = report.bytes
            writer["seconds"] = seconds.rounded(toPlaces: 4)
            writer.objects("skipped", report.skipped) { file, object in
                object["file"] = file.name
                object["reason"] = file.reason
            }
        }
    }

    /// Each reason once, with some of its files.
    private func printSkipped(_ skipped: [SkippedFile]) {
        var reasons: [String] = []
        for file in skipped where !reasons.contains(file.reason) { reasons.append(file.reason) }
        for reason in reasons {
            let names = skipped.filter { $0.reason == reason }.map(\.name)
            let rest = names.count > 5 ? " and \(names.count - 5) more" : ""
            printNote("skipped \(names.prefix(5).joined(separator: ", "))\(rest): \(reason)".printable)
        }
    }
}
