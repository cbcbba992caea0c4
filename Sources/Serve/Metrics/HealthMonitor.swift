import Infer
import JSON
import Store
import Synchronization
import Threads

/// Checks every few seconds whether the model and the database answer.
///
///     let monitor = HealthMonitor(HealthMonitor.Settings(), models, store)
///     try monitor.start()
///     monitor.status.isReady
package final class HealthMonitor: Sendable {
    package struct Settings: Sendable {
        package var interval = Duration.seconds(3)
        /// A check without a result after this time has failed.
        package var timeout = Duration.seconds(6)
    }

    struct Status: Sendable, Equatable {
        let model: Probe.Result
        let engine: Probe.Result
        let database: Probe.Result

        private var results: [(name: String, result: Probe.Result)] { [("model", model), ("engine", engine), ("database", database)] }

        var isReady: Bool { checks.allSatisfy(\.isOK) }
        var checks: [(name: String, isOK: Bool)] { results.map { ($0.name, $0.result == .ok) } }

        func write(to object: inout JSONWriter) {
            for (name, result) in results { object[name] = result.rawValue }
        }
    }

    private let settings: Settings
    private let models: ModelHolder
    private let store: Store
    private let engine = Probe()
    private let database = Probe()
    private let handingOver = Atomic(false)
    private let thread: PeriodicThread

    init(_ settings: Settings, _ models: ModelHolder, _ store: Store) {
        self.settings = settings
        self.models = models
        self.store = store
        thread = PeriodicThread(every: settings.interval)
    }

    func start() throws(ThreadError) { try thread.start { [weak self] in { self?.checkAll() } } }
    func stop() { thread.stop() }
    deinit { thread.stop(within: .zero) }

    /// Whether load balancers should choose another server, although this one still serves requests.
    var isHandingOver: Bool { handingOver.load(ordering: .relaxed) }
    func beginHandover() { handingOver.store(true, ordering: .relaxed) }

    /// The state as of the last checks.
    var status: Status {
        guard let model = models.current else {
            return Status(model: .loading, engine: .loading, database: database.result(after: settings.timeout))
        }
        // A model that was loaded a moment ago is checked with the next interval.
        let isChecked = engine.subject == ObjectIdentifier(model.backend)
        return Status(
            model: .ok,
            engine: isChecked ? engine.result(after: settings.timeout) : .ok,
            database: database.result(after: settings.timeout))
    }

    private func checkAll() {
        if let backend = models.current?.backend {
            engine.begin(of: ObjectIdentifier(backend)) { completion in backend.probe(completion) }
        }
        // A thread of its own: the database may block for longer than the interval.
        database.begin(of: ObjectIdentifier(store)) { [store] completion in
            do throws(ThreadError) {
                try BackgroundThread.run { completion((try? store.ping()) != nil) }
            } catch {
                completion(false)
            }
        }
    }
}

/// A check that is repeated and may hang.
final class Probe: Sendable {
    enum Result: String, Sendable {
        case ok
        /// There is no result yet.
        case loading
        case failing
    }

    private struct State {
        /// When the check in progress began.
        var began: ContinuousClock.Instant?
        /// What is checked.
        var subject: ObjectIdentifier?
        var works: Bool?
    }

    private let state = Mutex(State())

    var subject: ObjectIdentifier? { state.withLock(\.subject) }

    func result(after timeout: Duration) -> Result {
        state.withLock { state in
            if let began = state.began, began + timeout < .now { return .failing }
            return state.works.map { $0 ? .ok : .failing } ?? .loading
        }
    }

    /// Begins a check, unless one of the same subject is in progress.
    func begin(of subject: ObjectIdentifier, _ check: (@escaping @Sendable (_ works: Bool) -> Void) -> Void) {
        let begins = state.withLock { state in
            if state.subject == subject, state.began != nil { return false }
            if state.subject != subject { state = State(subject: subject) }
            state.began = .now
            return true
        }
        guard begins else { return }
        check { works in
            self.state.withLock { state in
                // The result of an earlier subject comes too late.
                guard state.subject == subject else { return }
                state.began = nil
                state.works = works
            }
        }
    }
}
