import Infer
import JSON
import Secrets
import Store
import Synchronization
import Threads

/// This server among those that share its database: it sends heartbeats, knows the others, and does what they ask for.
///
///     let replicas = Replicas(settings, store, keyDigest: digest)
///     try replicas.start(name: "a:8000", actions)
///     replicas.servers                                         // with this one, as of the last heartbeats
///     replicas.stop()
///
/// Requests of other servers are rows of the database, such as a lease that shall stop. A notification (PostgreSQL) makes the servers
/// check at once; they check every half second anyway, because a notification may be lost and SQLite has none.
final class Replicas: Sendable {
    /// What the rest of the server does for this type.
    struct Actions: Sendable {
        var status: @Sendable (_ isAlone: Bool) -> ServerStatus
        /// Called after each heartbeat.
        var setOthers: @Sendable ([ServerRecord]) -> Void
        /// The running answers whose leases are stored.
        var leasedAnswers: @Sendable () -> [LeasedAnswer]
        /// Stops answers whose senders may no longer have them.
        var stopRevoked: @Sendable () throws -> Void
        var reload: @Sendable () -> Void
        /// Called when the registry of models has changed.
        var followRegistry: @Sendable () -> Void
    }

    struct LeasedAnswer: Sendable {
        let id: MessageID
        let ticket: AdmissionTicket
    }

    private struct State {
        var name = ""
        /// Set by `start`.
        var actions: Actions?
        var servers: [ServerRecord] = []
        /// The last request to reload the model: nil before the first heartbeat.
        var reload: String??
        /// The last change of the registry of models.
        var registry: String??
        /// Leases of answers that could not be stored.
        var endingLeases: [(lease: AnswerLease, conversation: ConversationID)] = []
    }

    static let interval = Duration.milliseconds(500)

    let id = ServerID()
    private let store: Store
    private let version, keyDigest: String
    private let startedAt = Timestamp.now()
    private let state = Mutex(State())
    private let heartbeats = PeriodicThread(every: interval * 2)
    /// A thread of its own, because checks may wait for locks in the database.
    private let checks = PeriodicThread(every: interval)

    init(_ settings: ServeSettings, _ store: Store, keyDigest: String) {
        self.store = store
        self.keyDigest = keyDigest
        version = settings.version
    }

    /// All servers that share the database and are alive, as of the last heartbeat.
    var servers: [ServerRecord] { state.withLock(\.servers) }
    /// The name of this server; empty before `start`.
    var name: String { state.withLock(\.name) }
    /// What this server would publish now.
    var currentStatus: ServerStatus? { state.withLock(\.actions)?.status(true) }
    /// Whether no other server shares the database.
    var isAlone: Bool { state.withLock { $0.servers.count <= 1 } }

    /// Registers this server. Throws if another one signs session tokens with another key.
    func start(name: String, _ actions: Actions) throws {
        try SigningKey.checkServers(of: store, have: keyDigest)
        let others = try store.register(id, name: name, version: version, keyDigest: keyDigest)
        if !others.isEmpty { throw SigningKeyError.differs(from: others) }
        state.withLock { state in
            state.name = name
            state.actions = actions
        }
        beat(actions)
        try heartbeats.start { [weak self] in { self?.beat(actions) } }
        try checks.start { [weak self] in
            var round = 0
            return {
                self?.checkAnswers(actions, isRecovering: round % 10 == 0)
                round += 1
            }
        }
        try BackgroundThread.run { [weak self, store, heartbeats] in
            while !heartbeats.isStopped {
                do {
                    guard let listener = try store.database.listener() else { return }
                    self?.wake()                                            // for what has changed before
                    while !heartbeats.isStopped { if try listener.wait(upTo: Self.interval) { self?.wake() } }
                } catch {
                    // The servers check without notifications in the meantime.
                    _ = Mailbox<Void>().take(within: Self.interval)
                }
            }
        }
    }

    deinit { for thread in [heartbeats, checks] { thread.stop(within: .zero) } }

    func stop() {
        // A heartbeat in progress would add the row again.
        for thread in [heartbeats, checks] { thread.stop(within: .seconds(2)) }
        // The actions hold the rest of the server, parts of which hold this object.
        state.withLock { $0.actions = nil }
        do { try store.unregister(id) } catch { Log.error("cannot remove this server from the list of servers: \(error)") }
    }

    /// Makes this server check at once which answers must stop. SQLite sends no notifications.
    func checkAnswersNow() { checks.wake() }

    /// Makes the next heartbeat find that the registry of models has changed.
    func forgetRegistry() { state.withLock { $0.registry = .some("") } }

    private func wake() {
        heartbeats.wake()
        checks.wake()
    }

    /// Ends a lease later, because the database could not end it now.
    func endLater(_ lease: AnswerLease, in conversation: ConversationID) {
        state.withLock { $0.endingLeases.append((lease, conversation)) }
    }

    private func beat(_ actions: Actions) {
        let name = state.withLock(\.name)
        do {
            let (servers, reload, registry) = try store.heartbeat(
                of: id, name: name, version: version, keyDigest: keyDigest, startedAt: startedAt, actions.status(isAlone))
            let reloads = state.withLock { state in
                defer { (state.reload, state.registry) = (.some(reload), .some(registry)) }
                state.servers = servers
                return (model: state.reload.map { $0 != reload } ?? false, registry: state.registry.map { $0 != registry } ?? false)
            }
            actions.setOthers(servers.filter { $0.id != id })
            if reloads.model { actions.reload() } else if reloads.registry { actions.followRegistry() }
        } catch {
            // The health check reports a database that does not respond.
        }
    }

    /// Stops answers that other servers have asked to stop, and those of revoked API keys. Recovers those of dead servers.
    private func checkAnswers(_ actions: Actions, isRecovering: Bool) {
        do {
            let ending = state.withLock { state in
                defer { state.endingLeases = [] }
                return state.endingLeases
            }
            for (lease, conversation) in ending {
                do { try store.end(lease, in: conversation) } catch { endLater(lease, in: conversation) }
            }
            // Only answers whose leases were taken before the database is asked.
            let running = actions.leasedAnswers()
            if !running.isEmpty {
                let continuing = try store.answersInProgress(on: id)
                for answer in running where !continuing.contains(answer.id) { answer.ticket.cancel() }
            }
            try actions.stopRevoked()
            if isRecovering { try store.recoverAnswersOfDeadServers() }
        } catch {
            // As above. The next round checks again.
        }
    }
}

/// The clients with answers, as servers publish them: {"account 5h1v…": [running, waiting]}.
extension [ClientKey: Admission.Load] {
    var json: String {
        return JSONWriter.text { object in
            for (client, load) in self {
                object.array(client.text) {
                    $0.integer(load.running)
                    $0.integer(load.waiting)
                }
            }
        }
    }

    /// Ignores what it does not understand: a server of a later version may have written it.
    init(json: String) {
        self.init()
        guard let members = try? JSONElement(parsing: Array(json.utf8)).members else { return }
        for (name, value) in members {
            guard let client = name.string.flatMap({ ClientKey(text: $0) }), let elements = value.elements else { continue }
            let numbers = elements.compactMap(\.integer)
            guard numbers.count >= 2 else { continue }
            self[client] = Admission.Load(running: Swift.max(0, numbers[0]), waiting: Swift.max(0, numbers[1]))
        }
    }
}
