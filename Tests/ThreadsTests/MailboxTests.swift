import Synchronization
import Testing
import Threads

@Suite struct MailboxTests {
    @Test func `every element is taken once and in the order in which its thread put it`() throws {
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

    @Test func `taken elements are released, even if the mailbox is never empty`() {
        final class Object: Sendable {}
        struct WeakReference { weak var object: Object? }
        let mailbox = Mailbox<Object>()
        var references: [WeakReference] = []
        func put() {
            let object = Object()
            references.append(WeakReference(object: object))
            mailbox.put(object)
        }
        put()
        for _ in 0..<500 {
            put()
            _ = mailbox.take()
        }
        #expect(references.filter { $0.object != nil }.count == 1)
    }

    @Test func `take(within) returns an element that arrives in time, otherwise nil`() throws {
        let mailbox = Mailbox<Int>()
        #expect(mailbox.take(within: .milliseconds(1)) == nil)
        mailbox.put(1)
        mailbox.put(2)
        #expect(mailbox.take(within: .zero) == 1 && mailbox.take(within: .seconds(5)) == 2)
        try BackgroundThread.run { mailbox.put(3) }
        #expect(mailbox.take(within: .seconds(20)) == 3)
    }
}
