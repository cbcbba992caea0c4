import Infer
import Synchronization
import Threads

/// Where answers are asked for: it gives places fairly, counts, and ends everything when the server stops.
///
///     let place = try desk.enter(caller.person)                // throws 429 or 503
///     place.ask(request, of: model) { event in … }             // begins when there is room
///
/// Whoever enters asks or leaves.
final class Desk: Sendable {
    let crew: ThreadPool
    let metrics: Metrics
    private let queue: FairQueue
    private let underWay = Mutex((places: [ObjectIdentifier: Place](), isClosed: false))

    init(_ queue: FairQueue, _ crew: ThreadPool, _ metrics: Metrics) {
        self.queue = queue
        self.crew = crew
        self.metrics = metrics
    }

    var status: FairQueue.Status { queue.status }
    var isIdle: Bool { status == FairQueue.Status(running: 0, waiting: 0) }

    func enter(_ person: Person) throws(Failure) -> Place {
        let place = Place(self)
        do throws(FairQueue.Refusal) {
            place.take(try queue.enter(person) { _ in place.roomIsThere() })
        } catch {
            switch error {
            case .tooMany(let inHand): throw .tooMany("You have \(inHand) answers under way. Wait for one of them.", seconds: 2)
            case .full(let waiting): throw .unavailable("busy", "\(waiting) wait already. Try again in a moment.", seconds: 5)
            }
        }
        let isClosed = underWay.withLock { underWay in
            underWay.places[ObjectIdentifier(place)] = place
            return underWay.isClosed
        }
        if isClosed {
            place.leave()
            throw .stopping
        }
        return place
    }

    func leave(_ place: Place, _ ticket: FairQueue.Ticket) {
        _ = underWay.withLock { $0.places.removeValue(forKey: ObjectIdentifier(place)) }
        queue.leave(ticket)
    }

    /// Takes nobody any more.
    func close() { underWay.withLock { $0.isClosed = true } }

    /// Ends what is under way.
    func cancelAll() {
        for place in underWay.withLock({ Array($0.places.values) }) { place.cancel() }
    }
}

extension Metrics {
    /// What hears of the events of an answer that begins now, and counts them on the way.
    func counting(_ deliver: @escaping @Sendable (GenerationEvent) -> Void) -> @Sendable (GenerationEvent) -> Void {
        let start = monotonicSeconds(), first = OnceFlag()
        return { event in
            switch event {
            case .began: break
            case .piece: if first.raise() { self.firstTokenSeconds.observe(monotonicSeconds() - start) }
            case .ended(let end):
                self.answerSeconds.observe(monotonicSeconds() - start)
                self.promptTokens.add(end.promptTokens)
                self.tokensGenerated.add(end.answerTokens)
            }
            deliver(event)
        }
    }
}

/// Something that happens once.
final class OnceFlag: Sendable {
    private let isRaised = Atomic(false)

    /// Whether it was not raised before.
    func raise() -> Bool { !isRaised.exchange(true, ordering: .relaxed) }
}
