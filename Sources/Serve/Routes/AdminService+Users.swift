import HTTPServer
import JSON
import Secrets
import Store

/// Administration of accounts: creation, invitations, disabling, new passwords, deletion, and the audit log of all of that.
extension AdminService {
    static let userRoutes: [Route] = [
        Route("POST", "/api/admin/users", access: .admin, on: .passwordHashing) { try $0.admin.createUser($1) },
        Route("PATCH", "/api/admin/users/{id}", access: .admin) { try $0.admin.changeUser($1) },
        Route("DELETE", "/api/admin/users/{id}", access: .admin) { try $0.admin.deleteUser($1) },
        Route("PUT", "/api/admin/users/{id}/role", access: .admin) { try $0.admin.setRole($1) },
        Route("POST", "/api/admin/users/{id}/reset-password", access: .admin) { try $0.admin.addPasswordReset($1) },
        Route("DELETE", "/api/admin/users/{id}/sessions", access: .admin) { try $0.admin.endSessions($1) },
        Route("DELETE", "/api/admin/users/{id}/keys", access: .admin) { try $0.admin.revokeAPIKeys($1) },
        Route("GET", "/api/admin/invitations", access: .admin) { app, _ in try app.admin.invitations() },
        Route("DELETE", "/api/admin/invitations/{id}", access: .admin) { try $0.admin.deleteInvitation($1) },
        Route("GET", "/api/admin/audit", access: .admin) { try $0.admin.auditLog($1) },
    ]

    /// The password hash of an account that has no password yet. No password verifies against it.
    private static let noPassword = "!"
    /// In seconds.
    private static let codeLifetime = 7 * 86_400
    private static let maxCodeLifetime = 90 * 86_400

    /// Creates an account or, with `invite`, an invitation. An account without a password gets a code with which its user sets one.
    private func createUser(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["username", "email", "password", "invite", "expires_in"])
        let email = try fields.email()
        let lifetime = try Self.lifetime(fields)
        if try fields.boolean("invite") ?? false {
            for name in ["username", "password"] where fields[name] != nil {
                throw APIError.invalid(name, "expected nothing together with invite: the invited user chooses it.")
            }
            return try invite(email, lifetime, context)
        }
        let username = try fields.username()
        let password = try fields.optionalText("password", 1...PasswordHasher.maxBytes)
        let hash = try password.map { try passwordHasher.hash($0, field: "password") } ?? Self.noPassword
        let user = try store.admin.addUser(username, email: email, passwordHash: hash, by: context.adminRequest)
        let code = OneTimeCode()
        let end = password == nil
            ? try store.admin.addPasswordReset(code.digest, of: user.id, lifetime: .seconds(lifetime), by: context.adminRequest) : nil
        return Response.json(.created) { created in
            user.writeForAdmin(to: &created)
            if let end { code.write(to: &created, expiringAt: end) }
        }
    }

    private func invite(_ email: String?, _ lifetime: Int, _ context: RequestContext) throws -> Response {
        let code = OneTimeCode()
        let invitation = try store.admin.addInvitation(
            code.digest, email: email, lifetime: .seconds(lifetime), by: context.adminRequest)
        return Response.json(.created) { created in
            invitation.write(to: &created)
            created["code"] = code.text
        }
    }

    private static func lifetime(_ fields: RequestFields) throws(APIError) -> Int {
        let seconds = try fields.integer("expires_in") ?? codeLifetime
        guard (60...maxCodeLifetime).contains(seconds) else {
            throw .invalid("expires_in", "expected 60 to \(maxCodeLifetime) seconds, found \(seconds).")
        }
        return seconds
    }

    private func changeUser(_ context: RequestContext) throws -> Response {
        let id: UserID = try context.id(of: "user")
        guard let isDisabled = try RequestFields(of: context.request, known: ["disabled"]).boolean("disabled") else {
            throw APIError.invalid("disabled", "expected true or false, found nothing.")
        }
        let user = try store.admin.setDisabled(isDisabled, user: id, by: context.adminRequest)
        if isDisabled { replicas.stopAnswers(of: id, conversationLocks) }
        return Response.json { user.writeForAdmin(to: &$0) }
    }

    private func setRole(_ context: RequestContext) throws -> Response {
        let id: UserID = try context.id(of: "user")
        let text = try RequestFields(of: context.request, known: ["role"]).text("role", 1...20)
        guard let role = Role(rawValue: text) else {
            throw APIError.invalid("role", "expected \(Role.allCases.map(\.rawValue).joined(separator: " or ")).")
        }
        try store.admin.setRole(of: id, to: role, by: context.adminRequest)
        let user = try store.admin.user(id)
        return Response.json { Self.write(user, to: &$0) }
    }

    private func deleteUser(_ context: RequestContext) throws -> Response {
        let id: UserID = try context.id(of: "user")
        try store.admin.deleteUser(id, by: context.adminRequest)
        replicas.stopAnswers(of: id, conversationLocks)
        return .noContent
    }

    private func addPasswordReset(_ context: RequestContext) throws -> Response {
        let lifetime = try Self.lifetime(try RequestFields(of: context.request, known: ["expires_in"], mayBeEmpty: true))
        let code = OneTimeCode()
        let end = try store.admin.addPasswordReset(
            code.digest, of: context.id(of: "user"), lifetime: .seconds(lifetime), by: context.adminRequest)
        return Response.json(.created) { code.write(to: &$0, expiringAt: end) }
    }

    private func endSessions(_ context: RequestContext) throws -> Response {
        let id: UserID = try context.id(of: "user")
        try store.admin.endSessions(of: id, by: context.adminRequest)
        replicas.stopAnswers(of: id, conversationLocks)
        return .noContent
    }

    private func revokeAPIKeys(_ context: RequestContext) throws -> Response {
        try store.admin.revokeAPIKeys(of: context.id(of: "user"), by: context.adminRequest)
        replicas.checkAnswersNow()
        return .noContent
    }

    private func invitations() throws -> Response {
        let invitations = try store.admin.invitations()
        return Response.json { $0.objects("invitations", invitations) { $0.write(to: &$1) } }
    }

    private func deleteInvitation(_ context: RequestContext) throws -> Response {
        try store.admin.deleteInvitation(try context.id(of: "invitation"), by: context.adminRequest)
        return .noContent
    }

    private func auditLog(_ context: RequestContext) throws -> Response {
        let parameters = try PageParameters(context.request)
        return .auditLog(try store.admin.auditLog(limit: parameters.limit, offset: parameters.offset))
    }
}

extension RequestContext {
    /// The sender of an admin request: an owner by name, or "admin" for the key, which all administrators share.
    var adminRequest: AdminRequest { AdminRequest(actor: client.ownerName ?? "admin", address: client.address.description) }
}

extension Response {
    static func auditLog(_ page: AdminQueries.Page<AdminQueries.AuditEntry>) -> Response {
        Response.json { list in
            list.objects("entries", page.items) { $0.write(to: &$1) }
            list["total"] = page.total
        }
    }
}

extension User {
    fileprivate func writeForAdmin(to object: inout JSONWriter) {
        object["id"] = id.description
        object["username"] = username
        object["email"] = email
        object["joined"] = createdAt.description
        object["disabled"] = disabledAt != nil
    }
}

extension OneTimeCode {
    fileprivate func write(to object: inout JSONWriter, expiringAt end: Timestamp) {
        object["code"] = text
        object["expires_at"] = end.description
    }
}

extension AdminQueries.Invitation {
    fileprivate func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["email"] = email
        object["created_at"] = createdAt.description
        object["expires_at"] = expiresAt.description
        object["used_at"] = usedAt?.description
        object["username"] = username
    }
}

extension AdminQueries.AuditEntry {
    fileprivate func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["at"] = time.description
        object["actor"] = actor
        object["address"] = address
        object["action"] = action.rawValue
        object["target"] = target
        object["target_name"] = targetName
        object["reason"] = reason
    }
}
