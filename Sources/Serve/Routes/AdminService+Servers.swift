import HTTPServer
import JSON
import Store

/// The servers that share the database, reloading their models, and the chats that they have collected.
extension AdminService {
    static let serverRoutes: [Route] = [
        Route("GET", "/api/admin/servers", access: .admin) { app, _ in app.admin.listServers() },
        Route("POST", "/api/admin/reload", access: .admin) { try $0.admin.reloadModels($1) },
        Route("GET", "/api/admin/collected-chats", access: .admin) { try $0.admin.exportCollectedChats($1) },
    ]

    /// All servers, the oldest one first. The figures of this one are current, those of the others at most two seconds old.
    var currentServers: [ServerRecord] {
        let own = replicas.currentStatus
        return replicas.servers.map { server in
            guard server.id == replicas.id else { return server }
            var current = server
            current.heartbeatAt = .now()
            current.status = own ?? server.status
            return current
        }
    }

    private func listServers() -> Response {
        let servers = currentServers
        return Response.json { list in
            list.objects("servers", servers) { server, object in
                server.write(to: &object)
                // Whether it is the server that has answered this request.
                object["current"] = server.id == replicas.id
            }
        }
    }

    /// Makes all servers load their checkpoints again.
    private func reloadModels(_ context: RequestContext) throws -> Response {
        try store.requestReload(by: context.adminRequest)
        return .noContent
    }

    /// Returns collected chats as JSON lines, as in the file of `--collect`. The header `X-Next-After` has the `after` of the next page.
    private func exportCollectedChats(_ context: RequestContext) throws -> Response {
        let after = try context.request.integer("after", 0...Int(Int32.max), default: 0)
        let limit = try context.request.integer("limit", 1...10_000, default: 1_000)
        let (chats, last) = try store.collectedChats(after: after, limit: limit)
        try store.admin.recordChatsExported(by: context.adminRequest)
        return .jsonLines(chats.map { ChatLog.line(of: $0) }, next: last.map { "\($0)" })
    }
}

extension ServerRecord {
    fileprivate func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["name"] = name
        object["version"] = version
        object["started_at"] = startedAt.description
        object["heartbeat_at"] = heartbeatAt.description
        object["model"] = status.model
        object["slots"] = status.slots
        object["running"] = status.running
        object["waiting"] = status.waiting
        object["answer_tokens"] = status.answerTokens
        object["memory_bytes"] = status.memoryBytes
    }
}
