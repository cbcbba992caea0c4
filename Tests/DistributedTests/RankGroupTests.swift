import Distributed
import Kernels
import Synchronization
import TestSupport
import Testing
import Threads

struct RankGroupTests {
    @Test(arguments: [1, 2, 3, 5]) func `all ranks gather what each of them passes`(_ count: Int) throws {
        let found = try withRanks(count) { ranks in
            [ranks.gather(Array(repeating: UInt8(ranks.rank), count: ranks.rank * 3)), ranks.gather([7])]
        }
        for gathered in found {
            #expect(gathered[0] == (0..<count).map { Array(repeating: UInt8($0), count: $0 * 3) })
            #expect(gathered[1] == Array(repeating: [7], count: count))
        }
    }

    @Test func `decisions of rank 0 and flags of any rank reach all`() throws {
        let found = try withRanks(3) { ranks in
            (ranks.fromFirst(Double(ranks.rank) + 0.5), ranks.fromFirst("rank \(ranks.rank)"), ranks.any(ranks.rank == 2), ranks.any(false))
        }
        for (number, text, any, none) in found {
            #expect(number == 0.5)
            #expect(text == "rank 0")
            #expect(any && !none)
        }
    }

    @Test func `a value that differs between ranks is an error on all of them`() throws {
        let found = try withRanks(3) { ranks -> String in
            do {
                try ranks.check([("seed", "1"), ("data", ranks.rank == 2 ? "b" : "a")])
                return ""
            } catch { return "\(error)" }
        }
        for text in found {
            #expect(text.hasPrefix("all ranks need the same data: rank 0 has a, rank 2 on "))
            #expect(text.hasSuffix(" has b."))
        }
    }

    @Test func `a buffer of rank 0 replaces those of the others`() throws {
        let length = (1 << 20) + 5
        let found = try withRanks(3) { ranks -> [Float] in
            let buffer = Buffer(zeros: length)
            buffer.write { span in for i in span.indices { span[i] = Float(i % 1_000 + ranks.rank * 1_000) } }
            ranks.broadcast(buffer)
            return buffer.read { span in [span[0], span[length / 2], span[length - 1]] }
        }
        #expect(found.allSatisfy { $0 == found[0] })
        #expect(found[0][2] == Float((length - 1) % 1_000))
    }

    @Test func `an error of one rank reaches the others with its words`() throws {
        let network = ThreadNetwork(), errors = Mailbox<RankError>()
        for rank in 0..<3 {
            try BackgroundThread.run {
                let group = try? RankGroup(ThreadTransport(rank: rank, of: 3, in: network)) { error in
                    errors.put(error)
                    while true { _ = Mailbox<Void>().take(within: .seconds(1_000)) }
                }
                guard let group else { return }
                if rank == 1 { group.fail("No space left on device") } else { group.wait() }
            }
        }
        for _ in 0..<2 {
            let error = try #require(errors.take(within: .seconds(20)))
            guard case .failed(1, _, "No space left on device") = error else {
                Issue.record("found \(error)")
                continue
            }
        }
    }

    @Test func `a rank that sends nothing any more is an error on all others`() throws {
        let network = ThreadNetwork(), errors = Mailbox<(Int, RankError)>()
        for rank in 0..<3 {
            try BackgroundThread.run {
                let group = try? RankGroup(ThreadTransport(rank: rank, of: 3, in: network)) { error in
                    errors.put((rank, error))
                    while true { _ = Mailbox<Void>().take(within: .seconds(1_000)) }
                }
                guard let group else { return }
                if rank == 2 { network.kill(2) } else { group.wait() }
            }
        }
        for _ in 0..<2 {
            let (_, error) = try #require(errors.take(within: .seconds(30)))
            guard case .silent(2, _, _) = error else {
                Issue.record("found \(error)")
                continue
            }
        }
    }

    @Test func `when mpirun ends the ranks, the first one that is alive names those that are not`() throws {
        final class Flag: Sendable { let isSet = Atomic(false) }
        let network = ThreadNetwork(), isEnding = Flag(), found = Mailbox<(Int, RankError?)>(), started = Mailbox<Void>()
        for rank in 0..<3 {
            try BackgroundThread.run {
                let group = try? RankGroup(
                    ThreadTransport(rank: rank, of: 3, in: network),
                    whenLost: { _ in while true { _ = Mailbox<Void>().take(within: .seconds(1_000)) } },
                    isEnding: { isEnding.isSet.load(ordering: .relaxed) }, answerTime: 3,
                    whenEnding: { if rank != 0 { found.put((rank, $0)) } })
                if rank == 0 { network.kill(0) }
                started.put(())
                group?.wait()
            }
        }
        for _ in 0..<3 { try #require(started.take(within: .seconds(20)) != nil) }
        isEnding.isSet.store(true, ordering: .relaxed)
        var errors: [Int: RankError?] = [:]
        for _ in 0..<2 {
            let (rank, error) = try #require(found.take(within: .seconds(20)))
            errors[rank] = error
        }
        let error = try #require(errors[1] ?? nil), host = try #require("\(error)".split(separator: " ").dropFirst(3).first)
        #expect("\(error)" == """
            rank 0 on \(host) has ended without a message: killed, crashed or out of memory. mpirun ends all ranks. The last checkpoint is \
            whole: start all ranks again with --resume.
            """)
        #expect(errors[2] == .some(nil), "one message is enough")
    }

    @Test func `when mpirun ends ranks that are all alive, none is named`() throws {
        let found = Mailbox<RankError?>()
        let network = ThreadNetwork()
        for rank in 0..<2 {
            try BackgroundThread.run {
                let group = try? RankGroup(
                    ThreadTransport(rank: rank, of: 2, in: network),
                    whenLost: { _ in while true { _ = Mailbox<Void>().take(within: .seconds(1_000)) } }, isEnding: { true }, answerTime: 3,
                    whenEnding: { found.put($0) })
                group?.wait()
                _ = Mailbox<Void>().take(within: .seconds(1_000))
            }
        }
        for _ in 0..<2 { #expect(try #require(found.take(within: .seconds(20))) == nil) }
    }
}
