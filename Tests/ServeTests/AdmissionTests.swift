import Infer
import Serve
import Synchronization
import TestSupport
import Testing

@Suite struct AdmissionTests {
    /// Records events in their order.
    private final class EventLog: Sendable {
        private let log = Mutex<[String]>([])

        var events: [String] { log.withLock { $0 } }
        func add(_ event: String) { log.withLock { $0.append(event) } }
    }

    /// A generation that records its cancellation.
    private final class FakeGeneration: GenerationHandle {
        private let log: EventLog
        private let name: String

        init(_ name: String, _ log: EventLog) {
            self.name = name
            self.log = log
        }

        func cancel() { log.add("cancel \(name)") }
        var canPause: Bool { true }
        func pause() { log.add("pause \(name)") }
        func resume() { log.add("resume \(name)") }
    }

    private let log = EventLog()
    private let ada = ClientKey.account("ada")
    private let bob = ClientKey.account("bob")
    private let cid = ClientKey.account("cid")

    private func admission(slots: Int, maxWaiting: Int, perClient: Int) -> Admission {
        Admission(.init(slots: slots, maxWaiting: maxWaiting, perClient: perClient)) { $0() }
    }

    /// Enters and records `name` when it starts.
    @discardableResult
    private func enter(_ admission: Admission, _ client: ClientKey, _ name: String) throws(Admission.Rejection) -> AdmissionTicket {
        let ticket = try admission.enter(client)
        ticket.start({ [log] in
            log.add(name)
            return FakeGeneration(name, log)
        }, onCancel: { [log] in log.add("drop \(name)") })
        return ticket
    }

    @Test func `slots go to the first requests, then to the client with the fewest running answers`() throws {
        let admission = admission(slots: 2, maxWaiting: 10, perClient: 4)
        let tickets = try (1...4).map { try enter(admission, ada, "ada \($0)") }
        try enter(admission, bob, "bob 1")
        try enter(admission, bob, "bob 2")
        try enter(admission, cid, "cid 1")
        // One of ada's two answers makes room.
        #expect(log.events == ["ada 1", "ada 2", "pause ada 2", "bob 1"] && admission.load == .init(running: 2, waiting: 5))
        tickets[0].leave()
        #expect(log.events.last == "cid 1" && admission.load == .init(running: 2, waiting: 4))
    }

    @Test func `answers of the client with the most pause while others wait, and continue later`() throws {
        let admission = admission(slots: 4, maxWaiting: 10, perClient: 10)
        for i in 1...4 { try enter(admission, ada, "ada \(i)") }
        #expect(log.events.count == 4)
        let bobs = try (1...3).map { try enter(admission, bob, "bob \($0)") }
        // Two each: a third answer of bob would only turn the difference around.
        #expect(log.events.dropFirst(4) == ["pause ada 4", "bob 1", "pause ada 3", "bob 2"])
        #expect(admission.load == .init(running: 4, waiting: 3))
        bobs[0].leave()
        #expect(log.events.last == "bob 3")
        for ticket in bobs.dropFirst() { ticket.leave() }
        #expect(log.events.suffix(2) == ["resume ada 3", "resume ada 4"] && admission.load == .init(running: 4, waiting: 0))
    }

    @Test func `a paused answer can be canceled, and may end by itself`() throws {
        let admission = admission(slots: 2, maxWaiting: 10, perClient: 10)
        let adas = try (1...2).map { try enter(admission, ada, "ada \($0)") }
        let other = try enter(admission, bob, "bob 1")
        #expect(log.events.suffix(2) == ["pause ada 2", "bob 1"])
        adas[1].cancel()
        #expect(log.events.last == "cancel ada 2")
        adas[1].leave()                                          // the backend has ended it
        #expect(admission.load == .init(running: 2, waiting: 0))
        other.leave()
        adas[0].leave()
        #expect(admission.isIdle && !log.events.contains("resume ada 2"))
    }

    @Test func `without pauses a client gets its share only`() throws {
        let admission = Admission(.init(slots: 4, maxWaiting: 10, perClient: 10, share: 2, canPause: { false })) { $0() }
        let adas = try (1...4).map { try enter(admission, ada, "ada \($0)") }
        #expect(log.events == ["ada 1", "ada 2"] && admission.load == .init(running: 2, waiting: 2))
        try enter(admission, bob, "bob 1")
        #expect(log.events.last == "bob 1")
        adas[0].leave()
        #expect(log.events.last == "ada 3" && admission.load == .init(running: 3, waiting: 1))
    }

    @Test func `waiting clients take turns`() throws {
        let admission = admission(slots: 1, maxWaiting: 10, perClient: 4)
        let log = log
        let running = Mutex<AdmissionTicket?>(nil)
        func enter(_ name: String, _ i: Int) throws {
            let ticket = try admission.enter(.account(name))
            ticket.start({
                running.withLock { $0 = ticket }
                log.add("\(name) \(i)")
                return nil
            }, onCancel: {})
        }
        for i in 1...3 { try enter("ada", i) }
        for i in 1...2 { for name in ["bob", "cid"] { try enter(name, i) } }
        for _ in 0..<7 { running.withLock { $0 }?.leave() }
        #expect(log.events == ["ada 1", "bob 1", "cid 1", "ada 2", "bob 2", "cid 2", "ada 3"])
        #expect(admission.isIdle)
    }

    @Test func `a client with too many answers and a full queue are rejected, and leaving twice frees one slot`() throws {
        let admission = admission(slots: 1, maxWaiting: 2, perClient: 2)
        let first = try enter(admission, ada, "1")
        let second = try enter(admission, ada, "2")
        #expect(throws: Admission.Rejection.tooManyForClient(active: 2)) { try enter(admission, ada, "3") }
        try enter(admission, bob, "4")
        #expect(throws: Admission.Rejection.queueFull(waiting: 2)) { try enter(admission, cid, "5") }
        second.leave()
        second.leave()
        #expect(log.events == ["1"] && admission.load == .init(running: 1, waiting: 1))
        first.leave()
        first.leave()
        #expect(log.events == ["1", "4"] && admission.load == .init(running: 1, waiting: 0))
    }

    @Test func `several answers enter together or not at all`() throws {
        let admission = admission(slots: 2, maxWaiting: 1, perClient: 4)
        #expect(try admission.enter(ada, count: 3).count == 3 && admission.load == .init(running: 2, waiting: 1))
        #expect(throws: Admission.Rejection.queueFull(waiting: 1)) { try admission.enter(bob, count: 2) }
        #expect(admission.load == .init(running: 2, waiting: 1))
    }

    @Test func `a canceled ticket never starts, whether it waits or has not asked to start`() throws {
        let admission = admission(slots: 1, maxWaiting: 2, perClient: 4)
        let first = try enter(admission, ada, "1"), second = try enter(admission, ada, "2"), third = try admission.enter(ada)
        second.cancel()
        #expect(log.events == ["1", "drop 2"] && admission.load == .init(running: 1, waiting: 1))
        third.cancel()
        third.start({ [log] in log.add("3"); return nil }, onCancel: { [log] in log.add("drop 3") })
        #expect(log.events == ["1", "drop 2", "drop 3"] && admission.load == .init(running: 1, waiting: 0))
        first.cancel()
        #expect(log.events.last == "cancel 1" && admission.load.running == 1)   // it leaves when its last event arrives
        first.leave()
        first.cancel()
        #expect(log.events.count == 4 && admission.isIdle)
    }

    @Test func `an answer that is canceled while it starts is canceled once it has started`() throws {
        let admission = admission(slots: 1, maxWaiting: 0, perClient: 1), log = log
        let ticket = try admission.enter(ada)
        ticket.start({
            ticket.cancel()
            log.add("start")
            return FakeGeneration("answer", log)
        }, onCancel: { log.add("drop") })
        #expect(log.events == ["start", "cancel answer"])
    }

    @Test func `shutdown rejects new answers and cancels the others`() throws {
        let admission = admission(slots: 1, maxWaiting: 2, perClient: 4)
        try enter(admission, ada, "1")
        try enter(admission, bob, "2")
        admission.close()
        #expect(throws: Admission.Rejection.closed) { try admission.enter(cid) }
        admission.cancelAll()
        #expect(Set(log.events) == ["1", "cancel 1", "drop 2"] && admission.load == .init(running: 1, waiting: 0))
    }

    @Test func `random arrivals and departures keep all slots in use`() throws {
        let limits = Admission.Limits(slots: 3, maxWaiting: 8, perClient: 3)
        let admission = Admission(limits) { $0() }
        var random = TestRandom(9)
        var active: [(id: Int, ticket: AdmissionTicket, client: ClientKey)] = []
        let started = Mutex<Set<Int>>([])
        for id in 0..<5_000 {
            if random.below(5) < 3 {
                let client = ClientKey.ipv4(UInt32(random.below(6))), count = active.count { $0.client == client }
                do throws(Admission.Rejection) {
                    let ticket = try admission.enter(client)
                    ticket.start({
                        started.withLock { _ = $0.insert(id) }
                        return nil
                    }, onCancel: {})
                    #expect(count < limits.perClient)
                    active.append((id, ticket, client))
                } catch {
                    #expect(error == (count >= limits.perClient ? .tooManyForClient(active: count) : .queueFull(waiting: 8)))
                }
            } else if !active.isEmpty {
                active.remove(at: random.below(active.count)).ticket.leave()
            }
            let running = started.withLock { started in active.count { started.contains($0.id) } }
            #expect(running == min(limits.slots, active.count))
            #expect(admission.load == .init(running: running, waiting: active.count - running))
        }
    }

    private final class Tally: Sendable {
        let maxRunning = Atomic(0)
        let finished = Atomic(0)
    }

    @Test func `answers from many threads all start, within the slots`() async throws {
        let admission = admission(slots: 4, maxWaiting: 10_000, perClient: 10_000), tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for client in 0..<8 {
                group.addTask {
                    for _ in 0..<200 {
                        await withCheckedContinuation { continuation in
                            guard let ticket = try? admission.enter(.ipv4(UInt32(client))) else { return continuation.resume() }
                            ticket.start({
                                tally.maxRunning.max(admission.load.running, ordering: .relaxed)
                                tally.finished.add(1, ordering: .relaxed)
                                continuation.resume()
                                Task { ticket.leave() }
                                return nil
                            }, onCancel: {})
                        }
                    }
                }
            }
        }
        #expect(tally.finished.load(ordering: .relaxed) == 1_600 && tally.maxRunning.load(ordering: .relaxed) <= 4)
    }

    /// Another server that shares the database has published them.
    @Test func `answers of a client on other servers count`() throws {
        let admission = admission(slots: 2, maxWaiting: 4, perClient: 3)
        admission.setElsewhere([ada: .init(running: 1, waiting: 1), bob: .init(running: 1, waiting: 0)])
        let first = try admission.enter(ada)
        #expect(throws: Admission.Rejection.tooManyForClient(active: 3)) { try admission.enter(ada) }
        #expect(admission.loads == [ada: .init(running: 1, waiting: 0)])
        let second = try admission.enter(cid)
        // Among those that wait, the client with the fewest answers on all servers is next, although it came last.
        admission.setElsewhere([bob: .init(running: 1, waiting: 0)])
        for (client, name) in [(bob, "bob"), (cid, "cid")] {
            try admission.enter(client).start({ self.log.add(name); return nil }, onCancel: {})
        }
        #expect(admission.loads[bob] == .init(running: 0, waiting: 1))
        second.leave()
        #expect(log.events == ["cid"])
        first.leave()
        #expect(log.events == ["cid", "bob"])
    }
}
