import Glibc
package import Kernels
import Synchronization
import Threads

/// The processes that train one model together, as `mpirun` started them. Each is a rank, numbered from 0.
///
///     let ranks = try RankGroup(MPITransport(whenLost: end), whenLost: end)
///     let losses = ranks.gather(loss)                          // those of all ranks, in order
///     ranks.end()
///
/// All ranks call the same methods in the same order. A method returns when the messages of this rank have arrived. If a rank is lost, no
/// method returns: `whenLost` ends the process, because what the others compute is of no use without it.
///
/// `@unchecked Sendable`: one thread calls the methods, except for `fail`, which may be called by any.
package final class RankGroup: @unchecked Sendable {
    package let rank, count: Int
    /// The host name of each rank.
    package let hosts: [String]
    /// The seconds that this rank has waited for messages of others.
    package private(set) var waitedSeconds = 0.0
    private let communication: Communication
    private var operations = 0

    /// - Parameters:
    ///   - whenLost: Called on another thread if a rank does not respond any more, or has ended with an error.
    ///   - isEnding: Whether mpirun is about to end this process. Asked several times a second, until it is true.
    ///   - answerTime: The seconds in which the other ranks say that they are alive; by default what mpirun leaves.
    ///   - whenEnding: Called then, after the other ranks were asked whether they are alive: with the error for the ranks that are not, on
    ///     the first of those that are; else with nil.
    package init(
        _ transport: any Transport, whenLost: @escaping @Sendable (RankError) -> Never,
        isEnding: @escaping @Sendable () -> Bool = { false }, answerTime: Double? = nil,
        whenEnding: @escaping @Sendable (RankError?) -> Void = { _ in }
    ) throws {
        rank = transport.rank
        count = transport.count
        hosts = try Self.exchangeHosts(transport)
        communication = Communication(
            transport, hosts: hosts, whenLost: whenLost, isEnding: isEnding, answerTime: answerTime ?? Communication.defaultAnswerTime,
            whenEnding: whenEnding)
        try communication.start()
    }

    package var isFirst: Bool { rank == 0 }

    /// The ranks on the machine of this one.
    package var ranksOnThisHost: Int { hosts.filter { $0 == hosts[rank] }.count }

    package var isFirstOnThisHost: Bool { hosts.firstIndex(of: hosts[rank]) == rank }

    /// Tells the other ranks that this one ends with an error.
    package func fail(_ reason: String) { communication.fail(reason) }

    /// Ends the communication when all ranks have called this.
    package func end() {
        wait()
        communication.end()
    }

    /// The first messages, before there are host names for errors.
    private static func exchangeHosts(_ transport: any Transport) throws(RankError) -> [String] {
        let size = 256, all = UnsafeMutableRawBufferPointer.allocate(byteCount: size * transport.count, alignment: 8)
        defer { all.deallocate() }
        all.initializeMemory(as: UInt8.self, repeating: 0)
        func place(of rank: Int) -> UnsafeMutableRawBufferPointer { .init(rebasing: all[rank * size..<(rank + 1) * size]) }
        if let name = place(of: transport.rank).baseAddress { gethostname(name.assumingMemoryBound(to: CChar.self), size - 1) }
        var requests: [any TransportRequest] = []
        for peer in 0..<transport.count where peer != transport.rank {
            requests.append(try transport.receive(place(of: peer), from: peer, tag: 0))
            requests.append(try transport.send(UnsafeRawBufferPointer(place(of: transport.rank)), to: peer, tag: 0))
        }
        let end = monotonicSeconds() + Communication.timeout
        for request in requests {
            while try !request.isDone() {
                if monotonicSeconds() > end { throw .notStarted(seconds: Int(Communication.timeout)) }
                usleep(100)
            }
        }
        return (0..<transport.count).map { rank in String(decoding: place(of: rank).prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension RankGroup {
    /// Begins an exchange. Returns what waits for its end.
    ///
    /// - Parameter stages: See ``ExchangeOperation``.
    func begin(_ stages: [() -> [RankMessage]]) -> PendingExchange {
        operations += 1
        let done = Mailbox<Void>()
        communication.submit(ExchangeOperation(number: operations, stages: stages) { done.put(()) })
        return PendingExchange(done)
    }

    package func wait(for exchange: PendingExchange) {
        let begin = monotonicSeconds()
        communication.isAwaited.store(true, ordering: .relaxed)
        exchange.done.take()
        communication.isAwaited.store(false, ordering: .relaxed)
        waitedSeconds += monotonicSeconds() - begin
    }
}

/// An exchange in progress.
package struct PendingExchange: Sendable {
    let done: Mailbox<Void>

    init(_ done: Mailbox<Void>) { self.done = done }
}

// Small data.
extension RankGroup {
    /// The bytes that each rank passes.
    package func gather(_ bytes: [UInt8]) -> [[UInt8]] {
        let memory = GatherMemory(bytes, rank: rank, count: count)
        let peers = (0..<count).filter { $0 != rank }
        wait(for: begin([
            { peers.flatMap { [.from($0, memory.length(of: $0)), .to($0, UnsafeRawBufferPointer(memory.length(of: memory.rank)))] } },
            {
                memory.allocateContents()
                return peers.flatMap { [.from($0, memory.contents[$0]), .to($0, UnsafeRawBufferPointer(memory.contents[memory.rank]))] }
            },
        ]))
        return memory.contents.map { Array($0) }
    }

    /// The numbers that each rank passes.
    package func gather<Number: BitwiseCopyable>(_ numbers: [Number]) -> [[Number]] {
        gather(numbers.withUnsafeBytes { Array($0) }).map { bytes in
            bytes.withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count, by: MemoryLayout<Number>.stride).map {
                    bytes.loadUnaligned(fromByteOffset: $0, as: Number.self)
                }
            }
        }
    }

    /// The number that rank 0 passes.
    package func fromFirst(_ number: Double) -> Double { gather([number])[0][0] }

    package func fromFirst(_ text: String) -> String { String(decoding: gather(isFirst ? Array(text.utf8) : [])[0], as: UTF8.self) }

    /// Whether any rank passes true.
    package func any(_ flag: Bool) -> Bool { gather([flag ? 1 : 0] as [UInt8]).contains { $0[0] == 1 } }

    /// Waits until all ranks call this.
    package func wait() { _ = gather([UInt8]()) }

    /// Throws on all ranks if one has another value than rank 0.
    package func check(_ values: [(name: String, value: String)]) throws(RankError) {
        for (name, value) in values {
            let all = gather(Array(value.utf8)).map { String(decoding: $0, as: UTF8.self) }
            if let other = all.firstIndex(where: { $0 != all[0] }) {
                throw .different(name: name, rank: other, host: hosts[other], found: all[other], expected: all[0])
            }
        }
    }
}

/// The memory of a gather, which lives as long as the exchange.
private final class GatherMemory {
    let rank: Int
    private(set) var contents: [UnsafeMutableRawBufferPointer] = []
    private let lengths: UnsafeMutableBufferPointer<UInt64>
    private let own: [UInt8]

    init(_ bytes: [UInt8], rank: Int, count: Int) {
        self.rank = rank
        own = bytes
        lengths = .allocate(capacity: count)
        lengths.initialize(repeating: 0)
        lengths[rank] = UInt64(bytes.count)
    }

    deinit {
        lengths.deallocate()
        for memory in contents { memory.deallocate() }
    }

    func length(of rank: Int) -> UnsafeMutableRawBufferPointer { .init(UnsafeMutableBufferPointer(rebasing: lengths[rank...rank])) }

    func allocateContents() {
        contents = lengths.map { .allocate(byteCount: Int($0), alignment: 8) }
        contents[rank].copyBytes(from: own)
    }
}

// Buffers.
extension RankGroup {
    /// The elements of a piece of the gradients or of another large buffer: large enough for few messages, small enough that sums begin
    /// early.
    package static let pieceLength = 1 << 20

    /// Replaces the elements of a buffer by those of rank 0.
    package func broadcast(_ buffer: Buffer) {
        for start in stride(from: 0, to: buffer.count, by: Self.pieceLength) {
            let piece = buffer[start..<min(start + Self.pieceLength, buffer.count)].memory
            let peers = 1..<count, isFirst = isFirst
            wait(for: begin([{ isFirst ? peers.map { .to($0, UnsafeRawBufferPointer(piece)) } : [.from(0, piece)] }]))
        }
    }
}
