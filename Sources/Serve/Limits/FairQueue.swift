import Synchronization

/// Who is answered next. There are so many places; one that becomes free goes to the person who has the fewest, and among those to the one
/// who was given a place
/// the longest time ago, so that somebody who asks for fifty answers at once does not hold up somebody who asks for one.
///
///     let queue = FairQueue(.init(places: 16, waiting: 64, perPerson: 4))
///     let ticket = try queue.enter(person) { ticket in … }                 // now, or on the thread of whoever leaves
///     queue.leave(ticket)                                                  // the answer ended, or nobody waits for it any more
///
/// `LocalBackend` gives its places to whoever came first. Give it as many as this queue, and nobody waits there.
package final class FairQueue: Sendable {
    package struct Limits: Sendable {
        package var places, waiting: Int
        /// Answers of one person, given and waited for.
        package var perPerson: Int

        package init(places: Int = 16, waiting: Int = 64, perPerson: Int = 4) {
            self.places = places
            self.waiting = waiting
            self.perPerson = perPerson
        }
    }

    package enum Refusal: Error, Equatable {
        /// This person has so many in hand.
        case tooMany(inHand: Int)
        /// So many wait.
        case full(waiting: Int)
    }

    package struct Ticket: Sendable, Hashable {
        fileprivate let number: Int
        fileprivate let person: Person
    }

    package struct Status: Sendable, Equatable {
        package let running, waiting: Int

        package init(running: Int, waiting: Int) {
            self.running = running
            self.waiting = waiting
        }
    }

    fileprivate struct Waiting {
        let ticket: Ticket
        let begin: @Sendable (Ticket) -> Void
    }

    fileprivate struct State {
        var number = 0
        var running: [Person: Set<Ticket>] = [:]
        var runningCount = 0
        /// When people who have something in hand were last given a place, as a count of places.
        var servings = 0
        var served: [Person: Int] = [:]
        /// Who waits, and for what, in the order in which it came.
        var turns: [Person] = []
        var waiting: [Person: [Waiting]] = [:]
        var waitingCount = 0
    }

    private let limits: Limits
    private let state = Mutex(State())

    package init(_ limits: Limits) {
        precondition(limits.places > 0 && limits.perPerson > 0 && limits.waiting >= 0, "a queue without places")
        self.limits = limits
    }

    /// - Parameter begin: Called once there is a place, at once or on the thread of whoever leaves. It must not wait. It may just be about
    /// to run when `leave` is called for its ticket: it looks
    ///   whether its answer is still wanted.
    @discardableResult
    package func enter(_ person: Person, begin: @escaping @Sendable (Ticket) -> Void) throws(Refusal) -> Ticket {
        let entered = state.withLock { $0.enter(person, begin, limits) }
        let (ticket, starts) = try entered.get()
        if starts { begin(ticket) }
        return ticket
    }

    /// Gives the place, or the turn, back. A second time changes nothing.
    package func leave(_ ticket: Ticket) {
        let next = state.withLock { state in
            state.remove(ticket)
            return state.next(limits)
        }
        if let next { next.begin(next.ticket) }
    }

    package var status: Status { state.withLock { Status(running: $0.runningCount, waiting: $0.waitingCount) } }
}

extension FairQueue.State {
    fileprivate mutating func enter(
        _ person: Person, _ begin: @escaping @Sendable (FairQueue.Ticket) -> Void, _ limits: FairQueue.Limits
    ) -> Result<(FairQueue.Ticket, starts: Bool), FairQueue.Refusal> {
        let inHand = (running[person]?.count ?? 0) + (waiting[person]?.count ?? 0)
        if inHand >= limits.perPerson { return .failure(.tooMany(inHand: inHand)) }
        let isFree = runningCount < limits.places
        if !isFree, waitingCount >= limits.waiting { return .failure(.full(waiting: waitingCount)) }
        number += 1
        let ticket = FairQueue.Ticket(number: number, person: person)
        if isFree {
            start(ticket)
        } else {
            if waiting[person] == nil { turns.append(person) }
            waiting[person, default: []].append(.init(ticket: ticket, begin: begin))
            waitingCount += 1
        }
        return .success((ticket, starts: isFree))
    }

    private mutating func start(_ ticket: FairQueue.Ticket) {
        running[ticket.person, default: []].insert(ticket)
        runningCount += 1
        servings += 1
        served[ticket.person] = servings
    }

    fileprivate mutating func remove(_ ticket: FairQueue.Ticket) {
        let person = ticket.person
        if running[person]?.remove(ticket) != nil {
            runningCount -= 1
            if running[person]?.isEmpty ?? false { running[person] = nil }
        } else if let place = waiting[person]?.firstIndex(where: { $0.ticket == ticket }) {
            _ = takeWaiting(of: person, at: place)
        }
        if running[person] == nil, waiting[person] == nil { served[person] = nil }
    }

    /// Gives a free place to whose turn it is.
    fileprivate mutating func next(_ limits: FairQueue.Limits) -> FairQueue.Waiting? {
        guard runningCount < limits.places else { return nil }
        guard let person = turns.min(by: { turn(of: $0) < turn(of: $1) }) else { return nil }
        let next = takeWaiting(of: person, at: 0)
        if let next { start(next.ticket) }
        return next
    }

    /// The lowest is next.
    private func turn(of person: Person) -> (running: Int, served: Int) { (running[person]?.count ?? 0, served[person] ?? 0) }

    private mutating func takeWaiting(of person: Person, at place: Int) -> FairQueue.Waiting? {
        guard var queue = waiting[person], place < queue.count else { return nil }
        let taken = queue.remove(at: place)
        waitingCount -= 1
        waiting[person] = queue.isEmpty ? nil : queue
        if queue.isEmpty { turns.removeAll { $0 == person } }
        return taken
    }
}
