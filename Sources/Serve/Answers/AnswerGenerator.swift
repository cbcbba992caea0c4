import Infer
import Synchronization
import Threads
import Tokenize

/// Starts answers and embeddings, counts them in the metrics, and knows when all of them have been handled.
///
///     let model = try generator.servedModels.selected(by: fields)
///     let ticket = try generator.admission.enter(client.key)
///     generator.generate(request, with: model, ticket) { stream.send($0) }
final class AnswerGenerator: Sendable {
    private let models: ModelHolder
    let admission: Admission
    private let metrics: Metrics
    private let parsing: ThreadPool
    /// Answers whose last event was not handled yet.
    private let unfinished = Atomic(0)

    /// - Parameter parsing: The threads on which embeddings are delivered.
    init(_ models: ModelHolder, _ admission: Admission, _ metrics: Metrics, parsing: ThreadPool) {
        self.models = models
        self.admission = admission
        self.metrics = metrics
        self.parsing = parsing
    }

    var isIdle: Bool { admission.isIdle && unfinished.load(ordering: .acquiring) == 0 }

    /// The models, if the server accepts requests for answers.
    var servedModels: ServedModels {
        get throws(APIError) {
            if admission.isClosed { throw .stopping }
            return try models.ready
        }
    }

    /// Starts an answer when the ticket has a slot.
    ///
    /// - Parameter deliver: Receives the events of the backend. Errors and cancellation arrive as `.ended`. The ticket has left by then.
    func generate(
        _ request: GenerationRequest,
        with model: ServedModel,
        _ ticket: AdmissionTicket,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) {
        let counted = metrics.counting(model.name, ticket, deliver)
        var request = request
        request.owner = ticket.client.text
        // The server does not stop before the last event was handled: it may queue work, such as storing the answer.
        unfinished.add(1, ordering: .relaxed)
        let end = { @Sendable (event: GenerationEvent, receive: (GenerationEvent) -> Void) in
            receive(event)
            self.unfinished.subtract(1, ordering: .releasing)
        }
        ticket.start({ [request] in
            do throws(GenerationError) {
                return try model.backend.start(request) { event in
                    // Keeps the model until its last event.
                    withExtendedLifetime(model) {
                        guard case .ended = event else { return counted(event) }
                        ticket.leave()
                        end(event, counted)
                    }
                }
            } catch {
                ticket.leave()
                end(.ended(GenerationEnd(.error(error), promptTokens: 0, answerTokens: 0)), counted)
                return nil
            }
        }, onCancel: {
            end(.ended(GenerationEnd(.canceled, promptTokens: 0, answerTokens: 0)), deliver)
        })
    }

    /// Computes embeddings when the ticket has a slot.
    ///
    /// - Parameter deliver: Is called once, also after errors and cancellation, and may take long. The ticket has left by then.
    func embed(
        _ texts: [[TokenID]],
        with model: ServedModel,
        _ ticket: AdmissionTicket,
        deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) {
        unfinished.add(1, ordering: .relaxed)
        let end = { @Sendable (result: EmbeddingResult) in
            if case .stop = result.reason {
                self.metrics.promptTokens.add(texts.reduce(0) { $0 + $1.count })
                self.metrics.embeddings.add(texts.count)
            }
            deliver(result)
            self.unfinished.subtract(1, ordering: .releasing)
        }
        ticket.start({
            do throws(GenerationError) {
                return try model.backend.embed(texts) { result in
                    ticket.leave()
                    // The thread that runs the model must not wait until millions of digits are written.
                    self.parsing.runEvenIfFull { withExtendedLifetime(model) { end(result) } }
                }
            } catch {
                ticket.leave()
                end(EmbeddingResult([], .error(error)))
                return nil
            }
        }, onCancel: { end(EmbeddingResult([], .canceled)) })
    }
}

extension Metrics {
    /// Returns a handler that counts the events of an answer, and passes them on.
    fileprivate func counting(
        _ model: String, _ ticket: AdmissionTicket, _ deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) -> @Sendable (GenerationEvent) -> Void {
        let hasText = Atomic(false)
        return { event in
            switch event {
            case .began: break
            case .piece:
                if !hasText.exchange(true, ordering: .relaxed) { self.firstTokenSeconds.observe(ticket.seconds) }
            case .ended(let end):
                self.answerSeconds.observe(ticket.seconds)
                self.promptTokens.add(end.promptTokens)
                self.tokensGenerated.add(end.answerTokens)
                self.rightGuesses.add(end.guesses.right)
                self.wrongGuesses.add(end.guesses.checked - end.guesses.right)
                self.modelAnswers.add(for: model)
                self.modelTokens.add(end.answerTokens, for: model)
            }
            deliver(event)
        }
    }
}
