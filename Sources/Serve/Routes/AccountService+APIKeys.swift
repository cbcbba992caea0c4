import HTTPServer
import JSON
import Secrets
import Store

/// The API keys of an account. A key is valid under `/v1` and `/ollama` only, so it cannot create other keys.
extension AccountService {
    static let apiKeyRoutes: [Route] = [
        Route("GET", "/api/keys", access: .account) { try $0.account.apiKeys($1) },
        Route("POST", "/api/keys", access: .account) { try $0.account.createAPIKey($1) },
        Route("DELETE", "/api/keys/{id}", access: .account) { try $0.account.revokeAPIKey($1) },
    ]

    private func apiKeys(_ context: RequestContext) throws -> Response {
        let keys = try store.apiKeys(of: try context.account).filter { $0.revokedAt == nil }
        return Response.json { $0.objects("keys", keys) { $0.write(to: &$1) } }
    }

    private func createAPIKey(_ context: RequestContext) throws -> Response {
        let name = try RequestFields(of: context.request, known: ["name"]).text("name", 1...64)
        let token = APIKeyToken()
        let key = try store.addAPIKey(name, hash: token.digest, for: try context.account)
        return Response.json(.created) { created in
            key.write(to: &created)
            created["key"] = token.text
        }
    }

    private func revokeAPIKey(_ context: RequestContext) throws -> Response {
        try store.revokeAPIKey(try context.id(of: "key"), of: try context.account)
        replicas.checkAnswersNow()
        return .noContent
    }
}

extension APIKey {
    func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["name"] = name
        object["created_at"] = createdAt.description
        object["last_used_at"] = lastUsedAt?.description
    }
}
