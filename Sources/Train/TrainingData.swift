package import Corpus
import Checkpoint
package import Distributed
import Files
import Hashing
package import Kernels
package import Tokenize

/// The training set and the validation set of a run. `slm train` and `slm finetune` build them here, by one rule.
///
///     let data = try TrainingData(.init(["chats.jsonl"]), vocabulary: vocabulary, on: pool)
///     let batches = try data.batches(.train, plan, context: 384)
///
/// Chat files are tokenized, and the conversations are split by ``ValidationSplit``. Prepared token files (`train.bin` and `val.bin` of
/// `slm tokenize corpus`) are used unchanged.
package struct TrainingData: Sendable {
    package struct Source: Sendable {
        /// Chat files, text files and folders of them; or one folder that `slm tokenize corpus` wrote.
        package var paths: [String]
        /// Files to validate on, instead of a share of `paths`.
        package var validation: [String] = []
        /// The share of the conversations to validate on.
        package var validationShare = 0.1
        /// Skips and counts malformed lines instead of throwing.
        package var skipsBad = false

        package init(_ paths: [String]) { self.paths = paths }

        /// Whether the source is a folder of prepared token files.
        package var isPrepared: Bool { paths.count == 1 && Folder.contains("meta.json", in: paths[0]) }
    }

    /// A place for the token files made from chat files.
    package enum Storage {
        /// Deletes the files at once. The open data stays readable until it is released.
        case temporary
        /// Keeps the files, and finds them again if the same program version needs them for the same source.
        case cache(DatasetCache, version: String)
    }

    package let vocabulary: Vocabulary
    package let meta: TokenMeta
    /// The report of the tokenization; nil for prepared token files and for files found in the cache.
    package let report: CorpusReport?
    package let training, validation: TokenFile

    /// - Parameters:
    ///   - template: The chat template for chat files.
    ///   - ranks: The first one of a machine tokenizes, with the threads of all of them. All ranks build the same data.
    ///   - progress: Called with the number of bytes that are tokenized.
    package init(
        _ source: Source, vocabulary: Vocabulary, template: ChatTemplate = .specialTokens, storage: Storage = .temporary,
        over ranks: RankGroup? = nil, on pool: WorkerPool,
        progress: @escaping (_ bytesRead: Int) throws(CorpusError) -> Void = { _ in }
    ) throws {
        if source.isPrepared {
            try self.init(prepared: source.paths[0], vocabulary, report: nil)
            return
        }
        var report: CorpusReport?
        let identity = ranks == nil ? "" : Self.identity(of: source, recipe: Self.recipe(source, vocabulary, template, version: ""))
        func opened(_ write: (_ tokenize: (_ folder: String) throws -> Void) throws -> String) throws -> Self {
            try ranks.writingOnce(identity) { ranks in
                try write { folder in
                    let pool = try ranks == 1 ? pool : WorkerPool(threads: ranks * pool.size)
                    report = try Self.tokenize(source, with: Tokenizer(vocabulary), template, to: folder, on: pool, progress)
                }
            } open: { folder in
                try Self(prepared: folder, vocabulary, report: report)
            }
        }
        switch storage {
        case .temporary:
            let folder = try ScratchFolder()
            self = try opened { tokenize in
                try tokenize(folder.path)
                return folder.path
            }
        case .cache(let cache, let version):
            let paths = source.paths + source.validation, recipe = Self.recipe(source, vocabulary, template, version: version)
            // An earlier build may have written it, or a disk may have damaged it.
            func isUsable(_ folder: String) -> Bool { (try? TokenMeta(reading: folder + "/meta.json")) != nil }
            self = try opened { tokenize in
                try cache.folder(for: paths, recipe: recipe, isUsable: isUsable) { folder in
                    try tokenize(folder)
                    try vocabulary.write(to: folder + "/tokenizer.json")       // makes it a complete folder for slm train --data
                }
            }
        }
    }

    private init(prepared folder: String, _ vocabulary: Vocabulary, report: CorpusReport?) throws {
        self.vocabulary = vocabulary
        self.report = report
        meta = try TokenMeta(reading: folder + "/meta.json")
        guard vocabulary.fingerprint == meta.fingerprint else {
            throw TrainingError.otherVocabulary(folder: folder, found: meta.fingerprint, expected: vocabulary.fingerprint)
        }
        training = try TokenFile(.train, in: folder, meta)
        validation = try TokenFile(.val, in: folder, meta)
    }

    private static func recipe(_ source: Source, _ vocabulary: Vocabulary, _ template: ChatTemplate, version: String) -> String {
        """
        tokens, format \(TokenMeta.version), slm \(version), vocabulary \(vocabulary.fingerprint), template \(template.identity), \
        validation share \(source.validationShare), validation files \(source.validation.count)\
        \(source.skipsBad ? ", malformed lines skipped" : "")
        """
    }

    /// Differs between ranks that would write other token files.
    private static func identity(of source: Source, recipe: String) -> String {
        [source.paths, source.validation].map { (try? DatasetCache.key($0, recipe)) ?? $0.joined(separator: "\n") }
            .joined(separator: "\n\n")
    }

    private static func tokenize(
        _ source: Source, with tokenizer: Tokenizer, _ template: ChatTemplate, to folder: String, on pool: WorkerPool,
        _ progress: @escaping (_ bytesRead: Int) throws(CorpusError) -> Void
    ) throws(CorpusError) -> CorpusReport {
        var encoder = CorpusEncoder(tokenizer, file: "tokenizer.json", template: template)
        encoder.validationShare = source.validationShare
        encoder.skipsBad = source.skipsBad
        encoder.progress = progress
        let report = try encoder.write(source.paths, validation: source.validation, to: folder, on: pool)
        let isSplit = report.train.conversations > 0 && report.val.conversations > 0
        if isSplit || !source.validation.isEmpty || source.paths.contains("-") { return report }
        if try TokenMeta(reading: folder + "/meta.json").template == nil { return report }
        // A few chats can all fall into one set. (Standard input cannot be read again, and plain text is split by bytes.)
        let split = ValidationSplit(seed: encoder.seed, share: encoder.validationShare)
        let adjusted = split.adjusted(to: report.train.conversations + report.val.conversations)
        if adjusted == split { return report }
        encoder.validationShare = adjusted.share
        return try encoder.write(source.paths, to: folder, on: pool)
    }
}

extension TrainingData {
    func tokens(_ split: DatasetSplit) -> TokenFile { split == .train ? training : validation }

    /// The number of examples: conversations or, for plain text, passages as long as the context.
    package func exampleCount(_ split: DatasetSplit, context: Int) -> Int {
        meta.template == nil ? max(0, tokens(split).count + context - 2) / context : meta.counts(of: split).conversations
    }

    /// The memory of the token files, which stays in use once they are read, and of the packing. Of token files that are larger than
    /// ``TokenFile/checkedBytes``, the system can release pages at any time.
    package var memoryBytes: Double {
        var bytes = training.residentBytes + validation.residentBytes
        for split in DatasetSplit.allCases {
            let counts = meta.counts(of: split)
            bytes += counts.turns * 8 + counts.conversations * 48
        }
        return Double(bytes)
    }

    /// Identifies the tokens and their split.
    package var digest: String {
        get throws(CorpusError) {
            let digest = Digest()
            for file in [training, validation] {
                try file.addIDs(to: digest)
                digest.add([-1])       // the border between the sets
            }
            return digest.text
        }
    }

    /// The batches of a set: packed conversations or, for plain text or if the plan says so, random windows.
    package func batches(_ split: DatasetSplit, _ plan: TrainingPlan, context: Int) throws(TrainingError) -> any TrainingBatches {
        if !plan.usesWindows, meta.template != nil { return try packedBatches(split, plan, context: context) }
        return try RandomWindows(
            tokens(split), rows: plan.batch, context: context, seed: seed(split, plan), lossScope: plan.lossScope
        )
    }

    /// The validation set; nil if it has no targets.
    package func validationSet(_ lossScope: LossScope) throws(CorpusError) -> ValidationSet? {
        try ValidationSet(validation, meta.template, vocabulary, lossScope: lossScope)
    }

    /// Packed conversations, also for plain text.
    package func packedBatches(
        _ split: DatasetSplit, _ plan: TrainingPlan, context: Int
    ) throws(TrainingError) -> PackedConversations {
        try PackedConversations(
            tokens(split), rows: plan.batch, context: context, seed: seed(split, plan), lossScope: plan.lossScope,
            padding: vocabulary.specialTokenID("<|pad|>") ?? 0
        )
    }

    /// The sets have different seeds, so their shuffles are independent.
    private func seed(_ split: DatasetSplit, _ plan: TrainingPlan) -> UInt64 {
        plan.randomSeed &+ (split == .val ? 1 << 32 : 0)
    }
}
