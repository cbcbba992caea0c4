import Synchronization
import Testing
import Threads

@Suite struct MailboxTests {
    @Test func `what many threads put is taken once, each thread's in its order`() throws {
        let mailbox = Mailbox<(thread: Int, number: Int)>()
        for thread in 0..<4 { try BackgroundThread.run { for number in 0..<500 { mailbox.put((thread, number)) } } }
        var next = [0, 0, 0, 0]
        for _ in 0..<2_000 {
            let (thread, number) = mailbox.take()
            #expect(next[thread] == number)
            next[thread] += 1
        }
        #expect(next == [500, 500, 500, 500] && mailbox.take(within: .zero) == nil)
    }

    @Test func `what was taken is let go of, also where something always waits`() {
        final class Thing: Sendable {}
        struct Seen { weak var thing: Thing? }
        let mailbox = Mailbox<Thing>()
        var seen: [Seen] = []
        func put() {
            let thing = Thing()
            seen.append(Seen(thing: thing))
            mailbox.put(thing)
        }
        put()
        for _ in 0..<500 {
            put()
            _ = mailbox.take()
        }
        #expect(seen.filter { $0.thing != nil }.count == 1)
    }

    @Test func `who waits for a while gets what is there, or nothing`() throws {
        let mailbox = Mailbox<Int>()
        #expect(mailbox.take(within: .milliseconds(1)) == nil)
        mailbox.put(1)
        mailbox.put(2)
        #expect(mailbox.take(within: .zero) == 1 && mailbox.take(within: .seconds(5)) == 2)
        try BackgroundThread.run { mailbox.put(3) }
        #expect(mailbox.take(within: .seconds(20)) == 3)
    }
}
