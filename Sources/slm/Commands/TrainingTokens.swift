import Checkpoint
import Corpus
import Files
import Glibc
import Model
import Tokenize
import Train

/// What a training learns from: a folder of tokens, which was named or is made from chats and kept for the next time.
struct TrainingTokens {
    let folder: String
    let meta: TokenMeta
    let vocabulary: Vocabulary

    /// - Parameter stored: the checkpoint that the training goes on from.
    init(_ options: TrainOptions, goingOnFrom stored: Checkpoint?) throws {
        guard let first = options.data.first else {
            throw UsageError("slm train: give chats, or a folder of tokens: --data FILE… or --data FOLDER.")
        }
        if options.data.count == 1, Folder.contains("meta.json", in: first) {
            let chatOptions = [
                options.vocabularySize == nil ? nil : "--vocab-size", options.validation.isEmpty ? nil : "--val",
                options.validationShare == nil ? nil : "--val-share",
            ]
            if let option = chatOptions.compactMap({ $0 }).first {
                throw UsageError("slm train: \(option) is for chats, and \(first) holds tokens that are made already.")
            }
            folder = first
            vocabulary = try Vocabulary(reading: options.tokenizer ?? first + "/tokenizer.json")
        } else {
            (folder, vocabulary) = try Self.made(options, try stored?.vocabulary())
        }
        meta = try TokenMeta(reading: folder + "/meta.json")
        guard vocabulary.fingerprint == meta.fingerprint else {
            throw Refusal(
                description:
                    "the tokens in \(folder) were made with another vocabulary (\(meta.fingerprint)) than this one (\(vocabulary.fingerprint)). "
                    + "Write them again: slm tokenize --tokens, or name theirs: --tokenizer.")
        }
        guard case .text(let identity)? = stored?.training["data"], identity != meta.identity else { return }
        throw Refusal(description: "these are not the tokens that the training began with. It had: \(identity). Found: \(meta.identity). "
            + "Give the same files, --val and --val-share; or begin another training: --out.")
    }

    /// Chats as tokens: a vocabulary, unless there is one, and what it makes of the chats, each in a folder of the cache.
    private static func made(_ options: TrainOptions, _ stored: Vocabulary?) throws -> (folder: String, vocabulary: Vocabulary) {
        if options.tokenizer != nil, options.vocabularySize != nil {
            throw UsageError("slm train: --vocab-size learns a vocabulary, --tokenizer takes one: give one of them.")
        }
        if options.data.contains("-") {
            throw UsageError("slm train: chats from standard input could not be found again by --resume. Put them into a file.")
        }
        if !options.validation.isEmpty, options.validationShare != nil {
            throw UsageError("slm train: --val says what to check with, --val-share how much of the chats: give one of them.")
        }
        var tokenize = TokenizeOptions()
        tokenize.data = options.data
        tokenize.validation = options.validation
        tokenize.threads = options.threads
        tokenize.isQuiet = options.json
        tokenize.skipsBad = options.skipsBad
        tokenize.hidesFolder = true
        if let share = options.validationShare { tokenize.validationShare = share }
        let cache = DatasetCache(in: try root())
        let vocabulary = try stored ?? options.tokenizer.map { try Vocabulary(reading: $0) } ?? learned(tokenize, options, cache)
        let manner =
            "tokens, version \(TokenMeta.version), slm \(version), vocabulary \(vocabulary.fingerprint), share \(tokenize.validationShare), "
            + "seed \(tokenize.seed), form \(tokenize.form.rawValue), \(options.validation.count) files or folders to check with\(skipping(options))"
        let folder = try cache.folder(of: options.data + options.validation, made: manner) {
            try tokenize.writeTokens(with: vocabulary, to: $0)
        }
        return (folder, vocabulary)
    }

    private static func skipping(_ options: TrainOptions) -> String { options.skipsBad ? ", without what cannot be read" : "" }

    private static func learned(_ tokenize: TokenizeOptions, _ options: TrainOptions, _ cache: DatasetCache) throws -> Vocabulary {
        var tokenize = tokenize
        let size = try options.vocabularySize ?? options.presetConfiguration.vocabulary
        tokenize.vocabularySize = size
        let folder = try cache.folder(
            of: options.data, made: "a vocabulary of \(size), slm \(version), special tokens \(tokenize.specialTokens)\(skipping(options))"
        ) { part in
            try tokenize.learn().write(to: part + "/tokenizer.json")
        }
        return try Vocabulary(reading: folder + "/tokenizer.json")
    }

    /// The folder that the system keeps for what can be made again.
    private static func root() throws -> String {
        let environment = { (name: String) in getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil } }
        if let cache = environment("XDG_CACHE_HOME") { return cache + "/slm" }
        if let home = environment("HOME") { return home + "/.cache/slm" }
        throw Refusal(description: "no place to keep tokens: set HOME or XDG_CACHE_HOME, or make them yourself: slm tokenize --tokens.")
    }
}

extension TrainingTokens {
    /// The memory that they take: the files, which stay in it once they were read, and which conversation goes into which row.
    var bytes: Double {
        DatasetSplit.allCases.map { meta.counts(of: $0) }.reduce(0) {
            $0 + Double($1.tokens * meta.width + $1.turns * 8 + $1.conversations * 48)
        }
    }

    /// nil if there are too few to check with.
    func validation(_ plan: TrainingPlan, _ configuration: GPTConfiguration) throws -> (any TrainingBatches)? {
        meta.counts(of: .val).tokens > configuration.context ? try examples(.val, plan, configuration) : nil
    }

    func examples(_ part: DatasetSplit, _ plan: TrainingPlan, _ configuration: GPTConfiguration) throws -> any TrainingBatches {
        let tokens = try TokenFile(part, in: folder, meta), seed = UInt64(bitPattern: Int64(plan.seed)) &+ (part == .val ? 1 << 32 : 0)
        if plan.packs, meta.template != nil {
            return try PackedConversations(tokens, rows: plan.rows, context: configuration.context, seed: seed, lossScope: plan.lossScope,
                                           padding: vocabulary.specialTokenID("<|pad|>") ?? 0)
        }
        return try RandomWindows(tokens, rows: plan.rows, context: configuration.context, seed: seed, lossScope: plan.lossScope)
    }
}
