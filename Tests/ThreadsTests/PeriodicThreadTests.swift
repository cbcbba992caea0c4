import Synchronization
import Testing
import Threads

/// The interval of an hour means that only wakes cause work.
@Suite struct PeriodicThreadTests {
    @Test func `it works at once, and again for each wake that finds it idle`() throws {
        let thread = PeriodicThread(every: .seconds(3_600)), rounds = Mailbox<Int>()
        defer { thread.stop() }
        try thread.start {
            var round = 0
            return {
                round += 1
                rounds.put(round)
            }
        }
        #expect(rounds.take(within: .seconds(20)) == 1)
        for round in 2..<20 {
            thread.wake()
            #expect(rounds.take(within: .seconds(20)) == round)
        }
    }

    @Test func `it works again after the interval`() throws {
        let thread = PeriodicThread(every: .milliseconds(1)), rounds = Mailbox<Void>()
        defer { thread.stop() }
        try thread.start { { rounds.put(()) } }
        for _ in 0..<5 { #expect(rounds.take(within: .seconds(20)) != nil) }
    }

    @Test func `wakes during work lead to one more round, and none is lost`() throws {
        let thread = PeriodicThread(every: .seconds(3_600)), begun = Mailbox<Void>(), mayEnd = Mailbox<Void>()
        let rounds = RoundCounter()
        try thread.start {
            {
                rounds.add()
                begun.put(())
                mayEnd.take()
            }
        }
        begun.take()
        for _ in 0..<100 { thread.wake() }
        mayEnd.put(())
        #expect(begun.take(within: .seconds(20)) != nil)
        for _ in 0..<3 { mayEnd.put(()) }
        #expect(begun.take(within: .milliseconds(100)) == nil)      // a third round would begin at once
        thread.stop()
        #expect(rounds.value == 2)
    }

    @Test func `the state of the work is made once, on the thread`() throws {
        let thread = PeriodicThread(every: .seconds(3_600)), made = RoundCounter(), rounds = Mailbox<Void>()
        try thread.start {
            made.add()
            return { rounds.put(()) }
        }
        for _ in 0..<3 {
            #expect(rounds.take(within: .seconds(20)) != nil)
            thread.wake()
        }
        thread.stop()
        #expect(made.value == 1)
    }

    @Test func `stop waits for the work in progress, which sees that it is asked to end`() throws {
        let thread = PeriodicThread(every: .zero), begun = Mailbox<Void>()
        let ended = RoundCounter(), rounds = RoundCounter()
        try thread.start {
            {
                rounds.add()
                begun.put(())
                while !thread.isStopped {}
                ended.add()
            }
        }
        begun.take()
        #expect(!thread.isStopped)
        thread.stop()
        #expect(ended.value == 1 && thread.isStopped && rounds.value == 1)
        thread.stop()                                               // does not wait for what has ended
        thread.wake()
        #expect(rounds.value == 1)
    }

    @Test func `a thread that was not started need not be stopped`() throws {
        let thread = PeriodicThread(every: .seconds(3_600)), rounds = Mailbox<Void>()
        thread.stop()
        #expect(!thread.isStopped)
        try thread.start { { rounds.put(()) } }
        #expect(rounds.take(within: .seconds(20)) != nil)
        thread.stop()
    }
}

private final class RoundCounter: Sendable {
    private let count = Atomic(0)

    func add() { count.add(1, ordering: .acquiringAndReleasing) }
    var value: Int { count.load(ordering: .acquiring) }
}
