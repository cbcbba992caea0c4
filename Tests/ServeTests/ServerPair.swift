import Infer
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Two servers that share a database and a signing key, as behind a load balancer. Both know each other.
final class ServerPair {
    let first, second: TestServer
    let url: String
    private let folder = TemporaryFolder(in: TemporaryFolder.inMemory)

    /// - Parameters:
    ///   - backend: The model of the first server. The second one has a model that answers at once.
    ///   - next: The model of both after they were asked to reload.
    init(
        _ isSQLite: Bool, _ backend: any ChatBackend = ScriptedBackend(), next: (any ChatBackend)? = nil, collecting: Bool = false,
        with change: (inout ServeSettings) -> Void = { _ in }
    ) throws {
        url = isSQLite ? "sqlite:" + folder("chats.db") : try PostgresServer.shared.get().freshSchemaURL()
        let (url, key) = (url, try SigningKey(validating: SigningKey.generate(), source: "a test"))
        func server(_ backend: any ChatBackend) throws -> TestServer {
            try TestServer(backend, next: next, collecting: collecting, database: url, signingKey: key, store: .with { options in
                options.timeout = .seconds(60)
                // Other tests may keep the threads that send heartbeats waiting.
                options.leaseTime = .seconds(60)
            }) { settings in
                settings.adminKey = Self.adminKey
                change(&settings)
            }
        }
        first = try server(backend)
        second = try server(ScriptedBackend())
        for server in [first, second] {
            try eventually { try server.connect().ask("GET", "/api/health")?.json()["servers"]?.integer == 2 }
        }
    }

    static let adminKey = "the owner's key"
    static let admin = ["X-Admin-Key": adminKey]
}
