package import Distributed
import Synchronization
import Threads

/// Ranks that are threads of this process: what MPI does for processes.
package final class ThreadNetwork: Sendable {
    fileprivate struct Key: Hashable {
        let from, to, tag: Int
    }

    fileprivate let messages = Mutex<[Key: [[UInt8]]]>([:])
    /// The number of receives so far: the n-th one gets the n-th message, in whichever order they are tested.
    fileprivate let receives = Mutex<[Key: Int]>([:])
    /// Ranks that send nothing any more, as if they had been killed.
    private let dead = Mutex<Set<Int>>([])

    package init() {}

    package func kill(_ rank: Int) { dead.withLock { _ = $0.insert(rank) } }
    fileprivate func isDead(_ rank: Int) -> Bool { dead.withLock { $0.contains(rank) } }
}

package final class ThreadTransport: Transport {
    package let rank, count: Int
    private let network: ThreadNetwork

    package init(rank: Int, of count: Int, in network: ThreadNetwork) {
        self.rank = rank
        self.count = count
        self.network = network
    }

    package func send(_ bytes: UnsafeRawBufferPointer, to peer: Int, tag: Int) throws(RankError) -> any TransportRequest {
        let message = Array(bytes)
        if !network.isDead(rank) {
            network.messages.withLock { $0[.init(from: rank, to: peer, tag: tag), default: []].append(message) }
        }
        return ThreadRequest { true }
    }

    package func receive(_ bytes: UnsafeMutableRawBufferPointer, from peer: Int, tag: Int) throws(RankError) -> any TransportRequest {
        let key = ThreadNetwork.Key(from: peer, to: rank, tag: tag)
        let network = network
        let index = network.receives.withLock { receives in
            defer { receives[key, default: 0] += 1 }
            return receives[key, default: 0]
        }
        return ThreadRequest {
            let message = network.messages.withLock { messages in
                messages[key].flatMap { index < $0.count ? $0[index] : nil }
            }
            guard let message else { return false }
            bytes.copyBytes(from: message)
            return true
        }
    }

    package func close(_ pending: [any TransportRequest]) {}
}

/// Runs `body` on threads that are the ranks of a group. Returns what each one returns.
package func withRanks<Result: Sendable>(
    _ count: Int, in network: ThreadNetwork = ThreadNetwork(), _ body: @escaping @Sendable (RankGroup) -> Result
) throws -> [Result] {
    let results = Mailbox<(Int, Result)>()
    for rank in 0..<count {
        try BackgroundThread.run {
            do {
                let group = try RankGroup(ThreadTransport(rank: rank, of: count, in: network)) { fatalError("\($0)") }
                let result = body(group)
                group.end()
                results.put((rank, result))
            } catch {
                fatalError("\(error)")
            }
        }
    }
    return (0..<count).map { _ in results.take() }.sorted { $0.0 < $1.0 }.map(\.1)
}

private final class ThreadRequest: TransportRequest {
    private var hasEnded = false
    private let test: () -> Bool

    init(_ test: @escaping () -> Bool) { self.test = test }

    func isDone() throws(RankError) -> Bool {
        if !hasEnded { hasEnded = test() }
        return hasEnded
    }
}
