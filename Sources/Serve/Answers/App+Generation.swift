import Infer
import Synchronization
import Threads
import Tokenize

extension App {
    /// Starts an answer when the ticket has a slot.
    ///
    /// - Parameter deliver: Receives the events of the backend. Errors and cancellation arrive as `.ended`. The ticket has left by then.
    func generate(
        _ request: GenerationRequest,
        with model: ServedModel,
        _ ticket: AdmissionTicket,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) {
        let counted = metrics.counting(model.name, deliver)
        var request = request
        request.owner = ticket.client.text
        // The server does not stop before the last event was handled: it may queue work, such as storing the answer.
        unfinishedAnswers.add(1, ordering: .relaxed)
        let end = { @Sendable (event: GenerationEvent, receive: (GenerationEvent) -> Void) in
            receive(event)
            self.unfinishedAnswers.subtract(1, ordering: .releasing)
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
            end(.ended(GenerationEnd(.cancelled, promptTokens: 0, answerTokens: 0)), deliver)
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
        unfinishedAnswers.add(1, ordering: .relaxed)
        let end = { @Sendable (result: EmbeddingResult) in
            deliver(result)
            self.unfinishedAnswers.subtract(1, ordering: .releasing)
        }
        ticket.start({
            do throws(GenerationError) {
                return try model.backend.embed(texts) { result in
                    ticket.leave()
                    // The thread that runs the model must not wait until millions of digits are written.
                    self.pools.parsing.runEvenIfFull { withExtendedLifetime(model) { end(result) } }
                }
            } catch {
                ticket.leave()
                end(EmbeddingResult([], .error(error)))
                return nil
            }
        }, onCancel: { end(EmbeddingResult([], .cancelled)) })
    }
}

extension Metrics {
    /// Returns a handler that counts the events of an answer that starts now, and passes them on.
    fileprivate func counting(
        _ model: String, _ deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) -> @Sendable (GenerationEvent) -> Void {
        let start = ContinuousClock.now
        let hasText = Atomic(false)
        return { event in
            switch event {
            case .began: break
            case .piece:
                if !hasText.exchange(true, ordering: .relaxed) { self.firstTokenSeconds.observe((ContinuousClock.now - start).inSeconds) }
            case .ended(let end):
                self.answerSeconds.observe((ContinuousClock.now - start).inSeconds)
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
