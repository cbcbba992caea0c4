import Autograd
import Kernels
import Model
import Threads
import Tokenize

/// Whose turn it is. Each step takes the next token of every answer that is under way, and a slice of the prompts that are not read yet.
final class Scheduler {
    /// An answer that has a place.
    private final class Active {
        var order: GPTBackend.Order
        let place: Int
        /// What the model has not seen yet: the rest of the prompt, then each token that came.
        var unseen: ArraySlice<TokenID>
        /// How many of those take part in this step.
        var taking = 0
        var isOver = false

        init(_ order: GPTBackend.Order, place: Int, known: Int) { (self.order, self.place, unseen) = (order, place, order.course.prompt[known...]) }

        var isReading: Bool { unseen.count > 1 }

        /// By a token, which is what the model sees next; after the last one nothing is unseen.
        func goOn(after scores: inout MutableSpan<Float>) {
            let step = order.course.step(&scores)
            order.watch.tokenCame()
            if let piece = step.piece { order.deliver(.piece(piece)) }
            if let next = step.next { unseen = [next] }
        }
    }

    private let runner: Runner
    private let limits: GPTBackend.Limits
    private let board: GPTBackend.Board
    private var slots: Slots
    private var active: [Active] = []
    private var waiting: [GPTBackend.Order] = []
    private var isStopping = false

    init(_ runner: Runner, _ limits: GPTBackend.Limits, _ board: GPTBackend.Board) {
        (self.runner, self.limits, self.board) = (runner, limits, board)
        slots = Slots(most: limits.answers, plenty: limits.remembered ?? max(32 << 20, runner.weightBytes / 2)) { runner.makeKVCache() }
    }

    func run(taking inbox: Mailbox<GPTBackend.Message>) {
        while !isStopping {
            if active.isEmpty, waiting.isEmpty { receive(inbox.take()) }
            while let message = inbox.takeIfThere() { receive(message) }
            dropCancelled()
            admit()
            step()
        }
        for order in waiting { dismiss(order) }
        for answer in active { end(answer.order, because: .cancelled) }
    }

    private func receive(_ message: GPTBackend.Message) {
        switch message {
        case .answer(let order): waiting.append(order)
        case .stop: isStopping = true
        }
    }

    private func dropCancelled() {
        for answer in active where answer.order.progress.isRaised { finish(answer, because: .cancelled) }
        let cancelled = waiting.filter(\.progress.isRaised)
        if !cancelled.isEmpty {
            waiting.removeAll(where: \.progress.isRaised)
            for order in cancelled { dismiss(order) }
        }
        removeFinished()
    }

    /// Gives places to those who wait, in the order in which they came.
    private func admit() {
        while let order = waiting.first, let place = slots.take(for: order.course.prompt, room: order.course.room) {
            waiting.removeFirst()
            let answer = Active(order, place: place, known: slots[place].ids.count)
            answer.order.watch.begin()
            active.append(answer)
            var beginning = order.course.beginning
            beginning.cachedTokens = slots[place].ids.count
            board.update { status in
                status.answering += 1
                status.promptTokens += order.course.prompt.count
                status.cachedTokens += beginning.cachedTokens
            }
            order.deliver(.began(beginning))
        }
    }

    private func step() {
        plan()
        let taking = active.filter { $0.taking > 0 }
        if taking.isEmpty { return }
        let parts = taking.map { answer in
            Runner.Part(slots[answer.place].memory, from: slots[answer.place].ids.count, ids: Array(answer.unseen.prefix(answer.taking)),
                        asked: answer.taking == answer.unseen.count ? .last : .nobody)
        }
        let scores = runner.scores(after: parts)
        let asked = taking.filter { $0.taking == $0.unseen.count }
        for answer in taking {
            slots.extend(answer.place, by: answer.unseen.prefix(answer.taking))
            answer.unseen.removeFirst(answer.taking)
        }
        draw(asked, from: scores.elements)
        board.update { status in
            status.steps += 1
            status.answerTokens += asked.count
            status.memoryBytes = slots.memoryBytes
        }
        removeFinished()
    }

    /// How much of each answer takes part: the next token of all that are being given; of the prompts a slice. Whoever asks shortest is read first, so that most
    /// wait as little as can be; but a quarter is for who came first, so that a long prompt is not put off for ever.
    private func plan() {
        for answer in active { answer.taking = answer.isReading ? 0 : 1 }
        let reading = active.filter(\.isReading)
        guard let first = reading.first else { return }
        var left = active.count == 1 ? limits.wholeSlice : limits.sharedSlice
        func give(_ answer: Active, most: Int) {
            let more = min(answer.unseen.count - answer.taking, most)
            answer.taking += more
            left -= more
        }
        give(first, most: max(1, left / 4))
        for answer in reading.sorted(by: { $0.unseen.count < $1.unseen.count }) { give(answer, most: left) }
    }

    /// Chooses a token for each row of scores, and tells what comes of it. Telling is shared out too: JSON and locks for many listeners take as long as choosing.
    private func draw(_ answers: [Active], from scores: Buffer) {
        let V = runner.model.configuration.vocabulary
        runner.processor.share(answers.count) { i in
            scores[i * V..<(i + 1) * V].write { answers[i].goOn(after: &$0) }
        }
        for answer in answers where answer.unseen.isEmpty { finish(answer, because: nil) }
    }

    private func finish(_ answer: Active, because reason: EndReason?) {
        answer.isOver = true
        slots.giveBack(answer.place)
        board.update { status in
            status.answering -= 1
            status.memoryBytes = slots.memoryBytes
        }
        end(answer.order, because: reason)
    }

    /// Ends what never got a place.
    private func dismiss(_ order: GPTBackend.Order) {
        order.deliver(.began(order.course.beginning))
        end(order, because: .cancelled)
    }

    private func end(_ order: GPTBackend.Order, because reason: EndReason?) {
        var order = order
        if let reason, let piece = order.course.over(reason).piece { order.deliver(.piece(piece)) }
        board.leave()
        order.deliver(.ended(order.course.end(order.watch.timings)))
    }

    private func removeFinished() { active.removeAll(where: \.isOver) }
}
