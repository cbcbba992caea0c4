import HTTPServer
import JSON
import Secrets
import Store

/// The API keys of an account.
extension App {
    static var apiKeyRoutes: [Route] {
        [
            Route("GET", "/api/keys", access: .account) { try $0.apiKeys($1) },
            Route("POST", "/api/keys", access: .account) { try $0.createAPIKey($1) },
            Route("DELETE", "/api/keys/{id}", access: .account) { app, context in
                try app.store.revokeAPIKey(try context.id(of: "key"), of: try context.account)
                return .noContent
            },
        ]
    }

    private func apiKeys(_ context: RequestContext) throws -> Response {
        let keys = try store.apiKeys(of: try context.account).filter { $0.revokedAt == nil }
        return Response.json { list in
            list.key("keys")
            list.array { for key in keys { $0.object { Self.write(key, to: &$0) } } }
        }
    }

    private func createAPIKey(_ context: RequestContext) throws -> Response {
        let name = try RequestFields(of: context.request, known: ["name"]).text("name", 1...64)
        let token = APIKeyToken()
        let key = try store.addAPIKey(name, hash: token.digest, for: try context.account)
        return Response.json(.created) { created in
            Self.write(key, to: &created)
            created.key("key"); created.string(token.text)
        }
    }

    private static func write(_ key: APIKey, to object: inout JSONWriter) {
        object.key("id"); object.string(key.id.description)
        object.key("name"); object.string(key.name)
        object.key("created_at"); object.string(key.createdAt.description)
        object.key("last_used_at"); if let used = key.lastUsedAt { object.string(used.description) } else { object.null() }
    }
}
