import Files
import JSON
package import Tokenize

/// A question of `slm eval --task`, and what its right answer is.
package struct TaskQuestion: Sendable, Equatable {
    package enum Expected: Sendable, Equatable {
        /// The most likely of the choices is the model's answer.
        case choice([String], right: Int)
        /// The model generates its answer. With a pattern, what the pattern finds in it is the answer; with no text, finding it suffices.
        case text(String?, pattern: SearchPattern?)
    }

    package let question: String
    package let expected: Expected

    /// Reads JSON lines: `{"question": "…", "choices": ["…"], "answer": INDEX}`, or a question with the text of its `answer`, a `pattern`
    /// or both. Other keys are ignored.
    package static func read(_ path: String) throws -> [TaskQuestion] {
        var parser = JSONParser()
        return try LineBlocks.nonEmptyLines(of: path).enumerated().map { index, line in
            do {
                return try TaskQuestion(parser.parse(line))
            } catch {
                throw EvaluationError.badTask(path: path, number: index + 1, reason: "\(error)")
            }
        }
    }

    private init(_ line: JSONElement) throws {
        question = try line.string("question")
        if question.allSatisfy(\.isWhitespace) { throw Problem(description: "the question is empty") }
        guard line["choices"] != nil else {
            let answer = try line["answer"].map { _ in try line.string("answer") }
            let pattern = try line["pattern"].map { _ in try SearchPattern(line.string("pattern")) }
            if answer == nil, pattern == nil { throw Problem(description: "it has none of them") }
            expected = .text(answer, pattern: pattern)
            return
        }
        let choices = try line.array("choices").map { $0.string ?? "" }
        if choices.contains("") { throw Problem(description: "expected choices that are texts, and not empty") }
        let right = try line["answer"]?.string.flatMap { choices.firstIndex(of: $0) } ?? line.integer("answer")
        guard choices.indices.contains(right) else {
            throw Problem(description: "expected an answer from 0 to \(choices.count - 1), found \(right)")
        }
        expected = .choice(choices, right: right)
    }

    private struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    /// How the answers of models are judged. Raw values are names of lm-evaluation-harness, where it has one.
    package enum Metric: String, Sendable, CaseIterable {
        /// The choice with the highest log-probability, and with the highest per character and per byte.
        case acc, accNorm = "acc_norm", accBytes = "acc_bytes"
        /// The generated answer equals the expected one, without white space around them, or matches the pattern.
        case exactMatch = "exact_match", regexMatch = "regex_match"
    }

    /// Judges the log-probabilities of the choices. Empty if the question has no choices.
    package func judge(_ logProbabilities: [Double]) -> [(metric: Metric, isRight: Bool)] {
        guard case .choice(let choices, let right) = expected else { return [] }
        func isRight(_ length: (String) -> Int) -> Bool {
            Self.mostLikely(zip(logProbabilities, choices).map { $0 / Double(length($1)) }) == right
        }
        return [
            (.acc, isRight { _ in 1 }), (.accNorm, isRight { $0.unicodeScalars.count }), (.accBytes, isRight { $0.utf8.count }),
        ]
    }

    /// The index of the highest value: the first of equal ones.
    package static func mostLikely(_ values: [Double]) -> Int? {
        values.indices.max { values[$0] < values[$1] || values[$0] == values[$1] && $0 > $1 }
    }

    /// Judges a generated answer. nil if the question has choices.
    package func judge(_ answer: String) throws -> (metric: Metric, isRight: Bool)? {
        guard case .text(let text, let pattern) = expected else { return nil }
        let found = try pattern.map { try $0.firstMatch(in: answer) } ?? answer
        guard let text else { return (.regexMatch, found != nil) }
        return (.exactMatch, found.map { Array($0.utf8).trimmed } == Array(text.utf8).trimmed)
    }
}

/// The share of right answers, with its uncertainty.
package struct TaskAccuracy: Sendable {
    package let share: Double
    /// The standard deviation of the answers over √n, as lm-evaluation-harness reports it; nil for a single answer.
    package let standardError: Double?
    /// The 95 % confidence interval by Wilson (1927), which holds for few answers and for shares near 0 and 1.
    package let interval: ClosedRange<Double>

    /// - Parameter right: Whether each answer is right: at least one.
    package init(_ right: [Bool]) {
        let n = Double(right.count), p = Double(right.count { $0 }) / n, z = 1.959964
        share = p
        standardError = right.count < 2 ? nil : (p * (1 - p) / (n - 1)).squareRoot()
        let center = (p + z * z / (2 * n)) / (1 + z * z / n)
        let reach: Double = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
        interval = max(0, center - reach)...min(1, center + reach)
    }
}

/// A paired comparison of two models on the same questions.
package struct TaskComparison: Sendable {
    /// Questions that only one of the models answers right.
    package let onlyFirst, onlySecond: Int
    package let count: Int
    /// The share of the first model minus that of the second, and its standard error; nil for a single question.
    package let difference: Double
    package let standardError: Double?

    /// The probability of at least this difference between models that answer equally well: the exact sign test (McNemar's).
    package var p: Double { signTest(onlyFirst, onlySecond) }
    package var isNoise: Bool { p > 0.05 }

    package init(of a: [Bool], with b: [Bool]) {
        onlyFirst = zip(a, b).count { $0 && !$1 }
        onlySecond = zip(a, b).count { !$0 && $1 }
        count = a.count
        let n = Double(count), changed = Double(onlyFirst + onlySecond)
        difference = Double(onlyFirst - onlySecond) / n
        standardError = count < 2 ? nil : ((changed / n - difference * difference) / (n - 1)).squareRoot()
    }
}
