import Store
import Testing

/// What administrators change in the database, and one-time codes.
@Suite struct AdminChangesTests {
    private let request = AdminRequest(actor: "admin", address: "192.0.2.1")

    @Test(arguments: Backend.allCases)
    func `disabling ends sessions and keys, and enabling does not restore sessions`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addUser("ada", passwordHash: "hash")
        let session = try #require(try store.startSession(of: ada, from: "", userAgent: "", lifetime: .seconds(60)))
        _ = try store.addAPIKey("laptop", hash: "digest", for: ada.id)
        let disabled = try store.admin.setDisabled(true, user: ada.id, by: request)
        #expect(try disabled.disabledAt != nil && store.user(ada.id) == disabled)
        #expect(try store.state(ofSession: session.id, epoch: 0, of: ada.id) == .disabled && store.apiKey(withHash: "digest")?.owner == nil)
        #expect(try store.startSession(of: disabled, from: "", userAgent: "", lifetime: .seconds(60)) == nil)
        #expect(try store.changePassword(of: disabled, to: "new") == nil)
        #expect(try store.admin.users(sortedBy: .username).items.map(\.isDisabled) == [true])
        let enabled = try store.admin.setDisabled(false, user: ada.id, by: request)
        #expect(try enabled.disabledAt == nil && store.apiKey(withHash: "digest")?.owner == ada.id)
        #expect(try store.state(ofSession: session.id, epoch: 0, of: ada.id) == .ended)
        #expect(throws: StoreError.notFound(.user)) { try store.admin.setDisabled(true, user: UserID(), by: request) }
    }

    @Test(arguments: Backend.allCases) func `a change that fails leaves no line in the audit log`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        let ada = try store.admin.addUser("ada", email: nil, passwordHash: "!", by: request)
        #expect(throws: StoreError.usernameTaken(username: "ADA")) {
            try store.admin.addUser("ADA", email: nil, passwordHash: "!", by: request)
        }
        #expect(throws: StoreError.notFound(.user)) { try store.admin.deleteUser(UserID(), by: request) }
        db.advanceClock(by: .seconds(1))
        try store.admin.deleteUser(ada.id, by: request)
        let log = try store.admin.auditLog()
        #expect(log.total == 2 && log.items.map(\.action) == [.deleteUser, .createUser])
        #expect(log.items.allSatisfy { $0.targetName == "ada" && $0.target == ada.id.description && $0.actor == "admin" })
        #expect(log.items.map(\.time) == [ada.createdAt.advanced(by: .seconds(1)), ada.createdAt])
        #expect(try store.admin.auditLog(limit: 1, offset: 1).items == [log.items[1]])
    }

    @Test(arguments: Backend.allCases) func `lines of the audit log of one millisecond keep their order`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addUser("ada", passwordHash: "hash").id
        for i in 0..<10 { _ = try store.admin.setDisabled(i % 2 == 0, user: ada, by: request) }
        let actions = try store.admin.auditLog().items.map(\.action)
        #expect(actions == (0..<10).map { $0 % 2 == 0 ? .enableUser : .disableUser })
    }

    @Test func `owners read what was done in the training area, not what was done to accounts`() {
        let area = Set(AdminQueries.Action.ofTraining)
        #expect(area.isSuperset(of: [.setRole, .reloadModel, .setCanary, .setKeyModel, .stopRun, .setSchedule, .vote, .setGate]))
        #expect(area.isSuperset(of: [.addQuestion, .exportChats, .deleteImport]))
        #expect(area.isDisjoint(with: [.deleteUser, .readMessages, .endSessions, .addInvitation, .listConversations, .warnUnusedUser]))
    }

    @Test(arguments: Backend.allCases) func `two registrations with one invitation make one user`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        _ = try store.admin.addInvitation("digest", email: nil, lifetime: .seconds(60), by: request)
        #expect(throws: StoreError.tooLong(what: "the email address", limit: 255)) {
            try store.admin.addInvitation("other digest", email: String(repeating: "a", count: 256), lifetime: .seconds(60), by: request)
        }
        #expect(try store.isValidInvitation("digest") && !store.isValidInvitation("other"))
        try inThreads(8) { i in
            do throws(StoreError) { _ = try store.addUser("user\(i)", passwordHash: "hash", invitation: "digest") } catch {
                if error != .invalidCode { throw error }
            }
        }
        let user = try #require(try store.admin.users(sortedBy: .username).items.first)
        #expect(try store.admin.totals().users == 1 && store.admin.invitations().map(\.username) == [user.username])
        #expect(try !store.isValidInvitation("digest"))
        db.advanceClock(by: .seconds(60))
        #expect(try store.admin.invitations().isEmpty)
        try store.purge()
        #expect(try store.sql("SELECT count(*) FROM one_time_codes") == [[.integer(0)]])
    }

    @Test(arguments: Backend.allCases) func `an invitation is deleted once`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let invitation = try store.admin.addInvitation("digest", email: "ada@example.org", lifetime: .seconds(60), by: request)
        try store.admin.deleteInvitation(invitation.id, by: request)
        #expect(try store.admin.invitations().isEmpty && !store.isValidInvitation("digest"))
        #expect(throws: StoreError.notFound(.invitation)) { try store.admin.deleteInvitation(invitation.id, by: request) }
        let log = try store.admin.auditLog().items
        #expect(log.map(\.action) == [.deleteInvitation, .addInvitation] && log.allSatisfy { $0.targetName == "ada@example.org" })
    }

    @Test(arguments: Backend.allCases) func `a code for a new password works once and for one user`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        let ada = try store.addUser("ada", passwordHash: "old"), bob = try store.addUser("bob", passwordHash: "old")
        let end = try store.admin.addPasswordReset("digest", of: ada.id, lifetime: .seconds(60), by: request)
        #expect(end == ada.createdAt.advanced(by: .seconds(60)))
        #expect(try store.isValidPasswordReset("digest", of: ada.id) && !store.isValidPasswordReset("digest", of: bob.id))
        #expect(try !store.isValidInvitation("digest"))
        #expect(throws: StoreError.invalidCode) { try store.resetPassword(of: bob.id, code: "digest", to: "new") }
        db.advanceClock(by: .seconds(1))
        #expect(try store.startSession(of: ada, from: "", userAgent: "", lifetime: .seconds(60)) != nil)
        let changed = try store.resetPassword(of: ada.id, code: "digest", to: "new")
        #expect(try changed.passwordHash == "new" && changed.tokenEpoch == 1 && store.sessions(of: ada.id).isEmpty)
        db.advanceClock(by: .seconds(1))
        #expect(throws: StoreError.invalidCode) { try store.resetPassword(of: ada.id, code: "digest", to: "newer") }
        _ = try store.admin.addPasswordReset("late", of: ada.id, lifetime: .seconds(60), by: request)
        db.advanceClock(by: .seconds(60))
        #expect(throws: StoreError.invalidCode) { try store.resetPassword(of: ada.id, code: "late", to: "newer") }
        _ = try store.admin.addPasswordReset("disabled", of: ada.id, lifetime: .seconds(60), by: request)
        _ = try store.admin.setDisabled(true, user: ada.id, by: request)
        #expect(throws: StoreError.invalidCode) { try store.resetPassword(of: ada.id, code: "disabled", to: "newer") }
        #expect(try store.user(ada.id)?.passwordHash == "new")
    }

    @Test(arguments: Backend.allCases) func `email addresses are unique regardless of case`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let ada = try store.addUser("ada", email: "Ada@Example.org", passwordHash: "hash")
        #expect(try store.user(withEmail: "ada@EXAMPLE.org") == ada && store.user(withEmail: "") == nil)
        #expect(throws: StoreError.emailTaken) { try store.addUser("eve", email: "ada@example.org", passwordHash: "hash") }
        #expect(try store.user(named: "eve") == nil)
        _ = try store.addUser("bob", passwordHash: "hash")
        _ = try store.addUser("cid", passwordHash: "hash")
    }
}
