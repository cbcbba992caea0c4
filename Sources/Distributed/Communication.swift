import Glibc
import Synchronization
import Threads

/// The thread that carries out the exchanges of a rank, and watches over the other ranks.
///
/// Every rank tells every other one once per second that it is alive, also while it computes. If nothing comes from a rank for seconds, or
/// if a rank reports an error, `whenLost` is called, which ends the process: the sums of a step need all ranks.
///
/// `@unchecked Sendable`: after `start`, only its thread uses what is not a mailbox or an atomic.
final class Communication: @unchecked Sendable {
    /// The seconds of silence after which a rank counts as lost.
    static let timeout = 8.0
    /// Operations in progress at the same time, each with memory for what it receives.
    private static let window = 4
    /// MPI counts the bytes of a message in 32 bits.
    private static let longestMessage = 1 << 30
    /// The default of ``answerTime``. mpirun kills a process one second after SIGTERM.
    static let defaultAnswerTime = 0.6
    /// How much longer the ranks that report nothing answer those that ask late.
    private static let lateAnswerTime = 0.2

    /// The seconds in which the others say that they are alive.
    private let answerTime: Double
    private let transport: any Transport
    private let hosts: [String]
    private let whenLost: @Sendable (RankError) -> Never
    private let isEnding: @Sendable () -> Bool
    private let whenEnding: @Sendable (RankError?) -> Void
    private let submitted = Mailbox<ExchangeOperation>()
    private let ended = Mailbox<Void>()
    private let isClosing = Atomic(false)
    private let failure = Mutex<String?>(nil)
    /// Whether a thread waits for an operation, and leaves its core to this one.
    let isAwaited = Atomic(false)

    private var active: [(operation: ExchangeOperation, requests: [any TransportRequest])] = []
    private var peers: [Int: Peer] = [:]
    private var nextLook = 0.0
    /// When the others were asked whether they are alive.
    private var askedAt: Double?
    private var hasAsked = false

    init(
        _ transport: any Transport, hosts: [String], whenLost: @escaping @Sendable (RankError) -> Never,
        isEnding: @escaping @Sendable () -> Bool, answerTime: Double, whenEnding: @escaping @Sendable (RankError?) -> Void
    ) {
        self.answerTime = answerTime
        self.isEnding = isEnding
        self.whenEnding = whenEnding
        self.transport = transport
        self.hosts = hosts
        self.whenLost = whenLost
    }

    func start() throws(ThreadError) { try BackgroundThread.run { [self] in run() } }

    func submit(_ operation: ExchangeOperation) { submitted.put(operation) }

    /// Tells the other ranks that this one ends with an error.
    func fail(_ reason: String) {
        failure.withLock { $0 = reason }
        _ = ended.take(within: .seconds(3))
    }

    /// Ends the communication, after the last operation of all ranks.
    func end() {
        isClosing.store(true, ordering: .releasing)
        ended.take()
    }

    private func run() {
        do throws(RankError) {
            for rank in 0..<transport.count where rank != transport.rank { peers[rank] = try Peer(rank, transport) }
            var idleSince = 0.0
            while true {
                let now = monotonicSeconds()
                try watch(now)
                if let reason = failure.withLock({ $0 }) { return try notifyOfFailure(reason) }
                if active.isEmpty, isClosing.load(ordering: .acquiring) { return close() }
                let hasBegun = try accept()
                let hasAdvanced = try advance()
                if hasBegun || hasAdvanced {
                    idleSince = now
                } else if !active.isEmpty {
                    pause(now - idleSince)
                }
            }
        } catch {
            whenLost(error)
        }
    }

    /// Begins operations. Waits for one if there is nothing else to do.
    private func accept() throws(RankError) -> Bool {
        if active.count == Self.window { return false }
        guard let operation = active.isEmpty ? submitted.take(within: .milliseconds(20)) : submitted.takeIfAvailable() else { return false }
        try begin(operation)
        return true
    }

    private func begin(_ operation: ExchangeOperation) throws(RankError) {
        while let (messages, tag) = operation.next() {
            var requests: [any TransportRequest] = []
            for message in messages.flatMap({ $0.parts(of: Self.longestMessage) }) {
                switch message.content {
                case .sent(let bytes): requests.append(try transport.send(bytes, to: message.peer, tag: tag))
                case .received(let bytes): requests.append(try transport.receive(bytes, from: message.peer, tag: tag))
                }
            }
            if requests.isEmpty { continue }
            active.append((operation, requests))
            return
        }
    }

    /// Whether a message has arrived.
    private func advance() throws(RankError) -> Bool {
        var hasChanged = false
        for i in active.indices.reversed() {
            var left: [any TransportRequest] = []
            for request in active[i].requests {
                if try !request.isDone() { left.append(request) }
            }
            if left.count < active[i].requests.count { hasChanged = true }
            active[i].requests = left
            if left.isEmpty { try begin(active.remove(at: i).operation) }
        }
        return hasChanged
    }

    /// Lets other threads compute. A thread that waits for the messages has a core to spare.
    private func pause(_ idleSeconds: Double) {
        if isAwaited.load(ordering: .relaxed), idleSeconds < 200e-6 { sched_yield() } else { usleep(50) }
    }

    private func watch(_ now: Double) throws(RankError) {
        if now < nextLook { return }
        nextLook = now + 0.05
        for (rank, peer) in peers {
            if now - peer.lastNotice >= 1 { try peer.notify(at: now) }
            if let reason = try peer.failure(now) { throw .failed(rank: rank, host: hosts[rank], reason: reason) }
            let silence = now - peer.lastHeard
            if silence > Self.timeout { throw .silent(rank: rank, host: hosts[rank], seconds: Int(silence)) }
        }
        lookForEndedRanks(now)
    }

    /// When mpirun ends this process: asks the others whether they are alive, and reports those that do not answer.
    private func lookForEndedRanks(_ now: Double) {
        if !hasAsked, isEnding() {
            hasAsked = true
            askedAt = now
            // A message to a rank that has ended may be an error.
            for peer in peers.values { try? peer.ask() }
        }
        guard let begin = askedAt, now - begin > answerTime else { return }
        let ended = peers.filter { $0.value.lastHeard <= begin }.keys.sorted()
        let isReporting = !ended.isEmpty && !peers.keys.contains { $0 < transport.rank && !ended.contains($0) }
        if !isReporting, now - begin <= answerTime + Self.lateAnswerTime { return }
        askedAt = nil
        whenEnding(isReporting ? .ended(ranks: ended, hosts: ended.map { hosts[$0] }) : nil)
    }

    private func notifyOfFailure(_ reason: String) throws(RankError) {
        for peer in peers.values { try peer.notify(ofFailure: reason) }
        let end = monotonicSeconds() + 1
        for peer in peers.values {
            while monotonicSeconds() < end {
                if try peer.hasSent() { break }
                usleep(1_000)
            }
        }
        // The messages of the others, which end too, may still arrive.
        usleep(100_000)
        ended.put(())
    }

    private func close() {
        transport.close(peers.values.map(\.receive))
        ended.put(())
    }
}

/// What one rank hears from another besides the data.
private final class Peer {
    /// Above all tags of operations.
    private static let tag = 8_000_001
    private static let size = 1_024

    private let rank: Int
    private let transport: any Transport
    private let incoming = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    private let outgoing = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    private(set) var receive: any TransportRequest
    private var sending: (any TransportRequest)?
    private(set) var lastHeard = monotonicSeconds()
    private(set) var lastNotice = 0.0
    /// A message that is to be answered at once.
    private static let question = "\u{5}"

    init(_ rank: Int, _ transport: any Transport) throws(RankError) {
        self.rank = rank
        self.transport = transport
        receive = try transport.receive(incoming, from: rank, tag: Self.tag)
    }

    deinit {
        incoming.deallocate()
        outgoing.deallocate()
    }

    /// Says that this rank is alive.
    func notify(at now: Double) throws(RankError) {
        lastNotice = now
        if try hasSent() { try send("") }
    }

    /// Asks the rank to say that it is alive.
    func ask() throws(RankError) {
        if try hasSent() { try send(Self.question) }
    }

    func notify(ofFailure reason: String) throws(RankError) {
        if try hasSent() { try send(reason) }
    }

    func hasSent() throws(RankError) -> Bool {
        guard let sending else { return true }
        return try sending.isDone()
    }

    /// The error that the rank reports; nil if there is none.
    func failure(_ now: Double) throws(RankError) -> String? {
        while try receive.isDone() {
            lastHeard = now
            let text = String(decoding: incoming.prefix { $0 != 0 }, as: UTF8.self)
            if !text.isEmpty, text != Self.question { return text }
            receive = try transport.receive(incoming, from: rank, tag: Self.tag)
            if text == Self.question { try notify(at: now) }
        }
        return nil
    }

    private func send(_ text: String) throws(RankError) {
        outgoing.initializeMemory(as: UInt8.self, repeating: 0)
        outgoing.copyBytes(from: text.utf8.prefix(Self.size - 1))
        sending = try transport.send(UnsafeRawBufferPointer(outgoing), to: rank, tag: Self.tag)
    }
}

func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
