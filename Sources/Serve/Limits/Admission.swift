package import Infer
import Synchronization
import Threads

/// Decides when each answer may start: a fair queue in front of a fixed number of slots.
///
///     let ticket = try admission.enter(client.key)             // throws if the client has too many requests, or the queue is full
///     ticket.start({ try? backend.start(request) { … } }, onCancel: { … })
///     ticket.leave()                                           // when the answer has ended
///
/// A free slot goes to the client with the fewest running answers, and among those to the one that was given a slot the longest time ago.
/// So a client that requests fifty answers does not delay one that requests a single answer.
///
/// One client may use all slots while no other client waits. If another client waits, an answer of the client with the most running answers
/// pauses at its next token, as long as this makes their numbers more equal, and continues when a slot is free. If the backend cannot
/// pause answers, a client gets only its share of the slots, even if others are free.
///
/// Each of several servers that share a database has its own queue. The answers of a client on the others count (`setElsewhere`).
///
/// `LocalBackend` serves its slots in the order of arrival. Give it as many slots as this queue, and no request waits there.
package final class Admission: Sendable {
    package struct Limits: Sendable {
        /// Answers that run at the same time.
        package var slots: Int
        package var maxWaiting: Int
        /// Running and waiting answers of one client.
        package var perClient: Int
        /// Running answers of one client, if answers cannot pause.
        package var share: Int
        /// Whether the handles of answers can pause them.
        package var canPause: @Sendable () -> Bool

        package init(
            slots: Int = 16,
            maxWaiting: Int = 64,
            perClient: Int = 4,
            share: Int = .max,
            canPause: @escaping @Sendable () -> Bool = { true }
        ) {
            self.slots = slots
            self.maxWaiting = maxWaiting
            self.perClient = perClient
            self.share = share
            self.canPause = canPause
        }
    }

    package enum Rejection: Error, Equatable {
        /// The client already has this many answers, running or waiting.
        case tooManyForClient(active: Int)
        case queueFull(waiting: Int)
        case closed
    }

    package struct Load: Sendable, Equatable {
        package let running: Int
        package let waiting: Int

        package init(running: Int, waiting: Int) {
            self.running = running
            self.waiting = waiting
        }
    }

    private let limits: Limits
    private let startLater: @Sendable (@escaping @Sendable () -> Void) -> Void
    private let queue = Mutex(AdmissionQueue())

    /// - Parameter startLater: Starts an answer that has waited. Called on the thread that freed the slot, which has other things to do, so
    ///   it should run its argument on another thread.
    package init(_ limits: Limits, startLater: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
        let arePositive = limits.slots > 0 && limits.perClient > 0 && limits.maxWaiting >= 0 && limits.share > 0
        precondition(arePositive, "expected positive limits, found \(limits)")
        self.limits = limits
        self.startLater = startLater
    }

    package var load: Load { queue.withLock { Load(running: $0.runningCount, waiting: $0.waitingCount) } }
    package var isIdle: Bool { load == Load(running: 0, waiting: 0) }

    /// The running and waiting answers of each client.
    package var loads: [ClientKey: Load] { queue.withLock { $0.loads } }

    /// Sets what clients have running and waiting on other servers.
    package func setElsewhere(_ loads: [ClientKey: Load]) { queue.withLock { $0.elsewhere = loads } }

    /// Takes a free slot or a place in the queue. The caller must `start` the ticket or make it `leave`.
    package func enter(_ client: ClientKey) throws(Rejection) -> AdmissionTicket {
        let entered = queue.withLock { $0.enter(client, limits) }
        return AdmissionTicket(self, client, try entered.get())
    }

    /// Enters `count` times, or not at all.
    package func enter(_ client: ClientKey, count: Int) throws(Rejection) -> [AdmissionTicket] {
        var tickets: [AdmissionTicket] = []
        do throws(Rejection) {
            for _ in 0..<count { tickets.append(try enter(client)) }
        } catch {
            for ticket in tickets { ticket.leave() }
            throw error
        }
        return tickets
    }

    /// Rejects everything from now on.
    package func close() { queue.withLock { $0.isClosed = true } }
    package var isClosed: Bool { queue.withLock(\.isClosed) }

    /// Cancels all answers, running and waiting.
    package func cancelAll() {
        for id in queue.withLock({ Array($0.entries.keys) }) { cancel(id) }
    }

    fileprivate func start(_ id: Int, _ job: AdmissionQueue.Job) {
        switch queue.withLock({ $0.submit(job, for: id) }) {
        case .start: run(job, id)
        case .wait:
            guard let (paused, next) = queue.withLock({ $0.preempt(for: id, limits) }) else { return }
            paused.pause()
            if let next { begin(next) }
        case .canceled:
            leave(id)
            job.onCancel()
        }
    }

    private func begin(_ next: AdmissionQueue.Next) {
        switch next {
        case .start(let id, let job): run(job, id)
        case .resume(let handle): handle.resume()
        }
    }

    private func run(_ job: AdmissionQueue.Job, _ id: Int) {
        guard let handle = job.start() else { return }
        if queue.withLock({ $0.didStart(id, handle) }) { handle.cancel() }
    }

    fileprivate func cancel(_ id: Int) {
        switch queue.withLock({ $0.cancel(id) }) {
        case .none: break
        case .handle(let handle): handle.cancel()
        case .waiting(let job): job.onCancel()
        }
    }

    fileprivate func leave(_ id: Int) {
        let next = queue.withLock { queue in
            queue.remove(id)
            return queue.admitNext(limits)
        }
        if let next { startLater { self.begin(next) } }
    }
}

/// The right of one request to one answer: a place in the queue, then a slot.
package final class AdmissionTicket: Sendable {
    package let client: ClientKey
    private let admission: Admission
    private let id: Int
    private let entered = ContinuousClock.now

    fileprivate init(_ admission: Admission, _ client: ClientKey, _ id: Int) {
        self.client = client
        self.admission = admission
        self.id = id
    }

    /// The time since it entered.
    var seconds: Double { (ContinuousClock.now - entered).inSeconds }

    /// Starts the answer: now if there is a slot, otherwise later, on a thread of `startLater`.
    ///
    /// - Parameters:
    ///   - start: Returns what `cancel` cancels; nil if the answer could not start.
    ///   - onCancel: Called instead of `start` if the ticket is canceled before. The ticket has left by then.
    package func start(_ start: @escaping @Sendable () -> (any GenerationHandle)?, onCancel: @escaping @Sendable () -> Void) {
        admission.start(id, AdmissionQueue.Job(start: start, onCancel: onCancel))
    }

    /// Cancels the answer, or makes a waiting one never start.
    package func cancel() { admission.cancel(id) }

    /// Frees the slot or the place in the queue. A second call does nothing.
    package func leave() { admission.leave(id) }
}

/// The state of `Admission`.
private struct AdmissionQueue {
    struct Job: Sendable {
        let start: @Sendable () -> (any GenerationHandle)?
        let onCancel: @Sendable () -> Void
    }

    struct Entry {
        let client: ClientKey
        var hasSlot: Bool
        var isCancelled = false
        /// Set while it waits for its first slot.
        var job: Job?
        /// Set once it has started. An entry that has started and waits is paused.
        var handle: (any GenerationHandle)?
    }

    var entries: [Int: Entry] = [:]
    var isClosed = false
    var elsewhere: [ClientKey: Admission.Load] = [:]
    private(set) var runningCount = 0
    private(set) var waitingCount = 0
    private var nextID = 0
    private var running: [ClientKey: Int] = [:]
    /// The waiting entries of each client, the first one first.
    private var waiting: [ClientKey: [Int]] = [:]
    /// The clients that wait, in the order in which they began to.
    private var waitingClients: [ClientKey] = []
    /// Counts slots that were given, to order clients by their last slot.
    private var slotsGiven = 0
    /// Also of clients that have left, so that one that comes back does not count as new.
    private var lastGiven = BoundedCache<ClientKey, Int>(capacity: 4_096)

    mutating func enter(_ client: ClientKey, _ limits: Admission.Limits) -> Result<Int, Admission.Rejection> {
        if isClosed { return .failure(.closed) }
        let other = elsewhere[client].map { $0.running + $0.waiting } ?? 0
        let active = running[client, default: 0] + (waiting[client]?.count ?? 0) + other
        if active >= limits.perClient { return .failure(.tooManyForClient(active: active)) }
        let isFree = runningCount < limits.slots && mayRun(client, limits)
        if !isFree, waitingCount >= limits.maxWaiting { return .failure(.queueFull(waiting: waitingCount)) }
        let id = nextID
        nextID += 1
        entries[id] = Entry(client: client, hasSlot: false)
        if isFree {
            giveSlot(to: id)
        } else {
            addWaiting(id, of: client)
        }
        return .success(id)
    }

    var loads: [ClientKey: Admission.Load] {
        Set(running.keys).union(waiting.keys).reduce(into: [:]) { loads, client in
            loads[client] = Admission.Load(running: running[client] ?? 0, waiting: waiting[client]?.count ?? 0)
        }
    }

    /// The running answers of a client on all servers.
    private func totalRunning(of client: ClientKey) -> Int { (running[client] ?? 0) + (elsewhere[client]?.running ?? 0) }

    private func mayRun(_ client: ClientKey, _ limits: Admission.Limits) -> Bool {
        limits.canPause() || running[client, default: 0] < limits.share
    }

    private mutating func addWaiting(_ id: Int, of client: ClientKey, atFront isFirst: Bool = false) {
        if waiting[client] == nil { waitingClients.append(client) }
        waiting[client, default: []].insert(id, at: isFirst ? 0 : waiting[client, default: []].count)
        waitingCount += 1
    }

    private mutating func giveSlot(to id: Int) {
        guard let client = entries[id]?.client else { return }
        entries[id]?.hasSlot = true
        running[client, default: 0] += 1
        runningCount += 1
        slotsGiven += 1
        lastGiven.set(client, to: slotsGiven)
    }

    enum Submission { case start, wait, canceled }

    mutating func submit(_ job: Job, for id: Int) -> Submission {
        guard let entry = entries[id], !entry.isCancelled else { return .canceled }
        if entry.hasSlot { return .start }
        entries[id]?.job = job
        return .wait
    }

    /// Takes the slot of an answer of the client with the most running answers, for a waiting entry of a client with at least two less.
    ///
    /// - Returns: The answer to pause, and what to begin instead.
    mutating func preempt(for id: Int, _ limits: Admission.Limits) -> (paused: any GenerationHandle, next: Next?)? {
        guard let client = entries[id]?.client, runningCount >= limits.slots,
              let most = running.max(by: { totalRunning(of: $0.key) < totalRunning(of: $1.key) }),
              totalRunning(of: most.key) - totalRunning(of: client) >= 2 else { return nil }
        let candidates = entries.filter { _, entry in
            entry.client == most.key && entry.hasSlot && !entry.isCancelled && entry.handle?.canPause ?? false
        }
        // The newest one has the least to lose.
        guard let last = candidates.keys.max(), let handle = entries[last]?.handle else { return nil }
        entries[last]?.hasSlot = false
        running[most.key] = most.value - 1
        runningCount -= 1
        addWaiting(last, of: most.key, atFront: true)
        return (handle, admitNext(limits))
    }

    /// - Returns: Whether it was canceled while it started.
    mutating func didStart(_ id: Int, _ handle: any GenerationHandle) -> Bool {
        entries[id]?.handle = handle
        return entries[id]?.isCancelled ?? false
    }

    enum Cancellation { case none, handle(any GenerationHandle), waiting(Job) }

    mutating func cancel(_ id: Int) -> Cancellation {
        guard let entry = entries[id] else { return .none }
        entries[id]?.isCancelled = true
        if let handle = entry.handle { return .handle(handle) }
        // An entry that has submitted nothing yet is canceled when it does.
        guard let job = entry.job else { return .none }
        remove(id)
        return .waiting(job)
    }

    mutating func remove(_ id: Int) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        let client = entry.client
        if entry.hasSlot {
            runningCount -= 1
            running[client] = running[client].flatMap { $0 > 1 ? $0 - 1 : nil }
        } else {
            removeWaiting(id, of: client)
        }
    }

    /// Gives a free slot to the next waiting entry.
    ///
    /// - Returns: The job to start, if the entry has submitted it, or the answer that continues.
    mutating func admitNext(_ limits: Admission.Limits) -> Next? {
        let clients = waitingClients.filter { mayRun($0, limits) }
        guard runningCount < limits.slots,
              let client = clients.min(by: { priority(of: $0) < priority(of: $1) }),
              let id = waiting[client]?.first else { return nil }
        removeWaiting(id, of: client)
        giveSlot(to: id)
        if let paused = entries[id]?.handle { return .resume(paused) }
        defer { entries[id]?.job = nil }
        return entries[id]?.job.map { .start(id, $0) }
    }

    /// What the owner of a slot does with it.
    enum Next { case start(Int, Job), resume(any GenerationHandle) }

    /// The lowest is next.
    private func priority(of client: ClientKey) -> (running: Int, lastGiven: Int) {
        (totalRunning(of: client), lastGiven[client] ?? 0)
    }

    private mutating func removeWaiting(_ id: Int, of client: ClientKey) {
        guard var ids = waiting[client], let index = ids.firstIndex(of: id) else { return }
        ids.remove(at: index)
        waitingCount -= 1
        waiting[client] = ids.isEmpty ? nil : ids
        if ids.isEmpty { waitingClients.removeAll { $0 == client } }
    }
}
