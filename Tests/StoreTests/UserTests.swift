import Store
import Testing

@Suite struct UserTests {
    @Test(arguments: Backend.allCases) func `usernames are unique regardless of case`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let user = try store.addUser("Zoë.Ünlü", email: "zoe@example.org", passwordHash: "$2b$12$hash")
        #expect(try store.user(named: "zoË.üNLÜ") == user)
        #expect(try store.user(user.id) == user && user.username == "Zoë.Ünlü" && user.email == "zoe@example.org")
        #expect(throws: StoreError.usernameTaken(username: "ZOË.ÜNLÜ")) { try store.addTestUser("ZOË.ÜNLÜ") }
        #expect(try store.user(named: "Zoe") == nil && store.user(UserID()) == nil)
    }

    @Test(arguments: Backend.allCases)
    func `unusual usernames are returned unchanged and match only themselves`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let names = [
            "'; DROP TABLE users; --", "%", "_", "\\", "\"", "$1", "a\u{0}b", "", "🧑‍🚀", "\u{202E}x", "İ",
            String(repeating: "é", count: 127),
        ]
        for name in names { _ = try store.addTestUser(name) }
        for name in names { #expect(try store.user(named: name)?.username == name.replacing("\u{0}", with: "\u{FFFD}")) }
        #expect(try store.admin.totals().users == names.count)
        #expect(throws: StoreError.tooLong(what: "the username", limit: 255)) { try store.addTestUser(String(repeating: "é", count: 128)) }
    }

    @Test(arguments: Backend.allCases) func `signing in updates the time of the last activity`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada")
        let joined = try #require(try store.user(ada)).lastActiveAt
        db.advanceClock(by: .seconds(100))
        try store.signIn(ada)
        #expect(try store.user(ada)?.lastActiveAt == joined.advanced(by: .seconds(100)))
        #expect(try store.user(ada)?.createdAt == joined)
    }

    @Test(arguments: Backend.allCases) func `an API key identifies its owner until it is revoked`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let key = try store.addAPIKey("laptop", hash: "digest", for: ada)
        #expect(try store.apiKey(withHash: "digest")?.owner == ada && store.apiKey(withHash: "other")?.owner == nil)
        let first = try #require(try store.apiKeys(of: ada).first?.lastUsedAt)
        db.advanceClock(by: .seconds(59))
        _ = try store.apiKey(withHash: "digest")
        #expect(try store.apiKeys(of: ada).first?.lastUsedAt == first)
        db.advanceClock(by: .seconds(1))
        _ = try store.apiKey(withHash: "digest")
        #expect(try store.apiKeys(of: ada).first?.lastUsedAt == first, "a minute later")
        db.advanceClock(by: .seconds(1))
        _ = try store.apiKey(withHash: "digest")
        #expect(try store.apiKeys(of: ada).first?.lastUsedAt == first.advanced(by: .seconds(61)))
        #expect(throws: StoreError.notFound(.key)) { try store.revokeAPIKey(key.id, of: bob) }
        try store.revokeAPIKey(key.id, of: ada)
        let revoked = try store.apiKeys(of: ada)
        db.advanceClock(by: .seconds(5))
        try store.revokeAPIKey(key.id, of: ada)
        #expect(try store.apiKeys(of: ada) == revoked && revoked.map(\.name) == ["laptop"] && revoked[0].revokedAt != nil)
        #expect(try store.apiKey(withHash: "digest")?.owner == nil && store.apiKeys(of: bob).isEmpty)
        #expect(throws: StoreError.notFound(.user)) { try store.addAPIKey("x", hash: "y", for: UserID()) }
    }

    @Test(arguments: Backend.allCases) func `two servers share a setting`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), one = try db.store(), two = try db.store()
        #expect(try one.setting("digest") == nil)
        try one.set("digest", to: "first")
        #expect(try two.setting("digest") == "first")
        try two.set("digest", to: "second")
        #expect(try one.setting("digest") == "second")
    }
}
