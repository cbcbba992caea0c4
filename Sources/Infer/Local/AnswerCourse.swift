package import Tokenize

/// What a model of this machine needs besides its weights, to answer.
///
///     let readable = ReadableModel(name: path, context: 384, tokenizer, renderer)
package struct ReadableModel: Sendable {
    package let name: String
    package let context: Int
    package let tokenizer: Tokenizer
    /// nil for a model that was made for texts.
    package let renderer: ChatRenderer?

    package init(name: String, context: Int, _ tokenizer: Tokenizer, _ renderer: ChatRenderer?) {
        (self.name, self.context, self.tokenizer, self.renderer) = (name, context, tokenizer, renderer)
    }
}

/// One answer from its request to its end, but for the model: who has one gives the scores.
///
///     var course = try AnswerCourse(request, for: readable)
///     deliver(.began(course.beginning))
///     while true {                                             // scores after course.prompt, then after each token that came
///         let step = course.step(&scores)
///         if let piece = step.piece { deliver(.piece(piece)) }
///         guard let id = step.next else { break }              // the token to compute next
///     }
///     deliver(.ended(course.end(timings)))
package struct AnswerCourse: Sendable {
    package struct Step: Sendable, Equatable {
        package let piece: AnswerPiece?
        /// nil when the answer is over.
        package let next: TokenID?
    }

    package let prompt: [TokenID]
    /// What is read; whoever answers adds how much of it was computed before.
    package let beginning: AnswerBeginning
    /// How many tokens may come.
    package let room: Int
    /// Tokens that came, but for the one that ended the turn.
    package private(set) var answerTokens = 0
    /// nil while it is under way.
    package private(set) var reason: EndReason?
    private let stops: [TokenID]
    private var sampler: Sampler
    private var text: AnswerText

    package init(_ request: AnswerRequest, for model: ReadableModel) throws(GenerationError) {
        let budget = HistoryBudget(context: model.context, model.tokenizer, model.renderer), config = request.config
        let fitted: HistoryBudget.Fitted = switch request.prompt {
        case .text(let text): try budget.prompt(of: text, policy: request.policy, maximumTokens: config.maximumTokens)
        case .tokens(let ids): try budget.prompt(of: ids, policy: request.policy, maximumTokens: config.maximumTokens)
        case .chat(let history): try budget.prompt(of: history, policy: request.policy, maximumTokens: config.maximumTokens, model: model.name)
        }
        let vocabulary = model.tokenizer.vocabulary, rules = AnswerRules(for: request.prompt, vocabulary, model.renderer, stop: config.stop, ignoresEnd: config.ignoresEnd)
        (prompt, room, stops) = (fitted.ids, fitted.room, rules.stops)
        var beginning = AnswerBeginning(promptTokens: fitted.ids.count, context: model.context)
        (beginning.droppedTurns, beginning.wasCut) = (fitted.droppedTurns, fitted.wasCut)
        self.beginning = beginning
        sampler = Sampler(config, vocabulary: vocabulary.count, banned: rules.banned, prompt: fitted.ids)
        text = AnswerText(vocabulary, rules)
    }

    /// - Parameter scores: of the token that comes next; they are spoiled.
    package mutating func step(_ scores: inout MutableSpan<Float>) -> Step {
        guard reason == nil else { return Step(piece: nil, next: nil) }
        guard let choice = sampler.next(&scores) else { return over(.error(.noScores)) }
        if !stops.contains(choice.id) { answerTokens += 1 }
        let piece = text.add(choice)
        if text.isOver {
            reason = .stop
            return Step(piece: piece, next: nil)
        }
        guard answerTokens == room else { return Step(piece: piece, next: choice.id) }
        let last = over(.length).piece
        return Step(piece: AnswerPiece(joining: piece, last), next: nil)
    }

    /// Ends it before it is over by itself: with what was held back.
    package mutating func over(_ reason: EndReason) -> Step {
        if self.reason == nil { self.reason = reason }
        return Step(piece: text.finish(), next: nil)
    }

    package func end(_ timings: AnswerTimings) -> AnswerEnd {
        AnswerEnd(reason ?? .cancelled, promptTokens: prompt.count, answerTokens: answerTokens, timings: timings)
    }
}

extension AnswerPiece {
    fileprivate init?(joining first: AnswerPiece?, _ second: AnswerPiece?) {
        guard let first else {
            guard let second else { return nil }
            self = second
            return
        }
        self = AnswerPiece(first.text + (second?.text ?? ""), first.tokens + (second?.tokens ?? []))
    }
}
