import HTTPServer
import JSON
import Secrets
import Store

/// Keys with which programs speak for an account.
extension App {
    static var keyRoutes: [Route] {
        [Route("GET", "/api/keys", for: .accounts) { try $0.keys($1) },
         Route("POST", "/api/keys", for: .accounts) { try $0.makeKey($1) },
         Route("DELETE", "/api/keys/{id}", for: .accounts) { app, call in
             try app.store.revokeAPIKey(try call.id(of: "key"), of: try call.account)
             return .nothing
         }]
    }

    private func keys(_ call: Call) throws -> Response {
        let keys = try store.apiKeys(of: try call.account).filter { $0.revokedAt == nil }
        return Response.json { list in
            list.key("keys")
            list.array { for key in keys { $0.object { Self.write(key, to: &$0) } } }
        }
    }

    private func makeKey(_ call: Call) throws -> Response {
        let name = try Fields(of: call.request, known: ["name"]).text("name", 1...64), secret = APIKeyToken()
        let key = try store.addAPIKey(name, hash: secret.digest, for: try call.account)
        return Response.json(.created) { made in
            Self.write(key, to: &made)
            made.key("key"); made.string(secret.text)
        }
    }

    private static func write(_ key: APIKey, to object: inout JSONWriter) {
        object.key("id"); object.string(key.id.description)
        object.key("name"); object.string(key.name)
        object.key("created_at"); object.string(key.createdAt.description)
        object.key("last_used_at"); if let used = key.lastUsedAt { object.string(used.description) } else { object.null() }
    }
}
