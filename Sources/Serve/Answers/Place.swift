import Infer
import Synchronization
import Threads

/// A turn in the queue, then a place, for one answer.
final class Place: Sendable {
    private enum Stage {
        /// Nobody has asked yet; there is no room yet, or there is.
        case waiting, room
        /// Asked, before there was room.
        case pending(begin: @Sendable () -> Void, dismiss: @Sendable () -> Void)
        case running((any GenerationHandle)?)
        case over
    }

    private struct State {
        var stage = Stage.waiting
        var ticket: FairQueue.Ticket?
        var isCancelled = false
    }

    private let desk: Desk
    private let state = Mutex(State())

    init(_ desk: Desk) { self.desk = desk }

    func take(_ ticket: FairQueue.Ticket) { state.withLock { $0.ticket = ticket } }

    /// - Parameter deliver: Hears of events as from a backend, and of errors that way too.
    func ask(_ request: GenerationRequest, of model: ServedModel, deliver: @escaping @Sendable (GenerationEvent) -> Void) {
        let counted = desk.metrics.counting(deliver)
        let begin: @Sendable () -> Void = {
            do throws(GenerationError) {
                // The model is kept until its last event.
                self.began(try model.backend.start(request) { event in
                    if case .ended = event { self.leave() }
                    withExtendedLifetime(model) { counted(event) }
                })
            } catch { self.end(.error(error), counted) }
        }
        let dismiss: @Sendable () -> Void = { self.end(.cancelled, deliver) }
        let next = state.withLock { state -> (@Sendable () -> Void)? in
            if state.isCancelled { return dismiss }
            if case .room = state.stage {
                state.stage = .running(nil)
                return begin
            }
            state.stage = .pending(begin: begin, dismiss: dismiss)
            return nil
        }
        next?()
    }

    /// On the thread of whoever made room, which has other things to do.
    func roomIsThere() {
        let begin = state.withLock { state -> (@Sendable () -> Void)? in
            switch state.stage {
            case .waiting: state.stage = .room
            case .pending(let begin, _):
                state.stage = .running(nil)
                return begin
            case .room, .running, .over: break
            }
            return nil
        }
        if let begin { desk.crew.runEvenIfFull(begin) }
    }

    private func began(_ progress: any GenerationHandle) {
        let isCancelled = state.withLock { state in
            if case .running = state.stage { state.stage = .running(progress) }
            return state.isCancelled
        }
        if isCancelled { progress.cancel() }
    }

    /// Ends the answer; one that waits for its turn never begins.
    func cancel() {
        let next = state.withLock { state -> (@Sendable () -> Void)? in
            state.isCancelled = true
            switch state.stage {
            case .pending(_, let dismiss):
                state.stage = .over
                return dismiss
            case .running(let progress): return { progress?.cancel() }
            case .waiting, .room, .over: return nil
            }
        }
        next?()
    }

    private func end(_ reason: FinishReason, _ deliver: @Sendable (GenerationEvent) -> Void) {
        leave()
        deliver(.ended(GenerationEnd(reason, promptTokens: 0, answerTokens: 0)))
    }

    /// Gives the place back. A second time changes nothing.
    func leave() {
        let ticket = state.withLock { state in
            defer {
                state.ticket = nil
                state.stage = .over
            }
            return state.ticket
        }
        if let ticket { desk.leave(self, ticket) }
    }
}
