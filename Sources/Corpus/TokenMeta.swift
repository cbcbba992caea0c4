import Files
import JSON
package import Tokenize

/// What `meta.json` says of the files of tokens beside it.
///
///     let meta = try TokenMeta(reading: "data/meta.json")
///     meta.fingerprint == tokenizer.vocabulary.fingerprint     // or the tokens are another vocabulary's
package struct TokenMeta: Sendable, Equatable {
    package static let version = 1

    package var tokenizerFile: String
    /// The vocabulary's.
    package var fingerprint: String
    package var vocabularySize: Int
    /// nil if nothing but plain text was there.
    package var form: ChatTemplate?
    /// Bytes of an id: 2 or 4.
    package var width: Int
    package var seed: UInt64
    package var validationShare: Double
    /// The most tokens of a conversation.
    package var limit: Int?
    package var report: CorpusReport
    package var sources: [CorpusBlocks.Source]

    init(_ encoding: CorpusEncoder, width: Int, _ report: CorpusReport, _ sources: [CorpusBlocks.Source], hasChats: Bool) {
        let vocabulary = encoding.tokenizer.vocabulary
        tokenizerFile = encoding.tokenizerFile
        fingerprint = vocabulary.fingerprint
        vocabularySize = vocabulary.count
        form = hasChats ? encoding.form : nil
        self.width = width
        seed = encoding.seed
        validationShare = encoding.validationShare
        limit = encoding.limit
        self.report = report
        self.sources = sources
    }

    package static func width(ofVocabulary count: Int) -> Int { count > 65_536 ? 4 : 2 }

    package func counts(of part: DatasetSplit) -> CorpusReport.Counts { part == .train ? report.train : report.val }
}

extension TokenMeta {
    var json: [UInt8] {
        var writer = JSONWriter(.pretty)
        writer.object { w in
            w.key("version"); w.integer(Self.version)
            w.key("tokenizer"); w.object {
                $0.key("file"); $0.string(tokenizerFile)
                $0.key("hash"); $0.string(fingerprint)
                $0.key("vocabulary"); $0.integer(vocabularySize)
            }
            w.key("form"); w.string(form?.rawValue ?? "text")
            w.key("dtype"); w.string(width == 2 ? "uint16" : "uint32")
            w.key("seed"); w.integer(seed)
            w.key("held_out"); w.number(validationShare)
            if let limit { w.key("max_tokens"); w.integer(limit) }
            w.key("conversations"); w.object {
                for (key, count) in [("kept", report.kept), ("cut", report.cut), ("empty", report.empty), ("malformed", report.malformed)] {
                    $0.key(key); $0.integer(count)
                }
            }
            for part in DatasetSplit.allCases { w.key(part.rawValue); Self.write(counts(of: part), to: &w) }
            w.key("sources"); w.array { w in
                for source in sources {
                    w.object {
                        $0.key("path"); $0.string(source.path)
                        $0.key("bytes"); $0.integer(source.bytes)
                        if let format = source.format { $0.key("format"); $0.string(format.rawValue) }
                        if let part = source.part { $0.key("part"); $0.string(part.rawValue) }
                    }
                }
            }
        }
        writer.newline()
        return writer.bytes
    }

    private static func write(_ counts: CorpusReport.Counts, to writer: inout JSONWriter) {
        writer.object {
            for (key, count) in [
                ("conversations", counts.conversations), ("messages", counts.messages), ("tokens", counts.tokens), ("turns", counts.turns),
            ] {
                $0.key(key); $0.integer(count)
            }
            $0.key("bytes"); $0.object {
                $0.key("user"); $0.integer(counts.bytes.user)
                $0.key("assistant"); $0.integer(counts.bytes.assistant)
                $0.key("system"); $0.integer(counts.bytes.system)
            }
        }
    }
}

extension TokenMeta {
    package init(reading path: String) throws(CorpusError) {
        let text = try files { () throws(FileError) in try InputFile.contents(of: path) }
        do throws(JSONError) {
            var parser = JSONParser()
            try self.init(try parser.parse(text))
        } catch { throw .damaged(path: path, reason: error.description) }
    }

    private init(_ root: JSONElement) throws(JSONError) {
        func reject(_ key: String, _ expected: String, _ found: String) -> JSONError {
            .mismatch(key: key, expected: expected, found: found)
        }
        let version = try root.integer("version")
        guard version == Self.version else { throw reject("version", "\(Self.version)", "\(version)") }
        let tokenizer = try root.object("tokenizer")
        tokenizerFile = try tokenizer.string("file")
        fingerprint = try tokenizer.string("hash")
        vocabularySize = try tokenizer.integer("vocabulary")
        let name = try root.string("form")
        form = ChatTemplate(rawValue: name)
        guard form != nil || name == "text" else { throw reject("form", "markers, human-assistant or text", "\"\(name)\"") }
        let type = try root.string("dtype")
        guard type == "uint16" || type == "uint32" else { throw reject("dtype", "uint16 or uint32", "\"\(type)\"") }
        width = type == "uint16" ? 2 : 4
        guard vocabularySize > 0, width == 4 || vocabularySize <= 65_536 else {
            throw reject("vocabulary", "a size that fits \(type)", "\(vocabularySize)")
        }
        guard let seed = root["seed"]?.unsigned else {
            throw reject("seed", "a whole number of 64 bits", root["seed"]?.kind.rawValue ?? "nothing")
        }
        self.seed = seed
        validationShare = try root.number("held_out")
        limit = root["max_tokens"] == nil ? nil : try root.integer("max_tokens")
        report = CorpusReport()
        let all = try root.object("conversations")
        report.kept = try all.integer("kept")
        report.cut = try all.integer("cut")
        report.empty = try all.integer("empty")
        report.malformed = try all.integer("malformed")
        report.train = try Self.counts(root.object("train"))
        report.val = try Self.counts(root.object("val"))
        sources = []
        for source in try root.array("sources") {
            sources.append(
                .init(
                    path: try source.string("path"), part: source["part"]?.string.flatMap(DatasetSplit.init(rawValue:)),
                    bytes: try source.integer("bytes"),
                    format: source["format"]?.string.flatMap(ChatFileFormat.init(rawValue:))))
        }
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
