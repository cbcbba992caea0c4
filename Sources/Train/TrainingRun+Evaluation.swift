import Autograd
package import Checkpoint
import Distributed
import Model

extension TrainingRun {
    /// The result of a run: its best weights on the validation set.
    package struct Result: Sendable, Equatable {
        package let evaluation: Evaluation
        /// What was evaluated: the whole set unless that takes too long.
        package let part: ValidationSet.Part
        /// The step of `best.h5`.
        package let step: Int
    }

    /// Evaluates on the same tokens as before, and keeps the weights if they are the best.
    func evaluate(_ clock: () -> Double, _ report: (Event) throws -> Void) throws {
        try chooseEvaluationTokens(clock, report)
        let begin = clock()
        let part = validation?.part(of: state.evaluationTokens)
        forgetBest(unlessValidatedOn: part)
        let size = (part?.tokens ?? 0) + (replay?.part(of: state.evaluationTokens).tokens ?? 0) + trainingTokens
        var done = 0
        func pieces(_ set: any HeldOutSet) throws -> [Evaluation] {
            let part = set.part(of: state.evaluationTokens)
            defer { done += part.tokens }
            return try set.pieces(of: part, by: trainer) { try report(.evaluating(tokens: done + $0, of: size)) }
        }
        let validationPieces = try self.validation.map(pieces), replayPieces = try self.replay.map(pieces)
        let validation = validationPieces?.reduce(into: Evaluation(), +=), replay = replayPieces?.reduce(into: Evaluation(), +=)
        let training = try evaluationOfTrainingRows { try report(.evaluating(tokens: done + $0, of: size)) }
        secondsPerEvaluatedToken = (clock() - begin) / Double(max(1, size))
        add(training, validation, replay)
        let selection = select(
            loss: Float(selectionLoss((validation ?? training).loss, replay?.loss)), validationPieces.map(LossSamples.init),
            replayPieces.map(LossSamples.init))
        state.evaluations += 1
        state.evaluatedStep = state.step
        let isKept = selection != .worse
        if isKept { best = validation.flatMap { evaluation in part.map { Result(evaluation: evaluation, part: $0, step: state.step) } } }
        try report(.evaluated(training: training, validation: validation, replay: replay, selection, state: state))
        if isKept { try save("best.h5", report) }
        // With the sample answers and the checkpoint.
        secondsPerEvaluation = clock() - begin
        state.evaluationSeconds += secondsPerEvaluation
    }

    /// Evaluates the best weights on the whole validation set, or on as much of it as the run can afford.
    func evaluateResult(_ clock: () -> Double, _ report: (Event) throws -> Void) throws {
        guard let validation else { return }
        let part = validation.part(of: resultTokens(of: validation))
        if let best, best.part == part { return try report(.validated(best)) }
        let begin = clock()
        let step = try readWeights("best.h5", unlessOf: state.step)
        let evaluation = try validation.evaluation(of: part, by: trainer) {
            try report(.evaluating(tokens: $0, of: part.tokens))
        }
        if step != state.step { _ = try readWeights("last.h5", unlessOf: nil) }
        state.evaluationSeconds += clock() - begin
        try report(.validated(Result(evaluation: evaluation, part: part, step: step)))
    }

    /// Reads the weights of a checkpoint of this run, unless they are those of a step. Returns their step.
    private func readWeights(_ name: String, unlessOf current: Int?) throws -> Int {
        // The other ranks may have no access to the folder.
        let stored = ranks?.isFirst ?? true ? try Checkpoint(reading: folder + "/" + name) : nil
        let own = try stored?.integer("step") ?? 0
        let step = ranks.map { Int($0.fromFirst(Double(own))) } ?? own
        if step == current { return step }
        try stored?.copyWeights(into: trainer.parameters)
        ranks?.broadcast(trainer.parameters.values)
        return step
    }

    private func resultTokens(of validation: any HeldOutSet) -> Int {
        let affordable: Double
        if case .seconds(let all) = plan.length {
            let left = all * 2 * EvaluationSchedule.share - state.evaluationSeconds
            affordable = max(0, left) / max(secondsPerEvaluatedToken, 1e-12)
        } else {
            affordable = max(Double(plan.evalTokens), EvaluationSchedule.affordable(afterTraining: state.step * tokensPerStep))
        }
        return EvaluationSchedule.finalTokens(
            all: validation.tokens, most: plan.evalTokens, atLeast: state.evaluationTokens, affordable: affordable)
    }

    /// The steps of the whole run, and the seconds that are left.
    ///
    /// - Parameter secondsPerStep: The time of training alone.
    package func estimate(secondsPerStep: Double) -> (steps: Int, seconds: Double) {
        let isNew = state.step == 0
        // Fitting a context takes a fifth of the time of training on a token.
        let initialization = isNew ? Double(plan.nGramContexts) / 5 * secondsPerStep / Double(tokensPerStep) : 0
        let evaluations = 1 + 2 * EvaluationSchedule.share
        if case .seconds(let all) = plan.length {
            let left = max(0, all - state.seconds)
            return (state.step + Int(max(0, left - initialization) / secondsPerStep / evaluations), left)
        }
        let steps = steps ?? 0
        return (steps, initialization + Double(max(0, steps - state.step)) * secondsPerStep * evaluations)
    }

    /// Whether a step is followed by an evaluation. In a run of limited time, evaluations that are expensive are fewer.
    func isEvaluationDue(_ clock: () -> Double, _ report: (Event) throws -> Void) throws -> Bool {
        if let every = plan.evalEvery { return state.step % every == 0 }
        let count = state.evaluations + (plan.evaluatesFirst ? 0 : 1)
        guard progress * Double(EvaluationSchedule.defaultCount) >= Double(count) else { return false }
        guard case .seconds(let all) = plan.length else { return true }
        try chooseEvaluationTokens(clock, report)
        return state.evaluationSeconds + secondsPerEvaluation <= progress * all * EvaluationSchedule.share
    }

    /// Chooses the size of the evaluations before the first one, and measures their speed if it matters.
    private func chooseEvaluationTokens(_ clock: () -> Double, _ report: (Event) throws -> Void) throws {
        let isChosen = state.evaluationTokens > 0
        let most = min(plan.evalTokens, validation?.tokens ?? plan.evalTokens)
        guard case .seconds(let all) = plan.length else {
            if !isChosen { state.evaluationTokens = EvaluationSchedule.tokens(most: most, trainingTokens: (steps ?? 0) * tokensPerStep) }
            return
        }
        if isChosen, secondsPerEvaluation > 0 { return }
        let begin = clock()
        let tokens = try evaluateLittle { try report(.evaluating(tokens: $0, of: $1)) }
        secondsPerEvaluatedToken = (clock() - begin) / Double(max(1, tokens))
        state.evaluationSeconds += clock() - begin
        if !isChosen {
            state.evaluationTokens = EvaluationSchedule.tokens(most: most, within: all, secondsPerToken: secondsPerEvaluatedToken)
        }
        secondsPerEvaluation = secondsPerEvaluatedToken * Double(tokensPerEvaluation)
    }

    /// Evaluates about 1,000 tokens. Returns their exact number.
    private func evaluateLittle(_ progress: (_ tokens: Int, _ all: Int) throws -> Void) throws -> Int {
        guard let part = validation?.part(of: 1_024) else {
            let batch = try training.batch(at: 0).selecting(0..<1)
            _ = trainer.tokenLosses(of: batch)
            try progress(context, context)
            return context
        }
        _ = try validation?.evaluation(of: part, by: trainer) { try progress($0, part.tokens) }
        return part.tokens
    }

    private var context: Int { trainer.context }

    /// The training rows of an evaluation: fewer tokens than of the validation set, because decisions depend on the validation loss.
    private var trainingRows: Int {
        let tokens = Double(state.evaluationTokens) * (validation == nil ? 1 : EvaluationSchedule.trainingShare)
        let epoch = max(1, Int(training.stepsPerEpoch.rounded(.up))) * plan.batch
        return min(max(1, Int(tokens) / context), epoch)
    }

    private var trainingTokens: Int { trainingPreferences?.part.tokens ?? trainingRows * context }

    /// The part of the training preferences that an evaluation reads; nil if the run is on chats.
    private var trainingPreferences: (set: PreferenceSet, part: ValidationSet.Part)? {
        guard let set = preferences?.trainingSet else { return nil }
        let share = validation == nil ? 1 : EvaluationSchedule.trainingShare
        return (set, set.part(of: Int(Double(state.evaluationTokens) * share)))
    }

    private var tokensPerEvaluation: Int {
        [validation, replay].compactMap { $0?.part(of: state.evaluationTokens).tokens }.reduce(trainingTokens, +)
    }

    private func evaluationOfTrainingRows(_ progress: (_ tokens: Int) throws -> Void) throws -> Evaluation {
        if let (set, part) = trainingPreferences { return try set.evaluation(of: part, by: trainer, progress: progress) }
        let all = trainingRows
        state.evaluationBatches = (all + plan.batch - 1) / plan.batch
        let parts = try ranks.shared(state.evaluationBatches) { step in
            let batch = try training.batch(at: step)
            let rows = min(all - step * plan.batch, batch.rows)
            try progress(min(all, (step + 1) * plan.batch) * context)
            return trainer.evaluation(of: batch.selecting(0..<rows), turnEnds: turnEnds)
        }
        return parts.reduce(into: Evaluation(), +=)
    }

    private func add(_ training: Evaluation, _ validation: Evaluation?, _ replay: Evaluation?) {
        for prefix in state.step == 0 ? ["", "base_"] : [""] {
            metrics[prefix + "train_loss"] = .number(training.loss)
            metrics[prefix + "val_loss"] = validation.map { .number($0.loss) }
            metrics[prefix + "bits_per_byte"] = validation.flatMap { $0.preferences == nil ? .number($0.bitsPerByte) : nil }
            if let preferences = (validation ?? training).preferences {
                metrics[prefix + "preference_accuracy"] = .number(preferences.accuracy)
                metrics[prefix + "preference_margin"] = preferences.margin.map { .number($0) }
                metrics[prefix + "preference_kl"] = preferences.kl.map { .number($0) }
            }
            metrics[prefix + "replay_loss"] = replay.map { .number($0.loss) }
        }
        metrics["loss_scope"] = .text(plan.lossScope.rawValue)
        metrics[preferences == nil ? "val_tokens" : "val_preferences"] = validation.map { .integer($0.targets) }
    }
}

extension Checkpoint {
    /// The tokens that the model was trained on. Models of other programs were trained on all.
    package var lossScope: LossScope {
        // Merged and quantized models have metrics, but no plan.
        guard case .text(let name)? = metrics["loss_scope"] ?? training["plan/loss_scope"] else { return .all }
        return LossScope(rawValue: name) ?? .all
    }
}
