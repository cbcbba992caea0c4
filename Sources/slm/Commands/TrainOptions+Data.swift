import Checkpoint
import Corpus
import Files
import Formats
import Glibc
import Kernels
import Model
import Tokenize
import Train

/// The training data of `slm train`.
extension TrainOptions {
    /// Opens prepared token files, or tokenizes chat files into the cache.
    ///
    /// - Parameter stored: The checkpoint to resume.
    func trainingData(resuming stored: Checkpoint?) throws -> TrainingData {
        guard let first = data.first else {
            throw UsageError("slm train: expected chats, text or a folder of token files: --data FILE.")
        }
        var source = TrainingData.Source(data)
        source.validation = validation
        source.validationShare = validationShare ?? source.validationShare
        source.skipsBad = run.skipsBad
        if let stored, let tokenizer { try check(tokenizer, stored) }
        let tokens: TrainingData
        if source.isPrepared {
            let chatOptions = [
                run.plan.has("vocab-size") ? "--vocab-size" : nil, validation.isEmpty ? nil : "--val",
                validationShare == nil ? nil : "--val-share", chatTemplate == nil ? nil : "--chat-template",
            ]
            if let option = chatOptions.compactMap({ $0 }).first {
                throw UsageError("slm train: \(option) applies to chats, and \(first) holds token files.")
            }
            let vocabulary = try Vocabulary(ofFile: tokenizer ?? first + "/tokenizer.json")
            tokens = try TrainingData(source, vocabulary: vocabulary, on: WorkerPool(threads: 1))
        } else {
            try checkChatOptions()
            tokens = try tokenizedChats(source, stored)
        }
        if case .text(let identity)? = stored?.training["data"], identity != tokens.meta.identity {
            throw TrainingError.otherTokens(found: tokens.meta.identity, expected: identity)
        }
        return tokens
    }

    /// Throws if a tokenizer is not that of the run to resume.
    private func check(_ tokenizer: String, _ stored: Checkpoint) throws {
        let given = try Vocabulary(ofFile: tokenizer).fingerprint
        if let expected = stored.tokenizer?.fingerprint, expected != given {
            throw TrainingError.cannotChange(option: "--tokenizer", stored: "vocabulary \(expected)", given: "\(given) (\(tokenizer))")
        }
    }

    private func checkChatOptions() throws {
        if tokenizer != nil, run.plan.has("vocab-size") {
            throw UsageError("slm train: expected --vocab-size (train a tokenizer) or --tokenizer (use one), found both.")
        }
        if data.contains("-") {
            throw UsageError("slm train: --data: expected a file, found - (standard input), which --resume could not read again.")
        }
        if !validation.isEmpty, validationShare != nil {
            throw UsageError("slm train: expected --val (files) or --val-share (a share of the data), found both.")
        }
    }

    private func tokenizedChats(_ source: TrainingData.Source, _ stored: Checkpoint?) throws -> TrainingData {
        var tokenize = TokenizeOptions()
        tokenize.chatTemplate = chatTemplate ?? tokenize.chatTemplate
        tokenize.data = data
        tokenize.validation = validation
        tokenize.threads = run.machine.threads
        tokenize.isSilent = run.json || estimates
        tokenize.quiet = run.quiet
        tokenize.skipsBad = run.skipsBad
        tokenize.hidesFolder = true
        guard let root = cacheRoot ?? userCacheFolder() else {
            throw CommandError(description: "no cache directory for the token files: set HOME or XDG_CACHE_HOME, or write them to a "
                + "folder: slm tokenize corpus --tokens DIR")
        }
        let cache = DatasetCache(in: root)
        let vocabulary = try Ranks.firstOnEachMachine {
            try stored?.vocabulary() ?? tokenizer.map { try Vocabulary(ofFile: $0) } ?? trainedVocabulary(tokenize, cache)
        }
        if let chatTemplate { try stored?.check(chatTemplate) }
        let template = try stored?.chatTemplate ?? tokenize.chatTemplate.template(for: Tokenizer(vocabulary))
        return try tokenize.printingProgress { pool, progress in
            try TrainingData(
                source, vocabulary: vocabulary, template: template, storage: .cache(cache, version: version),
                over: Ranks.current, on: pool, progress: progress)
        }
    }

    private func trainedVocabulary(_ tokenize: TokenizeOptions, _ cache: DatasetCache) throws -> Vocabulary {
        var tokenize = tokenize
        let size = try run.plan[integer: "vocab-size"] ?? presetConfiguration.vocabulary
        tokenize.vocabularySize = size
        let recipe = "a vocabulary of \(size), slm \(version), special tokens \(tokenize.specialTexts.joined(separator: ","))"
            + (run.skipsBad ? ", malformed lines skipped" : "")
        let folder = try cache.folder(for: data, recipe: recipe) { part in
            try tokenize.trainVocabulary().write(to: part + "/tokenizer.json")
        }
        return try Vocabulary(reading: folder + "/tokenizer.json")
    }
}
