import Synchronization
import Threads
import Tokenize

/// A GPT of this machine that answers many at once: all of them take part in each step of the model, and come and go between two steps.
///
///     let backend = try GPTBackend { (readable, try Runner(of: checkpoint, on: try Processor(), form: .int8)) }
///
/// What is answered does not depend on who else is answered. One thread computes, with the team of its processor; it ends when the backend is let go.
package final class GPTBackend: ChatBackend {
    package struct Limits: Sendable {
        /// Answers at a time; each place takes memory for a context.
        package var answers = 16
        /// Requests that wait for a place.
        package var waiting = 64
        /// Tokens of prompts that are computed in a step: while others wait too, and while nobody does.
        package var sharedSlice = 64, wholeSlice = 512
        /// Bytes of memories beyond which those of answers that are over are used again; nil for half of the weights, and 32 MB at least.
        package var remembered: Int?

        package init() {}
    }

    /// What it is doing.
    package struct Status: Sendable, Equatable {
        package var answering = 0, waiting = 0
        package var promptTokens = 0, cachedTokens = 0, answerTokens = 0, steps = 0
        /// Of what sequences remember, those that are being answered and those that may go on.
        package var memoryBytes = 0
    }

    private let model: ReadableModel
    private let limits: Limits
    private let inbox: Mailbox<Message>
    private let board: Board

    /// Its tokenizer, and how it reads a chat.
    package var readable: ReadableModel { model }
    package var name: String { model.name }
    package var context: Int? { model.context }
    package var status: Status { board.status }

    /// - Parameter open: Runs on the thread that will compute.
    package init(limits: Limits = Limits(), _ open: @escaping @Sendable () throws -> (ReadableModel, Runner)) throws {
        let inbox = Mailbox<Message>(), opened = Mailbox<Result<ReadableModel, any Error>>(), board = Board()
        try BackgroundThread.run {
            do {
                let (model, runner) = try open(), scheduler = Scheduler(runner, limits, board)
                opened.put(.success(model))
                scheduler.run(taking: inbox)
            } catch { opened.put(.failure(error)) }
        }
        (self.limits, self.inbox, self.board) = (limits, inbox, board)
        model = try opened.take().get()
    }

    deinit { inbox.put(.stop) }

    package func answer(_ request: AnswerRequest, deliver: @escaping @Sendable (AnswerEvent) -> Void) throws(GenerationError) -> any AnswerInProgress {
        let course = try AnswerCourse(request, for: model), progress = CancelFlag()
        try board.enter(most: limits.waiting + limits.answers)
        inbox.put(.answer(Order(course: course, progress: progress, watch: AnswerWatch(), deliver: deliver)))
        return progress
    }

    /// What is asked of the thread that computes.
    enum Message: Sendable { case answer(Order), stop }

    struct Order: Sendable {
        var course: AnswerCourse
        let progress: CancelFlag
        var watch: AnswerWatch
        let deliver: @Sendable (AnswerEvent) -> Void
    }

    /// What everybody may know.
    final class Board: Sendable {
        private let inside = Mutex((count: 0, status: Status()))

        var status: Status {
            inside.withLock { inside in
                var status = inside.status
                status.waiting = max(0, inside.count - status.answering)
                return status
            }
        }

        func enter(most: Int) throws(GenerationError) {
            let count = inside.withLock { inside in
                if inside.count < most { inside.count += 1; return -1 }
                return inside.count
            }
            if count >= 0 { throw .busy(waiting: count) }
        }

        func leave() { inside.withLock { $0.count -= 1 } }
        func update(_ body: (inout Status) -> Void) { inside.withLock { body(&$0.status) } }
    }
}
