import Store
import Testing

@Suite struct AdminQueriesTests {
    /// User i has i conversations of i messages each, and i * i generations; user 3 has one more conversation, which is deleted.
    private func filledStore(_ backend: Backend) throws -> (TestDatabase, Store, [UserID], deleted: ConversationID) {
        let db = try TestDatabase(backend), store = try db.store()
        var users: [UserID] = []
        for i in 0..<5 {
            db.advanceClock(by: .seconds(1))
            let name = ["Eve", "dan", "Cid", "bob", "Ada"][i]
            users.append(try store.addUser(name, email: i == 0 ? "eve@example.org" : nil, passwordHash: "secret hash").id)
            for c in 0..<i {
                let chat = try store.createConversation("chat \(i).\(c)", for: users[i]).id
                for m in 0..<i {
                    let generation = Generation(model: "tiny", promptTokens: 2, answerTokens: 3, seconds: 1, reason: "stop")
                    try store.append(NewMessage(.assistant, "message \(m)"), to: chat, of: users[i], generation: generation)
                }
            }
        }
        let deleted = try store.createConversation("deleted", for: users[3], question: NewMessage(.user, "x")).id
        try store.delete(deleted, of: users[3])
        return (db, store, users, deleted)
    }

    @Test(arguments: Backend.allCases) func `totals exclude deleted conversations and revoked keys`(_ backend: Backend) throws {
        let (db, store, users, _) = try filledStore(backend)
        _ = try store.addAPIKey("a", hash: "a", for: users[0])
        try store.revokeAPIKey(store.addAPIKey("b", hash: "b", for: users[0]).id, of: users[0])
        var totals = try store.admin.totals()
        #expect(numbers(totals) == [5, 5, 10, 30, 30, 60, 90, 1])
        db.advanceClock(by: .seconds(90_000))
        try store.signIn(users[1])
        totals = try store.admin.totals()
        #expect(totals.activeLastDay == 1)
        #expect(try numbers(TestDatabase(backend).store().admin.totals()) == [0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Also changes by statements of other programs and by foreign keys.
    @Test(arguments: Backend.allCases) func `counts of users follow all changes`(_ backend: Backend) throws {
        let (db, store, users, _) = try filledStore(backend)
        func expectCounts(_ name: String) throws {
            let counts = try store.userCounts
            #expect(try counts == store.countedUsers && counts.count == store.admin.totals().users, "\(name)")
        }
        try expectCounts("filled")
        for statement in [
            "UPDATE conversations SET message_count = message_count + 2, title = 'new' WHERE message_count > 1",
            "UPDATE conversations SET deleted_at = 1 WHERE message_count = 4", "UPDATE conversations SET owner_id = '\(users[1])'",
            "UPDATE generations SET answer_tokens = 5, reason = 'length'",
            "UPDATE generations SET user_id = NULL WHERE user_id = '\(users[3])'",
            "DELETE FROM conversations WHERE message_count = 5", "DELETE FROM generations WHERE user_id = '\(users[4])'",
        ] {
            _ = try store.sql(statement)
            try expectCounts(statement)
        }
        let before = try store.admin.totals()
        try store.deleteUser(users[1])
        try expectCounts("deleted")
        let after = try store.admin.totals()
        #expect(after.users == 4 && after.conversations == 0 && after.generations == before.generations)
        #expect(after.answerTokens == before.answerTokens)
        db.advanceClock(by: .seconds(91 * 86_400))
        try store.purge()
        #expect(try store.admin.totals().generations == 0)
        try expectCounts("purged")
    }

    private func numbers(_ totals: AdminQueries.Totals) -> [Int] {
        [
            totals.users, totals.activeLastDay, totals.conversations, totals.messages,
            totals.generations, totals.promptTokens, totals.answerTokens, totals.apiKeys,
        ]
    }

    @Test(arguments: Backend.allCases) func `users can be sorted by every key in both directions, and paged`(_ backend: Backend) throws {
        let (_, store, users, _) = try filledStore(backend)
        for column in AdminQueries.UserSortKey.allCases {
            for descending in [false, true] {
                let all = try store.admin.users(sortedBy: column, descending: descending).items.map(\.id)
                // All values increase with i, except the usernames.
                let isIncreasing = (column != .username) != descending
                let isSorted = column == .lastActive ? Set(all) == Set(users) : all == (isIncreasing ? users : users.reversed())
                #expect(isSorted, "\(column) \(descending)")
                let pages = try [0, 2, 4, 6].map { try store.admin.users(sortedBy: column, descending: descending, limit: 2, offset: $0) }
                #expect(pages.flatMap { $0.items.map(\.id) } == all && pages.allSatisfy { $0.total == 5 })
            }
        }
        let four = try #require(try store.admin.users(sortedBy: .messages, descending: true, limit: 1).items.first)
        let user = try #require(try store.user(users[4]))
        #expect(four.id == user.id && four.username == "Ada" && four.email == nil)
        #expect(four.joined == user.createdAt && four.lastActive == user.lastActiveAt)
        #expect([four.conversations, four.messages, four.generations] == [4, 16, 16])
    }

    @Test(arguments: Backend.allCases) func `users are found by a part of their name or email address, in any order`(
        _ backend: Backend
    ) throws {
        let (_, store, users, _) = try filledStore(backend)
        for key in AdminQueries.UserSortKey.allCases {
            func found(_ text: String, limit: Int = 50, offset: Int = 0) throws -> [UserID] {
                let page = try store.admin.users(sortedBy: key, matching: text, limit: limit, offset: offset)
                let count = try store.admin.users(sortedBy: key, matching: text).items.count
                #expect(page.total == count)
                return page.items.map(\.id)
            }
            #expect(try Set(found("DA")) == [users[1], users[4]])
            #expect(try found("@Example.") == [users[0]])
            #expect(try found("%").isEmpty && found("_").isEmpty && found("x'y").isEmpty)
            #expect(try Set(found("d", limit: 2) + found("d", limit: 2, offset: 2)) == [users[1], users[2], users[4]])
        }
        // The figures do not depend on the order that they were computed for.
        for key in AdminQueries.UserSortKey.allCases {
            let all = try store.admin.users(sortedBy: key).items.sorted { $0.username < $1.username }
            #expect(try all == store.admin.users(sortedBy: .messages).items.sorted { $0.username < $1.username }, "\(key)")
        }
    }

    @Test(arguments: Backend.allCases) func `a user's sessions and keys are counted`(_ backend: Backend) throws {
        let (_, store, users, _) = try filledStore(backend)
        _ = try store.addAPIKey("a", hash: "a", for: users[3])
        try store.revokeAPIKey(store.addAPIKey("b", hash: "b", for: users[3]).id, of: users[3])
        let details = try store.admin.user(users[3])
        #expect(details.apiKeys == 1 && details.sessions == 0)
        #expect(try details.activity == store.admin.users(sortedBy: .messages).items.first { $0.id == users[3] })
        #expect(throws: StoreError.notFound(.user)) { try store.admin.user(UserID()) }
    }

    @Test(arguments: Backend.allCases) func `conversations are found by a part of their title or their user's name`(
        _ backend: Backend
    ) throws {
        let (_, store, users, _) = try filledStore(backend)
        #expect(try store.admin.conversations(matching: "CHAT 3.").items.map(\.owner) == Array(repeating: users[3], count: 3))
        #expect(try store.admin.conversations(matching: "CHAT 3.", limit: 1).total == 3)
        #expect(try store.admin.conversations(matching: "BOB").total == 3)
        #expect(try store.admin.conversations(of: users[4], matching: "4.2").items.map(\.conversation.title) == ["chat 4.2"])
        #expect(try store.admin.conversations(of: users[4], matching: "3.2").total == 0)
        for key in AdminQueries.ConversationSortKey.allCases {
            for descending in [false, true] {
                func page(_ offset: Int, _ limit: Int, of user: UserID? = nil, _ text: String? = "B") throws
                    -> AdminQueries.Page<AdminQueries.OwnedConversation> {
                    try store.admin.conversations(
                        of: user, sortedBy: key, descending: descending, matching: text, limit: limit, offset: offset)
                }
                let all = try page(0, 50), parts = try [0, 2, 4, 6].map { try page($0, 2) }
                #expect(parts.flatMap(\.items) == all.items && parts.allSatisfy { $0.total == 3 } && all.items.count == 3, "\(key)")
                #expect(try Set(page(0, 50, nil).items.map(\.conversation.id)).count == 10)
                #expect(try page(0, 50, of: users[3], nil).items == all.items, "\(key)")
            }
        }
    }

    @Test(arguments: Backend.allCases) func `tokens of the last minute are counted apart`(_ backend: Backend) throws {
        let (db, store, users, _) = try filledStore(backend)
        #expect(try store.admin.totals().answerTokensLastMinute == 90)
        db.advanceClock(by: .seconds(61))
        #expect(try store.admin.totals().answerTokensLastMinute == 0)
        let chat = try store.createConversation("new", for: users[0]).id
        let generation = Generation(model: "tiny", promptTokens: 2, answerTokens: 7, seconds: 1, reason: "stop")
        try store.append(NewMessage(.assistant, "x"), to: chat, of: users[0], generation: generation)
        #expect(try store.admin.totals().answerTokensLastMinute == 7)
    }

    @Test(arguments: Backend.allCases) func `conversations of all users can be read, except deleted ones`(_ backend: Backend) throws {
        let (_, store, users, deleted) = try filledStore(backend)
        let all = try store.admin.conversations(limit: 4, offset: 8)
        #expect(all.total == 10 && all.items.count == 2)
        for column in AdminQueries.ConversationSortKey.allCases {
            let messages = try store.admin.conversations(sortedBy: column, descending: true).items.map(\.conversation.messageCount)
            let expected = [[1, 2, 2, 3, 3, 3, 4, 4, 4, 4], [4, 4, 4, 4, 3, 3, 3, 2, 2, 1]]
            #expect(messages == expected[column == .username ? 0 : 1], "\(column)")
        }
        let three = try store.admin.conversations(of: users[3])
        #expect(three.total == 3 && three.items.allSatisfy { $0.owner == users[3] && $0.username == "bob" })
        let chat = try #require(three.items.first).conversation
        #expect(try store.admin.messages(of: chat.id) == store.conversation(chat.id, of: users[3]).1)
        #expect(throws: StoreError.notFound(.conversation)) { try store.admin.messages(of: deleted) }
        #expect(throws: StoreError.notFound(.user)) { try store.admin.conversations(of: UserID()) }
        #expect(try store.admin.conversations(of: users[0]).total == 0)
    }
}
