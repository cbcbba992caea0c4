import Glibc
import Infer
import JSON
import Serve
import Store
import Synchronization
import TestSupport
import Testing
import Tokenize

/// Readiness: what a load balancer asks.
@Suite struct HealthTests {
    /// A backend whose probes can be made to hang or to fail.
    private final class ProbedBackend: ChatBackend {
        enum Behavior: Int { case works, hangs, fails }

        let name = "probed"
        let context: Int? = 64
        private let backend = ScriptedBackend()
        private let behavior = Mutex(Behavior.works)
        let probes = AtomicCounter()

        func set(_ new: Behavior) { behavior.withLock { $0 = new } }

        func start(
            _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
        ) throws(GenerationError) -> any GenerationHandle { try backend.start(request, deliver: deliver) }

        func probe(_ completion: @escaping @Sendable (Bool) -> Void) {
            probes.increment()
            switch behavior.withLock({ $0 }) {
            case .works: completion(true)
            case .hangs: break
            case .fails: completion(false)
            }
        }
    }

    private func check(_ server: TestServer) throws -> (status: Int, engine: String?, database: String?) {
        let answer = try #require(try server.connect().ask("GET", "/api/ready"))
        let checks = try answer.json()["checks"]
        return (answer.status, checks?["engine"]?.string, checks?["database"]?.string)
    }

    @Test func `a hung engine and a lost backend are seen, and the server stays alive`() throws {
        let backend = ProbedBackend()
        let server = try TestServer(backend) {
            $0.health.interval = .milliseconds(20)
            $0.health.timeout = .milliseconds(200)
        }
        try eventually { try check(server) == (200, "ok", "ok") }
        backend.set(.fails)
        try eventually { try check(server) == (503, "failing", "ok") }
        backend.set(.works)
        try eventually { try check(server) == (200, "ok", "ok") }
        backend.set(.hangs)
        try eventually { try check(server) == (503, "failing", "ok") }
        let ready = try #require(try server.connect().ask("GET", "/api/ready"))
        #expect(try ready.json()["status"]?.string == "failing" && ready.headers["retry-after"] != nil)
        #expect(try server.connect().ask("GET", "/api/health")?.status == 200)
    }

    @Test func `a watchdog restarts a server whose own engine hangs, not one whose backend is lost`() throws {
        let tokenizer = try Tokenizer(SampleCheckpoint.vocabulary)
        let info = ModelInfo(name: "local", context: 64, tokenizer, try ChatRenderer(.specialTokens, for: tokenizer))
        for modelInfo in [info, nil] {
            let backend = ProbedBackend(), server = try TestServer(backend, modelInfo: modelInfo) { $0.health.interval = .milliseconds(20) }
            try eventually { try check(server).engine == "ok" }
            #expect(server.server.isResponsive)
            backend.set(.fails)
            try eventually { try check(server).engine == "failing" }
            #expect(server.server.isResponsive == (modelInfo == nil))
        }
    }

    @Test func `a server that has stopped checks nothing`() throws {
        let backend = ProbedBackend(), server = try TestServer(backend) { $0.health.interval = .milliseconds(1) }
        try eventually { backend.probes.value > 2 }
        server.server.stop(within: .zero)
        // A check that had begun may still end.
        var counts: [Int] = []
        try eventually {
            counts.append(backend.probes.value)
            usleep(500_000)
            return backend.probes.value == counts.last
        }
        #expect(counts.count <= 3, "\(counts)")
    }

    @Test func `by default a hung engine is seen within ten seconds`() {
        let settings = ServeSettings().health
        #expect(settings.interval + settings.timeout < .seconds(10))
    }

    @Test func `a database that does not answer is seen`() throws {
        let server = try TestServer {
            $0.health.interval = .milliseconds(20)
            $0.health.timeout = .milliseconds(200)
        }
        try eventually { try check(server) == (200, "ok", "ok") }
        unlink(server.folder("chats.db"))
        mkdir(server.folder("chats.db"), 0o700)
        try eventually {
            server.store.close()                                 // the next check opens a new connection
            return try check(server) == (503, "ok", "failing")
        }
    }

    @Test func `the thread that runs a model answers probes`() throws {
        let answered = AtomicCounter()
        let backend = try LocalBackend(of: OneSentenceModel.checkpoint())
        backend.probe { if $0 { answered.increment() } }
        try eventually { answered.value == 1 }
    }
}
