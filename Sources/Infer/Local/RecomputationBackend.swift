import Synchronization
import Threads
import Tokenize

/// Answers by computing everything again for each token: the plain reference that faster backends are held against.
///
///     let backend = RecomputationBackend(ReadableModel(name: path, context: 384, tokenizer, renderer), Recomputation(of: model, parameters, on: processor))
///
/// Each answer has a thread, and the threads take turns at the model, a token each.
package final class RecomputationBackend: ChatBackend {
    private let model: ReadableModel
    private let recomputation: Mutex<Recomputation>

    package var name: String { model.name }
    package var context: Int? { model.context }

    package init(_ model: ReadableModel, _ recomputation: sending Recomputation) {
        self.model = model
        self.recomputation = Mutex(recomputation)
    }

    package func answer(_ request: AnswerRequest, deliver: @escaping @Sendable (AnswerEvent) -> Void) throws(GenerationError) -> any AnswerInProgress {
        let course = try AnswerCourse(request, for: model), progress = CancelFlag()
        do throws(ThreadError) { try BackgroundThread.run { self.run(course, progress, deliver) } } catch { throw .noThread(error) }
        return progress
    }

    private func run(_ course: AnswerCourse, _ progress: CancelFlag, _ deliver: (AnswerEvent) -> Void) {
        var course = course, ids = course.prompt, watch = AnswerWatch()
        deliver(.began(course.beginning))
        while course.reason == nil {
            var scores = recomputation.withLock { [ids] in $0.scores(after: ids) }
            watch.tokenCame()
            var span = scores.mutableSpan
            let step = progress.isRaised ? course.over(.cancelled) : course.step(&span)
            if let piece = step.piece { deliver(.piece(piece)) }
            if let next = step.next { ids.append(next) }
        }
        deliver(.ended(course.end(watch.timings)))
    }
}

/// An answer that is under way, for a thread that looks whether it is still wanted.
package final class CancelFlag: AnswerInProgress {
    private let flag = Atomic(false)

    package init() {}

    package func cancel() { flag.store(true, ordering: .relaxed) }

    package var isRaised: Bool { flag.load(ordering: .relaxed) }
}

/// Takes the times of an answer.
///
///     var watch = AnswerWatch()                                // when it was asked for
///     watch.tokenCame()
///     watch.timings
package struct AnswerWatch: Sendable {
    private let asked = ContinuousClock.now
    private var begun, first, last: ContinuousClock.Instant?

    package init() {}

    /// Its turn has come; without this, at once.
    package mutating func begin() { begun = .now }

    package mutating func tokenCame() {
        last = .now
        if first == nil { first = last }
    }

    package var timings: AnswerTimings {
        func seconds(_ start: ContinuousClock.Instant, _ end: ContinuousClock.Instant) -> Double {
            let (seconds, attoseconds) = start.duration(to: end).components
            return Double(seconds) + Double(attoseconds) * 1e-18
        }
        let begun = begun ?? asked, first = first ?? begun
        var timings = AnswerTimings()
        (timings.waited, timings.prompt, timings.answer) = (seconds(asked, begun), seconds(begun, first), seconds(first, last ?? first))
        return timings
    }
}
