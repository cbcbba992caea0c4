import JSON

/// A line of log.jsonl: what happened in a training.
///
///     LogEntry.skipped(step: 12).json                          // {"event":"skipped","step":12}
///     LogEntry(try parser.parse(line))                         // .skipped(step: 12)
package enum LogEntry: Sendable, Equatable {
    /// A training begins, or goes on after a step, with these settings.
    case started([RunSetting], after: Int)
    /// The model has begun with what counting knows of the text.
    case counted(Counted)
    case step(Step)
    /// Nothing was learned from this batch, counted from 0: the loss or the gradient was not finite.
    case skipped(step: Int)
    case evaluated(Evaluated)
    case answered(Answer)
    case ended(Ending, step: Int)

    package struct Counted: Sendable, Equatable {
        /// Pairs of tokens that the model knows from the beginning.
        package let pairs: Int
        /// How many times a token or a pair was looked at to get there.
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
        package let loss, gradient, rate: Double
        /// Since the beginning.
        package let tokens: Int
        package let seconds: Double

        package init(step: Int, loss: Double, gradient: Double, rate: Double, tokens: Int, seconds: Double) {
            self.step = step
            self.loss = loss
            self.gradient = gradient
            self.rate = rate
            self.tokens = tokens
            self.seconds = seconds
        }
    }

    package struct Evaluated: Sendable, Equatable {
        package let step: Int
        /// Nats a token.
        package let training: Double?, validation: Double?
        package let bitsPerByte: Double?
        /// Of older chats, which a finetune shall not forget.
        package let replay: Double?
        package let isBest: Bool
        package let tokens: Int
        package let seconds: Double

        package init(
            step: Int, training: Double?, validation: Double?, bitsPerByte: Double?, replay: Double? = nil, isBest: Bool, tokens: Int,
            seconds: Double
        ) {
            self.step = step
            self.training = training
            self.validation = validation
            self.bitsPerByte = bitsPerByte
            self.replay = replay
            self.isBest = isBest
            self.tokens = tokens
            self.seconds = seconds
        }

        /// What tells whether a model is better: of what it has not seen, if there is anything.
        var loss: Double? { validation ?? training }
    }

    /// What the model of a step says.
    package struct Answer: Sendable, Equatable {
        package let step: Int
        package let question, answer: String
        /// What the text that it was taken from says.
        package let expected: String?

        package init(step: Int, question: String, answer: String, expected: String?) {
            self.step = step
            self.question = question
            self.answer = answer
            self.expected = expected
        }
    }

    package enum Ending: String, Sendable, CaseIterable {
        case finished, noGain = "no_gain", stopped, diverged
    }
}

/// A number or a word that a training was started with.
package struct RunSetting: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case text(String), number(Double), whole(Int)
    }

    /// What it is about, such as `model`.
    package let group: String
    package let name: String
    package let value: Value

    package init(_ group: String, _ name: String, _ value: Value) {
        self.group = group
        self.name = name
        self.value = value
    }
}
