import Store
import Testing

@Suite struct AdministrationTests {
    /// User i has i conversations of i messages each, and i * i answers; user 3 has one more conversation, which is deleted.
    private func filled(_ backend: Backend) throws -> (Place, Store, [UserID], deleted: ConversationID) {
        let place = try Place(backend), store = try place.store()
        var users: [UserID] = []
        for i in 0..<5 {
            place.wait(.seconds(1))
            users.append(try store.addUser(["Eve", "dan", "Cid", "bob", "Ada"][i], email: i == 0 ? "eve@example.org" : nil, passwordHash: "secret hash").id)
            for c in 0..<i {
                let chat = try store.createConversation("chat \(i).\(c)", for: users[i]).0.id
                for m in 0..<i {
                    let took = Generation(model: "tiny", promptTokens: 2, answerTokens: 3, seconds: 1, reason: "stop")
                    try store.append(Draft(.assistant, "message \(m)"), to: chat, of: users[i], generation: took)
                }
            }
        }
        let deleted = try store.createConversation("deleted", for: users[3], question: Draft(.user, "x")).0.id
        try store.delete(deleted, of: users[3])
        return (place, store, users, deleted)
    }

    @Test(arguments: Backend.allCases) func `totals count what is there`(_ backend: Backend) throws {
        let (place, store, users, _) = try filled(backend)
        _ = try store.addAPIKey("a", hash: "a", for: users[0])
        try store.revokeAPIKey(store.addAPIKey("b", hash: "b", for: users[0]).id, of: users[0])
        var totals = try store.administration.totals()
        #expect(numbers(totals) == [5, 5, 10, 30, 30, 60, 90, 1])
        place.wait(.seconds(90_000))
        try store.noteActivity(of: users[1])
        totals = try store.administration.totals()
        #expect(totals.activeLastDay == 1)
        #expect(try numbers(Place(backend).store().administration.totals()) == [0, 0, 0, 0, 0, 0, 0, 0])
    }

    private func numbers(_ totals: Administration.Totals) -> [Int] {
        [totals.users, totals.activeLastDay, totals.conversations, totals.messages, totals.generations, totals.promptTokens, totals.answerTokens, totals.apiKeys]
    }

    @Test(arguments: Backend.allCases) func `users are sorted by any column, both ways, and paged`(_ backend: Backend) throws {
        let (_, store, users, _) = try filled(backend)
        for column in Administration.UserColumn.allCases {
            for descending in [false, true] {
                let all = try store.administration.users(sortedBy: column, descending: descending).items.map(\.id)
                // Everything rises with i but the names.
                let rises = (column != .username) != descending
                let isSorted = column == .lastActive ? Set(all) == Set(users) : all == (rises ? users : users.reversed())
                #expect(isSorted, "\(column) \(descending)")
                let pages = try [0, 2, 4, 6].map { try store.administration.users(sortedBy: column, descending: descending, limit: 2, offset: $0) }
                #expect(pages.flatMap { $0.items.map(\.id) } == all && pages.allSatisfy { $0.total == 5 })
            }
        }
        let four = try #require(try store.administration.users(sortedBy: .messages, descending: true, limit: 1).items.first)
        let user = try #require(try store.user(users[4]))
        #expect(four.id == user.id && four.username == "Ada" && four.email == nil && four.joined == user.createdAt && four.lastActive == user.lastActiveAt)
        #expect([four.conversations, four.messages, four.generations] == [4, 16, 16])
    }

    @Test(arguments: Backend.allCases) func `everybody's conversations can be read, but not deleted ones`(_ backend: Backend) throws {
        let (_, store, users, deleted) = try filled(backend)
        let all = try store.administration.conversations(limit: 4, offset: 8)
        #expect(all.total == 10 && all.items.count == 2)
        for column in Administration.ConversationColumn.allCases {
            let messages = try store.administration.conversations(sortedBy: column, descending: true).items.map(\.conversation.messageCount)
            let wanted = [[1, 2, 2, 3, 3, 3, 4, 4, 4, 4], [4, 4, 4, 4, 3, 3, 3, 2, 2, 1]]
            #expect(messages == wanted[column == .username ? 0 : 1], "\(column)")
        }
        let three = try store.administration.conversations(of: users[3])
        #expect(three.total == 3 && three.items.allSatisfy { $0.owner == users[3] && $0.username == "bob" })
        let chat = try #require(three.items.first).conversation
        #expect(try store.administration.messages(of: chat.id) == store.conversation(chat.id, of: users[3]).1)
        #expect(throws: StoreError.notFound(.conversation)) { try store.administration.messages(of: deleted) }
        #expect(throws: StoreError.notFound(.user)) { try store.administration.conversations(of: UserID()) }
        #expect(try store.administration.conversations(of: users[0]).total == 0)
    }
}
