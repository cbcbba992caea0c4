import Store
import TestSupport
import Testing

@Suite struct ResponseTests {
    private func response(_ text: String, after previous: StoredResponse? = nil) -> StoredResponse {
        StoredResponse(ResponseID(), after: previous?.id, input: #"["\#(text)"]"#, response: #"{"output":"\#(text)"}"#)
    }

    /// Responses without the time at which they were stored.
    private func texts(_ responses: [StoredResponse]) -> [String] { responses.map(\.input) }

    @Test(arguments: Backend.allCases) func `a response is found with all that it continues`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        let first = response("1\0é"), second = response("2", after: first), branch = response("3", after: first)
        for stored in [first, second, branch] { try store.add(stored, of: ada) }
        try store.add(second, of: ada)                           // repeated after a lost connection
        let found = try store.response(first.id, of: ada)
        #expect(found.input == "[\"1\u{FFFD}é\"]" && found.response == "{\"output\":\"1\u{FFFD}é\"}" && found.previous == nil)
        #expect(try texts(store.responses(through: second.id, of: ada)) == [found.input, second.input])
        #expect(try texts(store.responses(through: branch.id, of: ada)) == [found.input, branch.input])
        #expect(try store.responses(through: branch.id, of: ada).last?.previous == first.id)
        try store.deleteResponse(second.id, of: ada)
        #expect(throws: StoreError.notFound(.response)) { try store.deleteResponse(second.id, of: ada) }
        #expect(try texts(store.responses(through: branch.id, of: ada)) == [found.input, branch.input])
        try store.deleteResponse(first.id, of: ada)
        #expect(try store.response(branch.id, of: ada).input == branch.input)
        #expect(throws: StoreError.notFound(.response)) { try store.responses(through: branch.id, of: ada) }
    }

    @Test(arguments: Backend.allCases) func `responses belong to their account, and are deleted with it`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), eve = try store.addTestUser("eve")
        let stored = response("x")
        try store.add(stored, of: ada)
        for call in [
            { _ = try store.response(stored.id, of: eve) }, { _ = try store.responses(through: stored.id, of: eve) },
            { try store.deleteResponse(stored.id, of: eve) },
        ] { #expect(throws: StoreError.notFound(.response)) { try call() } }
        #expect(try store.responses(of: eve, limit: 10).isEmpty && store.responses(of: ada, limit: 10).count == 1)
        try store.deleteUser(ada)
        #expect(try store.sql("SELECT count(*) FROM responses") == [[.integer(0)]])
        #expect(throws: StoreError.notFound(.user)) { try store.add(response("x"), of: ada) }
    }

    @Test(arguments: Backend.allCases) func `old responses are deleted, and the oldest of many`(_ backend: Backend) throws {
        let database = try TestDatabase(backend), ada: UserID, bob: UserID
        let size = response("x").input.count + response("x").response.count
        let store = try database.store { $0.maxStoredCharacters = 3 * size }
        (ada, bob) = (try store.addTestUser("ada"), try store.addTestUser("bob"))
        try store.add(response("b"), of: bob)
        for text in ["1", "2", "3", "4", "5"] {
            database.advanceClock(by: .seconds(60))
            try store.add(response(text), of: ada)
        }
        func all(_ user: UserID) throws -> [String] { try texts(store.responses(of: user, limit: 100)) }
        #expect(try all(ada) == [#"["3"]"#, #"["4"]"#, #"["5"]"#] && all(bob) == [#"["b"]"#])
        let page = try store.responses(of: ada, limit: 2)
        #expect(try texts(page) == [#"["3"]"#, #"["4"]"#] && texts(store.responses(of: ada, after: page.last, limit: 2)) == [#"["5"]"#])
        database.advanceClock(by: .seconds(30 * 86_400 - 60))
        try store.purge()
        #expect(try all(ada) == [#"["5"]"#] && all(bob).isEmpty)
    }
}
