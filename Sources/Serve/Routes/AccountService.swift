import HTTPServer
import JSON
import Secrets
import Store

/// The own account: password, sessions, API keys, export, deletion.
struct AccountService: Sendable {
    let store: Store
    let models: ModelHolder
    let rateLimits: RateLimits
    let signIns: SignInService
    let conversationLocks: ConversationLocks
    let replicas: Replicas

    static let routes: [Route] = [
        Route("POST", "/api/auth/logout", access: .account) { try $0.account.signOut($1) },
        Route("GET", "/api/me", access: .account) { try $0.account.me($1) },
        Route("PATCH", "/api/me", access: .account) { try $0.account.changeMe($1) },
        Route("POST", "/api/me/password", access: .account, on: .passwordHashing) { try $0.account.changePassword($1) },
        Route("GET", "/api/me/sessions", access: .account) { try $0.account.sessions($1) },
        Route("DELETE", "/api/me/sessions", access: .account) { try $0.account.endAllSessions($1) },
        Route("DELETE", "/api/me/sessions/{id}", access: .account) { try $0.account.endSession($1) },
        Route("GET", "/api/me/export", access: .account) { try $0.account.export($1) },
        Route("POST", "/api/me/delete", access: .account, on: .passwordHashing) { try $0.account.delete($1) },
    ]

    private func me(_ context: RequestContext) throws -> Response {
        let user = try self.user(context)
        let isExcluded = try store.isExcludedFromTraining(user.id)
        let role = try store.role(of: user.id)
        let model = models.current
        return Response.json { me in
            user.write(to: &me)
            me["role"] = role.rawValue
            me["model"] = model?.name ?? ""
            me["context"] = model?.context ?? 0
            me["training"] = !isExcluded
        }
    }

    /// Leaves all chats of the account out of training, or lets them be used again.
    private func changeMe(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["training"])
        if let mayTrain = try fields.boolean("training") {
            try store.setExcludedFromTraining(try context.account, to: !mayTrain)
        }
        return try me(context)
    }

    /// Reads the account of the request.
    private func user(_ context: RequestContext) throws -> User {
        guard let user = try store.user(try context.account) else { throw StoreError.notFound(.user) }
        return user
    }

    private func signOut(_ context: RequestContext) throws -> Response {
        guard let session = context.client.session else { return .noContent }
        let account = try context.account
        do { try store.endSession(session, of: account) } catch {
            if error != .notFound(.session) { throw error }
        }
        replicas.checkAnswersNow()
        return .noContent
    }

    /// Ends all sessions and starts a new one for the client.
    private func changePassword(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["password", "new_password"])
        let password = try fields.text("password", 1...PasswordHasher.maxBytes)
        let newPassword = try fields.text("new_password", 1...PasswordHasher.maxBytes)
        let user = try self.user(context)
        try signIns.confirm(password, of: user, context)
        let hash = try signIns.passwordHasher.hash(newPassword, field: "new_password")
        guard let changed = try store.changePassword(of: user, to: hash) else { throw APIError.wrongCredentials }
        return try signIns.startSession(of: changed, context)
    }

    private func sessions(_ context: RequestContext) throws -> Response {
        let sessions = try store.sessions(of: try context.account)
        return Response.json { list in
            list.objects("sessions", sessions) { session, object in
                session.write(to: &object)
                object["current"] = session.id == context.client.session
            }
        }
    }

    private func endSession(_ context: RequestContext) throws -> Response {
        try store.endSession(try context.id(of: "session"), of: try context.account)
        replicas.checkAnswersNow()
        return .noContent
    }

    private func endAllSessions(_ context: RequestContext) throws -> Response {
        let user = try context.account
        try store.endAllSessions(of: user)
        replicas.stopAnswers(of: user, conversationLocks)
        return .noContent
    }

    private func delete(_ context: RequestContext) throws -> Response {
        let password = try RequestFields(of: context.request, known: ["password"]).text("password", 1...PasswordHasher.maxBytes)
        let user = try self.user(context)
        try signIns.confirm(password, of: user, context)
        try store.deleteUser(user.id)
        replicas.stopAnswers(of: user.id, conversationLocks)
        return .noContent
    }
}

/// The export of an account.
extension AccountService {
    /// Returns all data of the account as a file: profile, conversations with their messages, responses of the API, libraries, the list of
    /// uploaded files, sessions, and API keys without secrets.
    private func export(_ context: RequestContext) throws -> Response {
        try rateLimits.checkExport(context.client.key)
        let user = try self.user(context)
        let keys = try store.apiKeys(of: user.id)
        let sessions = try store.sessions(of: user.id)
        let isExcluded = try store.isExcludedFromTraining(user.id)
        var json = JSONWriter(.pretty)
        try json.object { export in
            export["exported_at"] = Timestamp.now().description
            export.object("profile") {
                user.write(to: &$0)
                $0["training"] = !isExcluded
                $0["last_active_at"] = user.lastActiveAt.description
            }
            try export.array("conversations") { try writeConversations(of: user.id, to: &$0) }
            try export.array("responses") { try writeResponses(of: user.id, to: &$0) }
            try export.array("libraries") { try writeLibraries(of: user.id, to: &$0) }
            // Their contents are downloaded one by one: together, they may be larger than the memory of a request.
            export.objects("files", try store.uploads(of: user.id)) { $0.write(to: &$1) }
            export.objects("keys", keys) { key, object in
                key.write(to: &object)
                object["revoked_at"] = key.revokedAt?.description
            }
            export.objects("sessions", sessions) { $0.write(to: &$1) }
        }
        json.newline()
        return Response(.ok, [
            ("Content-Type", "application/json"), ("Content-Disposition", "attachment; filename=\"slm-export.json\""),
            ("Cache-Control", "no-store"),
        ], json.bytes)
    }

    private func writeLibraries(of user: UserID, to list: inout JSONWriter) throws {
        for library in try store.libraries(readableBy: user) where library.owner == user {
            let readers = try store.readers(of: library.id), files = try store.files(of: library.id)
            list.object { object in
                library.write(to: &object, for: user, readers: readers)
                object.objects("files", files) { $0.write(to: &$1) }
            }
        }
    }

    private func writeResponses(of user: UserID, to list: inout JSONWriter) throws {
        var page = try store.responses(of: user, limit: 100)
        while let last = page.last {
            for stored in page {
                list.object {
                    $0.json("input", stored.input)
                    $0.json("response", stored.response)
                }
            }
            page = try store.responses(of: user, after: last, limit: 100)
        }
    }

    private func writeConversations(of user: UserID, to list: inout JSONWriter) throws {
        var cursor: ConversationCursor?
        repeat {
            let page = try store.conversations(of: user, after: cursor, limit: 1_000)
            for id in page.conversations.map(\.id) {
                do {
                    let (conversation, _) = try store.conversation(id, of: user)
                    let settings = try store.settings(of: id, of: user)
                    let (messages, preferences) = try store.messagesWithAlternatives(of: id, of: user)
                    list.object {
                        conversation.write(to: &$0)
                        settings.write(to: &$0)
                        Self.write(messages.filter(\.isActive), as: "messages", to: &$0)
                        Self.write(messages.filter { !$0.isActive }, as: "alternatives", to: &$0)
                        $0.objects("preferences", preferences) { $0.write(to: &$1) }
                    }
                } catch {
                    if error != .notFound(.conversation) { throw error }         // else deleted since the page was read
                }
            }
            cursor = page.next
        } while cursor != nil
    }

    private static func write(_ messages: [TrainingMessage], as name: String, to object: inout JSONWriter) {
        object.objects(name, messages) { stored, object in
            stored.message.write(to: &object)
            stored.details.write(to: &object)
            if !stored.isActive, let previous = stored.previous { object["previous_id"] = previous.description }
        }
    }
}

extension AnswerPreference {
    fileprivate func write(to object: inout JSONWriter) {
        object["question_id"] = question.description
        object["chosen_id"] = chosen.description
        object["rejected_ids"] = rejected.map(\.description)
        object["chosen_at"] = chosenAt.description
    }
}

extension User {
    /// Writes what users see of their own account.
    fileprivate func write(to object: inout JSONWriter) {
        object["username"] = username
        object["email"] = email
        object["created_at"] = createdAt.description
    }
}

extension LoginSession {
    fileprivate func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["created_at"] = createdAt.description
        object["last_used_at"] = lastUsedAt.description
        object["expires_at"] = expiresAt.description
        object["address"] = address
        object["user_agent"] = userAgent
    }
}
