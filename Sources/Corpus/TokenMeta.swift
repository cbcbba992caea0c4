import Files
import JSON
package import Tokenize

/// The `meta.json` that describes the token files in its folder.
///
///     let meta = try TokenMeta(reading: "data/meta.json")
///     meta.fingerprint == tokenizer.vocabulary.fingerprint     // otherwise the tokens are of another vocabulary
package struct TokenMeta: Sendable, Equatable {
    package static let version = 1

    package var tokenizerFile: String
    /// The vocabulary's fingerprint.
    package var fingerprint: String
    package var vocabularySize: Int
    /// nil if the corpus was plain text only.
    package var template: ChatTemplate?
    /// Bytes per ID: 2 or 4.
    package var width: Int
    package var seed: UInt64
    package var validationShare: Double
    /// The maximum number of tokens of a conversation.
    package var maxTokens: Int?
    package var report: CorpusReport
    /// The shards of the splits that are in more than one file.
    private var shards: [DatasetSplit: [TokenShard]]
    package var sources: [CorpusBlocks.Source]

    init(
        _ encoder: CorpusEncoder, width: Int, _ report: CorpusReport, _ shards: [DatasetSplit: [TokenShard]],
        _ sources: [CorpusBlocks.Source], hasChats: Bool
    ) {
        let vocabulary = encoder.tokenizer.vocabulary
        tokenizerFile = encoder.tokenizerFile
        fingerprint = vocabulary.fingerprint
        vocabularySize = vocabulary.count
        template = hasChats ? encoder.template : nil
        self.width = width
        seed = encoder.seed
        validationShare = encoder.validationShare
        maxTokens = encoder.maxTokens
        self.report = report
        self.shards = shards.filter { $0.value.count > 1 }
        self.sources = sources
    }

    package static func width(ofVocabulary count: Int) -> Int { count > 65_536 ? 4 : 2 }

    package func counts(of split: DatasetSplit) -> CorpusReport.Counts { split == .train ? report.train : report.val }

    /// The files of a split, in order.
    package func shards(of split: DatasetSplit) -> [TokenShard] {
        let counts = counts(of: split)
        return shards[split] ?? [TokenShard(tokens: counts.tokens, turns: counts.turns)]
    }

    /// Identifies the tokens regardless of their location and of the number of files. A training run stores it, and resumes only with the
    /// same tokens.
    package var identity: String {
        "vocabulary \(fingerprint), seed \(seed), " + DatasetSplit.allCases.map { split in
            let counts = counts(of: split)
            return "\(split.rawValue) \(counts.conversations) conversations, \(counts.tokens) tokens, \(counts.turns) turns, "
                + "\(counts.bytes.total) bytes"
        }.joined(separator: ", ")
    }
}

// MARK: Writing

extension TokenMeta {
    var json: [UInt8] {
        JSONWriter.file { w in
            w["version"] = Self.version
            w.object("tokenizer") {
                $0["file"] = tokenizerFile
                $0["fingerprint"] = fingerprint
                $0["vocabulary"] = vocabularySize
            }
            w["chat_template"] = template?.rawValue ?? "text"
            if case .jinja(let template)? = template {
                w["chat_template_source"] = template.source
                w["chat_template_settings"] = template.settingsJSON
            }
            w["dtype"] = width == 2 ? "uint16" : "uint32"
            w["seed"] = seed
            w["held_out"] = validationShare
            if let maxTokens { w["max_tokens"] = maxTokens }
            w.object("conversations") {
                $0["kept"] = report.kept
                $0["cut"] = report.truncated
                $0["empty"] = report.empty
                $0["malformed"] = report.malformed
            }
            for split in DatasetSplit.allCases { w.key(split.rawValue); Self.write(counts(of: split), shards[split] ?? [], to: &w) }
            w.objects("sources", sources) { source, w in
                w["path"] = source.path
                w["bytes"] = source.bytes
                if let format = source.format { w["format"] = format.rawValue }
                if let split = source.split { w["part"] = split.rawValue }
            }
        }
    }

    private static func write(_ counts: CorpusReport.Counts, _ shards: [TokenShard], to writer: inout JSONWriter) {
        writer.object {
            $0["conversations"] = counts.conversations
            $0["messages"] = counts.messages
            $0["tokens"] = counts.tokens
            $0["turns"] = counts.turns
            $0.object("bytes") {
                $0["user"] = counts.bytes.user
                $0["assistant"] = counts.bytes.assistant
                $0["system"] = counts.bytes.system
            }
            if shards.isEmpty { return }
            $0.objects("shards", shards) { shard, w in
                w["tokens"] = shard.tokens
                w["turns"] = shard.turns
                w["hash"] = shard.hash ?? ""
            }
        }
    }
}

// MARK: Reading

extension TokenMeta {
    package init(reading path: String) throws(CorpusError) {
        let text = try mapFileError { () throws(FileError) in try InputFile.contents(of: path) }
        do throws(JSONError) {
            try self.init(try JSONElement(parsing: text))
        } catch { throw .damaged(path: path, reason: error.description) }
    }

    private init(_ root: JSONElement) throws(JSONError) {
        func mismatch(_ key: String, _ expected: String, _ found: String) -> JSONError {
            .mismatch(key: key, expected: expected, found: found)
        }
        let version = try root.integer("version")
        guard version == Self.version else { throw mismatch("version", "\(Self.version)", "\(version)") }
        let tokenizer = try root.object("tokenizer")
        tokenizerFile = try tokenizer.string("file")
        fingerprint = try tokenizer.string("fingerprint")
        vocabularySize = try tokenizer.integer("vocabulary")
        let name = try root.string("chat_template")
        template = ChatTemplate(
            rawValue: name, source: root["chat_template_source"]?.string, settings: root["chat_template_settings"]?.string)
        guard template != nil || name == "text" else {
            throw mismatch("chat_template", "markers, human-assistant or text", "\"\(name)\"")
        }
        let type = try root.string("dtype")
        guard type == "uint16" || type == "uint32" else { throw mismatch("dtype", "uint16 or uint32", "\"\(type)\"") }
        width = type == "uint16" ? 2 : 4
        guard vocabularySize > 0, width == 4 || vocabularySize <= 65_536 else {
            throw mismatch("vocabulary", "a size that fits in \(type)", "\(vocabularySize)")
        }
        guard let seed = root["seed"]?.unsigned else {
            throw mismatch("seed", "a whole number of 64 bits", root["seed"]?.kind.rawValue ?? "nothing")
        }
        self.seed = seed
        validationShare = try root.number("held_out")
        maxTokens = root["max_tokens"] == nil ? nil : try root.integer("max_tokens")
        report = CorpusReport()
        let conversations = try root.object("conversations")
        report.kept = try conversations.integer("kept")
        report.truncated = try conversations.integer("cut")
        report.empty = try conversations.integer("empty")
        report.malformed = try conversations.integer("malformed")
        report.train = try Self.counts(root.object("train"))
        report.val = try Self.counts(root.object("val"))
        shards = [:]
        sources = []
        for split in DatasetSplit.allCases {
            let object = try root.object(split.rawValue)
            if object["shards"] == nil { continue }
            let list = try Self.shards(object), counts = counts(of: split)
            let sums = list.reduce((0, 0)) { ($0.0 + $1.tokens, $0.1 + $1.turns) }
            guard list.count > 1, sums == (counts.tokens, counts.turns) else {
                throw mismatch(
                    "shards", "two or more shards of \(counts.tokens) tokens and \(counts.turns) turns",
                    "\(list.count) of \(sums.0) and \(sums.1)")
            }
            shards[split] = list
        }
        for source in try root.array("sources") {
            sources.append(CorpusBlocks.Source(
                path: try source.string("path"),
                split: source["part"]?.string.flatMap(DatasetSplit.init(rawValue:)),
                bytes: try source.integer("bytes"),
                format: source["format"]?.string.flatMap(ChatFileFormat.init(rawValue:))
            ))
        }
    }

    private static func shards(_ object: JSONElement) throws(JSONError) -> [TokenShard] {
        var shards: [TokenShard] = []
        for shard in try object.array("shards") {
            let tokens = try shard.integer("tokens"), turns = try shard.integer("turns")
            guard tokens >= 0, turns >= 0, tokens < 1 << 48, turns < 1 << 48 else {
                throw .mismatch(key: "shards", expected: "numbers of tokens and turns", found: "\(tokens) and \(turns)")
            }
            shards.append(TokenShard(tokens: tokens, turns: turns, hash: try shard.string("hash")))
        }
        return shards
    }

    private static func counts(_ object: JSONElement) throws(JSONError) -> CorpusReport.Counts {
        var counts = CorpusReport.Counts()
        counts.conversations = try object.integer("conversations")
        counts.messages = try object.integer("messages")
        counts.tokens = try object.integer("tokens")
        counts.turns = try object.integer("turns")
        let bytes = try object.object("bytes")
        counts.bytes.user = try bytes.integer("user")
        counts.bytes.assistant = try bytes.integer("assistant")
        counts.bytes.system = try bytes.integer("system")
        return counts
    }
}
