import Store
import Testing

@Suite struct UserTests {
    @Test(arguments: Backend.allCases) func `a name is one name in small and capital letters`(_ backend: Backend) throws {
        let store = try Place(backend).store()
        let user = try store.addUser("Zoë.Ünlü", email: "zoe@example.org", passwordHash: "$2b$12$hash")
        #expect(try store.user(named: "zoË.üNLÜ") == user)
        #expect(try store.user(user.id) == user && user.username == "Zoë.Ünlü" && user.email == "zoe@example.org")
        #expect(throws: StoreError.taken(username: "ZOË.ÜNLÜ")) { try store.somebody("ZOË.ÜNLÜ") }
        #expect(try store.user(named: "Zoe") == nil && store.user(UserID()) == nil)
    }

    @Test(arguments: Backend.allCases) func `whatever is typed comes back, and finds only itself`(_ backend: Backend) throws {
        let store = try Place(backend).store()
        let names = ["'; DROP TABLE users; --", "%", "_", "\\", "\"", "$1", "a\u{0}b", "", "🧑‍🚀", "\u{202E}x", "İ", String(repeating: "é", count: 127)]
        for name in names { _ = try store.somebody(name) }
        for name in names { #expect(try store.user(named: name)?.username == name.replacing("\u{0}", with: "\u{FFFD}")) }
        #expect(try store.administration.totals().users == names.count)
        #expect(throws: StoreError.tooLong(what: "a name", limit: 255)) { try store.somebody(String(repeating: "é", count: 128)) }
    }

    @Test(arguments: Backend.allCases) func `who was here last is known`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store(), ada = try store.somebody("ada")
        let joined = try #require(try store.user(ada)).lastActiveAt
        place.wait(.seconds(100))
        try store.noteActivity(of: ada)
        #expect(try store.user(ada)?.lastActiveAt == joined.advanced(by: .seconds(100)))
        #expect(try store.user(ada)?.createdAt == joined)
    }

    @Test(arguments: Backend.allCases) func `a key speaks for its owner until it is revoked`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store(), ada = try store.somebody("ada"), bob = try store.somebody("bob")
        let key = try store.addAPIKey("laptop", hash: "digest", for: ada)
        #expect(try store.owner(ofAPIKeyWithHash: "digest") == ada && store.owner(ofAPIKeyWithHash: "other") == nil)
        let first = try #require(try store.apiKeys(of: ada).first?.lastUsedAt)
        place.wait(.seconds(59))
        _ = try store.owner(ofAPIKeyWithHash: "digest")
        #expect(try store.apiKeys(of: ada).first?.lastUsedAt == first)
        place.wait(.seconds(2))
        _ = try store.owner(ofAPIKeyWithHash: "digest")
        #expect(try store.apiKeys(of: ada).first?.lastUsedAt == first.advanced(by: .seconds(61)))
        #expect(throws: StoreError.notFound(.key)) { try store.revokeAPIKey(key.id, of: bob) }
        try store.revokeAPIKey(key.id, of: ada)
        let revoked = try store.apiKeys(of: ada)
        place.wait(.seconds(5))
        try store.revokeAPIKey(key.id, of: ada)
        #expect(try store.apiKeys(of: ada) == revoked && revoked.map(\.name) == ["laptop"] && revoked[0].revokedAt != nil)
        #expect(try store.owner(ofAPIKeyWithHash: "digest") == nil && store.apiKeys(of: bob).isEmpty)
        #expect(throws: StoreError.notFound(.user)) { try store.addAPIKey("x", hash: "y", for: UserID()) }
    }

    @Test(arguments: Backend.allCases) func `of two servers that make a secret, both use the first`(_ backend: Backend) throws {
        let place = try Place(backend), one = try place.store(), two = try place.store()
        #expect(try one.setting("secret") == nil)
        #expect(try one.setting("secret", orStore: "first") == "first" && two.setting("secret", orStore: "second") == "first")
        try two.set("secret", to: "third")
        #expect(try one.setting("secret") == "third")
    }
}
