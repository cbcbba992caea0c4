import Checkpoint
import Corpus
import Formats
import Kernels
import Tokenize
import Train

/// `slm eval` on files of preferences.
extension EvalCommand {
    /// The log-probabilities that a model gives the answers of a file.
    private struct Scores {
        let data: PreferenceData
        let logProbabilities: [Double]

        /// The log-probabilities of the chosen and the rejected answer of each pair, by the index of the preference.
        var pairs: [Int: (chosen: Double, rejected: Double)] {
            var result: [Int: (Double, Double)] = [:]
            for example in data.examples {
                guard case .pair(let chosen, let rejected) = example.answers else { continue }
                result[example.index] = (logProbabilities[chosen], logProbabilities[rejected])
            }
            return result
        }

        /// The log-probability and the rating of each single answer, by the index of the preference.
        var ratings: [Int: (logProbability: Double, isGood: Bool)] {
            var result: [Int: (Double, Bool)] = [:]
            for example in data.examples {
                guard case .rated(let sequence, let isGood) = example.answers else { continue }
                result[example.index] = (logProbabilities[sequence], isGood)
            }
            return result
        }
    }

    /// Prints how often each model prefers the chosen answer and, of two models, what the first has learned over the second.
    func evaluatePreferences(_ models: [ModelFile], _ files: [String]) throws {
        for file in files {
            let scores = try models.map { try self.scores(of: file, by: $0) }
            for (model, scores) in zip(models, scores) { printRow(model.checkpoint.name, file, scores) }
            if scores.count == 2 { printComparison(of: scores[0], with: scores[1], file) }
        }
    }

    private func scores(of file: String, by model: ModelFile) throws -> Scores {
        let checkpoint = model.checkpoint
        guard checkpoint.tokenizer != nil else { throw EvaluationError.noTokenizer(checkpoint: checkpoint.path ?? "the checkpoint") }
        let processor = try options.processor()
        let context = Evaluator.context(options.context, of: checkpoint.configuration)
        let data = try PreferenceData(
            [file], nil, checkpoint.vocabulary(), checkpoint.chatTemplate ?? .specialTokens, context: context,
            skipsBad: options.skipsBad, isForEvaluation: true)
        if data.examples.isEmpty { throw PreferenceError.allTooLong(paths: [file], count: data.tooLong, context: context) }
        var evaluator = try evaluator(of: model, on: processor)
        evaluator.rows = options.batch
        evaluator.ranks = Ranks.current
        let progress = ProgressBar("evaluating", isVisible: !options.quiet)
        defer { progress.clear() }
        return Scores(data: data, logProbabilities: try evaluator.logProbabilities(of: data) { progress.show(fraction: $0, file) })
    }

    private func printRow(_ name: String, _ file: String, _ scores: Scores) {
        let pairs = scores.pairs.values, ratings = scores.ratings.values
        let good = ratings.filter(\.isGood).map(\.logProbability), bad = ratings.filter { !$0.isGood }.map(\.logProbability)
        if options.json {
            return printLine(JSONLine([
                "checkpoint": .text(name),
                "file": .text(file),
                "preference_pairs": .whole(pairs.count),
                "preference_accuracy": pairs.isEmpty ? nil : .exact(accuracy(pairs.map { $0.chosen - $0.rejected })),
                "chosen_log_probability": pairs.isEmpty ? nil : .exact(mean(pairs.map(\.chosen))),
                "rejected_log_probability": pairs.isEmpty ? nil : .exact(mean(pairs.map(\.rejected))),
                "good_answers": .whole(good.count),
                "bad_answers": .whole(bad.count),
                "good_log_probability": good.isEmpty ? nil : .exact(mean(good)),
                "bad_log_probability": bad.isEmpty ? nil : .exact(mean(bad)),
                "too_long": .whole(scores.data.tooLong),
            ]))
        }
        printLine("\(name) on \(file)")
        if !pairs.isEmpty {
            printLine("  preference accuracy  \(percent(accuracy(pairs.map { $0.chosen - $0.rejected }))) of \(pairs.count) pairs: the "
                + "chosen answer is more likely\n  log-probability      \(mean(pairs.map(\.chosen)).fixed(3)) chosen, "
                + "\(mean(pairs.map(\.rejected)).fixed(3)) rejected")
        }
        if !ratings.isEmpty {
            let texts = [("good", good), ("bad", bad)].filter { !$1.isEmpty }.map { "\(mean($1).fixed(3)) of \($1.count) \($0) answers" }
            printLine("  log-probability      \(texts.joined(separator: ", "))")
        }
        if scores.data.tooLong > 0 { printLine("  \(scores.data.tooLong) left out: longer than the context") }
    }

    /// The rewards of the first model over the second: the differences of their log-probabilities.
    private func printComparison(of first: Scores, with second: Scores, _ file: String) {
        let (a, b) = (first.pairs, second.pairs)
        let margins = a.compactMap { index, scores in
            b[index].map { (scores.chosen - $0.chosen) - (scores.rejected - $0.rejected) }
        }
        let (goodA, goodB) = (first.ratings, second.ratings)
        let changes = goodA.compactMap { index, score in
            goodB[index].map { (score.logProbability - $0.logProbability) * (score.isGood ? 1 : -1) }
        }
        if options.json {
            return printLine(JSONLine([
                "a": .text(checkpoints[0]),
                "b": .text(checkpoints[1]),
                "file": .text(file),
                "preference_pairs": .whole(margins.count),
                "reward_accuracy": margins.isEmpty ? nil : .exact(accuracy(margins)),
                "reward_margin": margins.isEmpty ? nil : .exact(mean(margins)),
                "rated_answers": .whole(changes.count),
                "rating_accuracy": changes.isEmpty ? nil : .exact(accuracy(changes)),
            ]))
        }
        printLine("\n\(checkpoints[0]) over \(checkpoints[1])")
        if !margins.isEmpty {
            printLine("  reward accuracy      \(percent(accuracy(margins))) of \(margins.count) pairs: the chosen answer gained more\n"
                + "  reward margin        \(mean(margins).fixed(3)) nats")
        }
        if !changes.isEmpty {
            printLine("  rating accuracy      \(percent(accuracy(changes))) of \(changes.count) answers: a good one became more likely, "
                + "a bad one less")
        }
    }

    /// The share of numbers above 0. A 0 counts half.
    private func accuracy(_ values: [Double]) -> Double { mean(values.map { $0 > 0 ? 1 : $0 == 0 ? 0.5 : 0 }) }

    private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }

    private func percent(_ share: Double) -> String { "\((100 * share).fixed(1)) %" }
}
