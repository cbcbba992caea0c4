package import Checkpoint
package import Distributed
package import Tokenize

/// Why a training run cannot start or continue.
package enum TrainingError: Error, Equatable {
    case tooFewTokens(path: String, count: Int, needed: Int)
    case tokenizer(TokenizeError)
    case checkpoint(CheckpointError)
    case tooFewChats(paths: [String], count: Int, needed: Int)
    /// No message of the assistant is to be learned, and no other messages are.
    case noAnswers
    /// The base of a fine-tuning run is a LoRA adapter instead of a model.
    case adapterAsBase(path: String)
    /// The adapter to start from is a model.
    case noAdapter(path: String)
    /// The adapter to start from has added tokens to the vocabulary.
    case addedTokens(path: String)
    /// Some weights of the base model are not finite.
    case notFinite(path: String)
    /// The run to resume is not a fine-tuning run.
    case noFinetune(path: String)
    /// The chats changed since the fine-tuning run started.
    case changedData(paths: [String])
    /// The tokens were made with another vocabulary.
    case otherVocabulary(folder: String, found: String, expected: String)
    /// The tokens are not those that the run started with.
    case otherTokens(found: String, expected: String)
    /// An option for a resumed run has another value than the run was started with, and cannot change.
    case cannotChange(option: String, stored: String, given: String)
    case ranks(RankError)
    /// The length for a resumed run is not longer than what it has trained for.
    case lengthPassed(option: String, done: String, given: String)
}

extension TrainingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooFewTokens(let path, let count, let needed):
            "\(path): expected at least \(needed) tokens, found \(count). Provide more text, or use a shorter context."
        case .tokenizer(let error): error.description
        case .checkpoint(let error): error.description
        case .ranks(let error): error.description
        case .tooFewChats(let paths, let count, let needed):
            "\(paths.joined(separator: ", ")): \(count) chat\(count == 1 ? "" : "s"), and fine-tuning needs \(needed). "
                + "Collect more, or continue with fewer: --force"
        case .noAnswers:
            "the chats to train on have no answers of the assistant to learn, or only such with the weight 0. "
                + "To learn all messages: --loss-scope all"
        case .adapterAsBase(let path):
            "\(path) is a LoRA adapter, not a model. Train it further: slm finetune BASE --init-adapter \(path) --data FILE. Or merge "
                + "it into its base first: slm adapter merge \(path) --out MERGED.h5, then fine-tune the merged model."
        case .addedTokens(let path):
            "\(path): expected an adapter with the vocabulary of its base (--init-adapter), found added tokens. Continue its run with "
                + "--resume, or merge it and train a new adapter: slm adapter merge"
        case .noAdapter(let path): "\(path): expected a LoRA adapter to start from (--init-adapter), found a whole model."
        case .notFinite(let path):
            "\(path): some weights are not finite, so they have no singular values. "
                + "Use another checkpoint, or initialize without PiSSA: --lora-init plain"
        case .noFinetune(let path): "\(path) was not made by slm finetune. Resume a training run: slm train --resume"
        case .changedData(let paths):
            "\(paths.joined(separator: ", ")): the chats, or their split into training and validation sets, changed since this run "
                + "started. Restore them to resume, or start another run from its best.h5."
        case .otherVocabulary(let folder, let found, let expected):
            "\(folder): expected tokens of the vocabulary \(expected), found tokens of \(found). "
                + "Write the tokens again with slm tokenize corpus, or use their vocabulary: --tokenizer."
        case .otherTokens(let found, let expected):
            "these are not the tokens that the run started with. Expected: \(expected). Found: \(found). "
                + "Use the same files, --val and --val-share, or start another run: --out."
        case .cannotChange(let option, let stored, let given):
            "\(option): expected \(stored), which the run was started with, found \(given). A resumed run cannot change it: "
                + "leave the option out, or start another run."
        case .lengthPassed(let option, let done, let given):
            "\(option): expected more than the \(done) that the run has trained for, found \(given)."
        }
    }
}
