import HTTPClient
package import JSON

/// Sends requests to the admin routes of a server. Each call blocks until the response is complete.
///
///     let client = AdminClient(try AdminAddress("http://127.0.0.1:8000", key: key))
///     if case .totals(let totals) = try client.answer(to: .totals) { totals.users }
package struct AdminClient: Sendable {
    package let address: AdminAddress

    private static let maxBytes = 64 << 20

    package init(_ address: AdminAddress) { self.address = address }

    package func answer(to query: AdminQuery) throws(AdminError) -> AdminAnswer {
        let (path, parameters): (String, [(name: String, value: String)]) = switch query {
        case .totals: ("stats", [("top", "0")])
        case .server: ("server", [])
        case .servers: ("servers", [])
        case .users(let list): ("users", list.parameters)
        case .user(let id): ("users/\(id)", [])
        case .conversations(nil, let list): ("conversations", list.parameters)
        case .conversations(let user?, let list): ("users/\(user)/conversations", list.parameters)
        case .messages(let id, let offset):
            ("conversations/\(id)/messages", [("limit", "\(AdminQuery.messagesPerRequest)"), ("offset", "\(offset)")])
        case .audit(let offset, let limit): ("audit", [("limit", "\(limit)"), ("offset", "\(offset)")])
        case .invitations: ("invitations", [])
        }
        let body: [UInt8]
        do throws(AdminError) { body = try send("GET", path, parameters) } catch {
            if query == .servers, case .noAdministration = error { return .servers([]) }
            throw error
        }
        return try parse(body) { json throws(JSONError) in try AdminAnswer(to: query, json) }
    }

    package func perform(_ action: AdminAction) throws(AdminError) -> AdminOutcome {
        let body: [UInt8]
        switch action {
        case .setDisabled(let isDisabled, let id, _):
            body = try send("PATCH", "users/\(id)") { $0["disabled"] = isDisabled }
        case .resetPassword(let id, _): body = try send("POST", "users/\(id)/reset-password") { _ in }
        case .endSessions(let id, _): body = try send("DELETE", "users/\(id)/sessions")
        case .revokeKeys(let id, _): body = try send("DELETE", "users/\(id)/keys")
        case .deleteUser(let id, _): body = try send("DELETE", "users/\(id)")
        case .deleteInvitation(let id): body = try send("DELETE", "invitations/\(id)")
        case .createUser(let name, let email, let password):
            body = try send("POST", "users") { user in
                user["username"] = name
                if let email { user["email"] = email }
                if let password { user["password"] = password }
            }
        case .invite(let email, let lifetime):
            body = try send("POST", "users") { invitation in
                invitation["invite"] = true
                if let email { invitation["email"] = email }
                if let lifetime { invitation["expires_in"] = lifetime }
            }
        }
        if body.isEmpty { return AdminOutcome(code: nil, id: nil) }
        return try parse(body) { json throws(JSONError) in AdminOutcome(code: IssuedCode(json), id: json["id"]?.string) }
    }

    /// Makes an account an owner, or takes that back.
    ///
    /// - Parameter role: `owner` or `user`.
    package func setRole(_ role: String, of user: UserRecord) throws(AdminError) {
        _ = try send("PUT", "users/\(user.id)/role") { $0["role"] = role }
    }

    private func parse<Result>(
        _ body: [UInt8], _ convert: (JSONElement) throws(JSONError) -> Result
    ) throws(AdminError) -> Result {
        do throws(JSONError) { return try convert(JSONElement(parsing: body)) } catch {
            throw .foreign(address: address.base, reason: "\(error)")
        }
    }

    private func send(
        _ method: String, _ path: String, _ parameters: [(name: String, value: String)] = [], _ write: ((inout JSONWriter) -> Void)? = nil
    ) throws(AdminError) -> [UInt8] { try exchange(method, path, parameters, write).body }

    /// Sends a request of the training area.
    ///
    ///     let runs = try client.training("GET", "runs", [("limit", "20")])
    ///
    /// - Returns: The body; empty for a response without one.
    package func training(
        _ method: String, _ path: String, _ parameters: [(name: String, value: String)] = [],
        _ write: ((inout JSONWriter) -> Void)? = nil
    ) throws(AdminError) -> [UInt8] { try exchange(method, path, parameters, write, area: "training").body }

    /// Sends lines of a file to the training area.
    package func trainingUpload(
        _ path: String, _ parameters: [(name: String, value: String)], _ lines: [UInt8]
    ) throws(AdminError) -> [UInt8] { try exchange("POST", path, parameters, upload: lines, area: "training").body }

    /// Requests a list of JSON lines, page by page. The header `X-Next-After` of a page has the parameter of the next one.
    ///
    ///     try client.forEachPage("chats/export", [("format", "pairs")], area: "training") { lines in … }
    package func forEachPage(
        _ path: String, _ parameters: [(name: String, value: String)], area: String = "admin", _ body: (_ lines: [UInt8]) throws -> Void
    ) throws {
        var after: String?
        repeat {
            let (head, lines) = try exchange("GET", path, parameters + (after.map { [("after", $0)] } ?? []), area: area)
            try body(lines)
            let next = head.headers["x-next-after"]
            if let next, next == after { throw AdminError.foreign(address: address.base, reason: "the same page follows again") }
            after = next
        } while after != nil
    }

    private func exchange(
        _ method: String, _ path: String, _ parameters: [(name: String, value: String)], _ write: ((inout JSONWriter) -> Void)? = nil,
        upload: [UInt8]? = nil, area: String = "admin"
    ) throws(AdminError) -> (head: HTTPHead, body: [UInt8]) {
        var request = HTTPRequest(address.url(path, parameters, area: area))
        request.method = method
        request.headers = [("X-Admin-Key", address.key), ("Accept", "application/json")]
        // An estimate of the training area measures for a while.
        request.idleSeconds = area == "training" ? 150 : 30
        if let upload {
            request.body = upload
            request.headers.append(("Content-Type", "application/jsonl"))
        }
        if let write {
            var body = JSONWriter()
            body.object(write)
            request.body = body.bytes
            request.headers.append(("Content-Type", "application/json"))
        }
        var head = HTTPHead()
        var body: [UInt8] = []
        let exchange = HTTPExchange()
        do throws(HTTPError) {
            try exchange.run(request) { received, part in
                head = received
                if body.count + part.count > Self.maxBytes { return exchange.cancel() }
                part.withUnsafeBufferPointer { body.append(contentsOf: $0) }
            }
        } catch {
            throw self.error(error)
        }
        if 200..<300 ~= head.status { return (head, body) }
        throw self.error(head, body, isList: !path.contains("/"))
    }

    private func error(_ error: HTTPError) -> AdminError {
        switch error {
        case .noLibrary(let library): .unreachable(address: address.base, reason: "\(library)")
        case .invalidURL(let reason): .invalidAddress(address.base, reason: reason)
        case .unreachable(let reason): .unreachable(address: address.base, reason: reason)
        case .timedOut: .timedOut(address: address.base)
        case .failed(let reason): .unreachable(address: address.base, reason: reason)
        case .canceled: .foreign(address: address.base, reason: "the response is larger than \(Self.maxBytes >> 20) MiB")
        }
    }

    /// - Parameter isList: Whether the path names no object, so that 404 means that the routes are missing.
    private func error(_ head: HTTPHead, _ body: [UInt8], isList: Bool) -> AdminError {
        let message = (try? JSONElement(parsing: body))?["error"]?["message"]?.string
        switch (head.status, message) {
        case (_, nil): return .foreign(address: address.base, reason: "status \(head.status) without slm's error message")
        case (401, _?): return .wrongKey(address: address.base)
        case (404, _?) where isList: return .noAdministration(address: address.base)
        case (429, _?):
            return .tooManyRequests(address: address.base, seconds: head.headers["retry-after"].flatMap { Int($0) } ?? 10)
        case (let status, let message?): return .rejected(status: status, message: message)
        }
    }
}
