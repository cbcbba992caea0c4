import JSON

/// A line of a run's log.jsonl.
///
///     LogEntry.skipped(step: 12).json                          // {"event":"skipped","step":12}
///     LogEntry(try parser.parse(line))                         // .skipped(step: 12)
package enum LogEntry: Sendable, Equatable {
    /// Training starts, or resumes after a step, with these settings.
    case started([RunSetting], after: Int)
    /// The weights were initialized from n-gram counts of the training data.
    case initialized(NGramInitialization)
    case step(Step)
    /// A batch, counted from 0, was skipped because its loss or gradient was not finite.
    case skipped(step: Int)
    case evaluated(Evaluation)
    case answered(Answer)
    /// The best checkpoint of a run that has ended, on the validation set.
    case validated(Validation)
    case ended(Ending, step: Int)

    package struct NGramInitialization: Sendable, Equatable {
        /// The token pairs written into the initial weights.
        package let pairs: Int
        /// The number of contexts that the weights were fitted to.
        package let contexts: Int
        package let seconds: Double

        package init(pairs: Int, contexts: Int, seconds: Double) {
            self.pairs = pairs
            self.contexts = contexts
            self.seconds = seconds
        }
    }

    package struct Step: Sendable, Equatable {
        package let step: Int
        package let loss, gradientNorm, learningRate: Double
        /// Tokens processed since the start of the run, padding and masked targets included.
        package let tokens: Int
        /// Targets with a loss since the start of the run; nil if they were not counted.
        package var lossTokens: Int?
        /// Seconds since the start of the run.
        package let seconds: Double
        /// The metrics of a step on preferences.
        package var preferences: Preferences?
        /// The time that the step waited for other ranks; nil without ranks.
        package var waitedSeconds: Double?

        package init(step: Int, loss: Double, gradientNorm: Double, learningRate: Double, tokens: Int, seconds: Double) {
            self.step = step
            self.loss = loss
            self.gradientNorm = gradientNorm
            self.learningRate = learningRate
            self.tokens = tokens
            self.seconds = seconds
        }
    }

    /// How well a model tells preferred answers from others.
    package struct Preferences: Sendable, Equatable {
        /// The share of preferences whose rewards are the right way round.
        package let accuracy: Double
        /// The difference between the mean rewards of good and of bad answers.
        package let margin: Double
        /// An estimate of the KL divergence from the reference model; nil if there is none.
        package let kl: Double?

        package init(accuracy: Double, margin: Double, kl: Double?) {
            self.accuracy = accuracy
            self.margin = margin
            self.kl = kl
        }
    }

    package struct Evaluation: Sendable, Equatable {
        package let step: Int
        /// Losses in nats per token or, on preferences, per preference.
        package var trainingLoss: Double?, validationLoss: Double?
        package var bitsPerByte: Double?
        /// Identifies the tokens that were validated on; nil without validation data.
        package var validationSet: String?
        /// The loss on the replay data of a fine-tuning run.
        package var replayLoss: Double?
        /// Whether `best.h5` got the weights.
        package let isBest: Bool
        /// Tokens processed since the start of the run, padding and masked targets included.
        package let tokens: Int
        /// Targets with a loss since the start of the run; nil if they were not counted.
        package var lossTokens: Int?
        /// Seconds since the start of the run.
        package let seconds: Double
        /// The metrics of a run on preferences.
        package var trainingPreferences: Preferences?, validationPreferences: Preferences?

        package init(step: Int, isBest: Bool, tokens: Int, seconds: Double) {
            self.step = step
            self.isBest = isBest
            self.tokens = tokens
            self.seconds = seconds
        }

        /// The loss that selects the best checkpoint: the validation loss, or the training loss without validation data.
        var loss: Double? { validationLoss ?? trainingLoss }
    }

    package struct Validation: Sendable, Equatable {
        /// The step of the best checkpoint.
        package let step: Int
        /// In nats per token.
        package var loss: Double?
        package var bitsPerByte: Double?
        /// The number of targets.
        package let tokens: Int
        package let conversations: Int
        /// Whether it is the whole validation set, or the part of it that the run had time for.
        package let isWholeSet: Bool
        /// Identifies the tokens that were validated on.
        package let set: String
        /// The metrics of a run on preferences.
        package var preferences: Preferences?

        package init(step: Int, tokens: Int, conversations: Int, isWholeSet: Bool, set: String) {
            self.step = step
            self.tokens = tokens
            self.conversations = conversations
            self.isWholeSet = isWholeSet
            self.set = set
        }
    }

    /// A sample answer, generated during training.
    package struct Answer: Sendable, Equatable {
        package let step: Int
        package let question, answer: String
        /// The answer in the training data, if the question was taken from it.
        package let expected: String?

        package init(step: Int, question: String, answer: String, expected: String?) {
            self.step = step
            self.question = question
            self.answer = answer
            self.expected = expected
        }
    }

    package enum Ending: String, Sendable, CaseIterable {
        case finished, earlyStopped = "no_gain", stopped, diverged
    }
}

/// A setting that a run was started with.
package struct RunSetting: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case text(String), number(Double), whole(Int)
    }

    /// The group in the report, such as `model`.
    package let group: String
    package let name: String
    package let value: Value

    package init(_ group: String, _ name: String, _ value: Value) {
        self.group = group
        self.name = name
        self.value = value
    }
}
