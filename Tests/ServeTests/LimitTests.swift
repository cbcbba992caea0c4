import Serve
import Synchronization
import TestSupport
import Testing

@Suite struct RateLimiterTests {
    let start = ContinuousClock.now
    let ada = Person.account("ada")

    private func time(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    @Test func `some at once, then one after the other`() {
        let limiter = RateLimiter(.init(burst: 3, perMinute: 30))               // one in two seconds
        #expect((0..<3).allSatisfy { _ in limiter.wait(for: ada, at: time(0)) == nil })
        #expect(
            limiter.wait(for: ada, at: time(0)) == 2 && limiter.wait(for: ada, at: time(900)) == 2
                && limiter.wait(for: ada, at: time(1_001)) == 1)
        #expect(limiter.wait(for: .account("eve"), at: time(0)) == nil)
        #expect(limiter.wait(for: ada, at: time(2_000)) == nil && limiter.wait(for: ada, at: time(2_000)) == 2)
        // no more than three, however long nothing came
        #expect((0..<3).allSatisfy { _ in limiter.wait(for: ada, at: time(3_600_000)) == nil })
        #expect(limiter.wait(for: ada, at: time(3_600_000)) == 2)
    }

    @Test func `whoever waits as long as was said is let in`() {
        let limiter = RateLimiter(.init(burst: 2, perMinute: 7)), random = TestRandom(3)
        var now = 0, generator = random, waited = 0
        for _ in 0..<500 {
            if let seconds = limiter.wait(for: ada, at: time(now)) {
                #expect(limiter.wait(for: ada, at: time(now + seconds * 1_000)) == nil)
                now += seconds * 1_000
                waited += 1
            }
            now += generator.below(9_000)
        }
        #expect(waited > 50)
    }

    /// A bucket that is filled and emptied, as one would write it down.
    @Test func `it is a bucket of tokens`() {
        let limiter = RateLimiter(.init(burst: 5, perMinute: 60))
        var random = TestRandom(4), now = 0, tokens = 5_000, last = 0                // in thousandths
        for _ in 0..<5_000 {
            now += random.below(1_500)
            tokens = min(5_000, tokens + now - last)
            last = now
            let wait = limiter.wait(for: ada, at: time(now))
            #expect(wait == (tokens >= 1_000 ? nil : (1_000 - tokens + 999) / 1_000))
            if tokens >= 1_000 { tokens -= 1_000 }
        }
    }

    @Test func `it remembers a bounded number of people, those that came last`() {
        let limiter = RateLimiter(.init(burst: 1, perMinute: 1), remembering: 1_000)
        #expect(limiter.wait(for: ada, at: time(0)) == nil)
        for i in 0..<100_000 {
            #expect(limiter.wait(for: .ipv4(UInt32(i)), at: time(1)) == nil)
            // who comes again and again is not forgotten
            if i % 500 == 0 { #expect(limiter.wait(for: ada, at: time(1)) == 60) }
        }
        #expect(limiter.count == 1_000)
        #expect(limiter.wait(for: .ipv4(99_999), at: time(2)) == 60 && limiter.wait(for: .ipv4(0), at: time(2)) == nil)
    }

    @Test func `a household is one person`() {
        #expect(Person(address: "192.0.2.1") == .ipv4(0xC000_0201) && Person(address: "::ffff:192.0.2.1") == .ipv4(0xC000_0201))
        #expect(
            Person(address: "2001:db8:1:2::7") == .ipv6(0x2001_0DB8_0001_0002)
                && Person(address: "2001:db8:1:2:ffff::1") == .ipv6(0x2001_0DB8_0001_0002))
        #expect(
            Person(address: "2001:db8:1:3::7") != Person(address: "2001:db8:1:2::7") && Person(address: "::1") == .ipv6(0)
                && Person(address: "fe80::1%eth0") == .ipv6(0xFE80 << 48))
        for text in ["", "localhost", "192.0.2", "192.0.2.1:80", "[::1]", "1.2.3.4.5", "::g"] { #expect(Person(address: text) == nil) }
    }
}

@Suite struct FairQueueTests {
    /// Who began, in that order.
    final class Course: Sendable {
        private let begun = Mutex<[String]>([])
        var names: [String] { begun.withLock { $0 } }

        func begin(_ name: String) -> @Sendable (FairQueue.Ticket) -> Void { { _ in self.begun.withLock { $0.append(name) } } }
    }

    final class Tally: Sendable { let most = Atomic(0), done = Atomic(0) }

    let course = Course()

    @Test func `places go to those who came first, and then to who has fewest`() throws {
        let queue = FairQueue(.init(places: 2, waiting: 10, perPerson: 4)), ada = Person.account("ada"), bob = Person.account("bob"),
            cid = Person.account("cid")
        var tickets: [FairQueue.Ticket] = []
        for i in 1...4 { tickets.append(try queue.enter(ada, begin: course.begin("ada \(i)"))) }
        try queue.enter(bob, begin: course.begin("bob 1"))
        try queue.enter(bob, begin: course.begin("bob 2"))
        try queue.enter(cid, begin: course.begin("cid 1"))
        #expect(course.names == ["ada 1", "ada 2"] && queue.status == .init(running: 2, waiting: 5))
        queue.leave(tickets[0])
        #expect(course.names.last == "bob 1")                                   // not ada 3, who came before
        queue.leave(tickets[1])
        #expect(course.names.last == "cid 1" && queue.status == .init(running: 2, waiting: 3))
    }

    @Test func `turns go round`() throws {
        let queue = FairQueue(.init(places: 1, waiting: 10, perPerson: 4))
        let running = Mutex<FairQueue.Ticket?>(nil)
        func enter(_ name: String, _ i: Int) throws {
            try queue.enter(.account(name)) { ticket in
                running.withLock { $0 = ticket }
                course.begin("\(name) \(i)")(ticket)
            }
        }
        for i in 1...3 { try enter("ada", i) }
        for i in 1...2 { for name in ["bob", "cid"] { try enter(name, i) } }
        for _ in 0..<7 { if let ticket = running.withLock({ $0 }) { queue.leave(ticket) } }
        #expect(course.names == ["ada 1", "bob 1", "cid 1", "ada 2", "bob 2", "cid 2", "ada 3"])
        #expect(queue.status == .init(running: 0, waiting: 0))
    }

    @Test func `nobody has more in hand than the limit, and nobody waits where it is full`() throws {
        let queue = FairQueue(.init(places: 1, waiting: 2, perPerson: 2)), ada = Person.account("ada")
        let first = try queue.enter(ada, begin: course.begin("1"))
        let second = try queue.enter(ada, begin: course.begin("2"))
        #expect(throws: FairQueue.Refusal.tooMany(inHand: 2)) { try queue.enter(ada, begin: course.begin("3")) }
        try queue.enter(.account("bob"), begin: course.begin("4"))
        #expect(throws: FairQueue.Refusal.full(waiting: 2)) { try queue.enter(.account("cid"), begin: course.begin("5")) }
        queue.leave(second)                                                     // gives up waiting
        queue.leave(second)
        #expect(course.names == ["1"] && queue.status == .init(running: 1, waiting: 1))
        queue.leave(first)
        queue.leave(first)
        #expect(course.names == ["1", "4"] && queue.status == .init(running: 1, waiting: 0))
    }

    @Test func `whoever comes and goes in whatever order, the places are kept`() throws {
        let limits = FairQueue.Limits(places: 3, waiting: 8, perPerson: 3), queue = FairQueue(limits)
        var random = TestRandom(9), alive: [(FairQueue.Ticket, Person)] = []
        let begun = Mutex<Set<FairQueue.Ticket>>([])
        for _ in 0..<5_000 {
            if random.below(5) < 3 {
                let person = Person.ipv4(UInt32(random.below(6))), inHand = alive.count { $0.1 == person }
                do throws(FairQueue.Refusal) {
                    let ticket = try queue.enter(person) { ticket in begun.withLock { _ = $0.insert(ticket) } }
                    #expect(inHand < limits.perPerson)
                    alive.append((ticket, person))
                } catch {
                    #expect(error == (inHand >= limits.perPerson ? .tooMany(inHand: inHand) : .full(waiting: 8)))
                }
            } else if !alive.isEmpty {
                queue.leave(alive.remove(at: random.below(alive.count)).0)
            }
            let running = begun.withLock { begun in alive.count { begun.contains($0.0) } }
            #expect(running == min(limits.places, alive.count) && queue.status == .init(running: running, waiting: alive.count - running))
        }
    }

    @Test func `from many threads, all are answered`() async throws {
        let queue = FairQueue(.init(places: 4, waiting: 10_000, perPerson: 10_000)), tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for person in 0..<8 {
                group.addTask {
                    for _ in 0..<200 {
                        await withCheckedContinuation { continuation in
                            _ = try? queue.enter(.ipv4(UInt32(person))) { ticket in
                                tally.most.max(queue.status.running, ordering: .relaxed)
                                tally.done.add(1, ordering: .relaxed)
                                continuation.resume()
                                Task { queue.leave(ticket) }
                            }
                        }
                    }
                }
            }
        }
        #expect(tally.done.load(ordering: .relaxed) == 1_600 && tally.most.load(ordering: .relaxed) <= 4)
    }
}
