import AdminAPI
import Dashboard
import Testing

/// What happens while the server cannot be reached, and which requests are sent when.
@Suite struct ConnectionTests {
    private static let gone = AdminError.unreachable(address: "http://127.0.0.1:8000", reason: "Connection refused")
    private static let wrongKey = AdminError.wrongKey(address: "http://127.0.0.1:8000")

    @Test func `the first request is one, so that a wrong key is counted once`() {
        var server = FakeAdminServer(users: 3)
        server.error = Self.wrongKey
        var dashboard = DrivenDashboard(server: server)
        #expect(dashboard.server.queries.count == 1)
        #expect(dashboard.shows("✗ no connection") && dashboard.shows("Next attempt in 10 s") && dashboard.shows("rejects the admin key"))
        dashboard.wait(seconds: 9.5)
        #expect(dashboard.server.queries.count == 1)
        dashboard.wait(seconds: 0.6)
        #expect(dashboard.server.queries.count == 2)
    }

    @Test func `attempts become rarer, r tries at once, and the data stays on the screen`() {
        var dashboard = DrivenDashboard()
        dashboard.server.error = Self.gone
        dashboard.wait(seconds: 6)
        #expect(dashboard.shows("No server at http://127.0.0.1:8000: Connection refused.") || dashboard.shows("no server at"))
        #expect(dashboard.shows("user0") && dashboard.shows("✗ no connection"))
        var gaps: [Int] = []
        for _ in 0..<6 {
            let count = dashboard.server.queries.count
            var seconds = 0
            while dashboard.server.queries.count == count, seconds < 100 {
                dashboard.wait(seconds: 1)
                seconds += 1
            }
            #expect(dashboard.server.queries.count == count + 1)
            gaps.append(seconds)
        }
        #expect(gaps == [1, 2, 4, 8, 15, 30])
        let count = dashboard.server.queries.count
        dashboard.press(.text("r"))
        #expect(dashboard.server.queries.count == count + 1)
        dashboard.server.error = nil
        dashboard.press(.text("r"))
        #expect(dashboard.shows("Connected again.") && dashboard.shows("● ready"))
    }

    @Test func `keys work while a request waits, and it is not sent twice`() {
        var dashboard = DrivenDashboard()
        dashboard.isAnswering = false
        dashboard.wait(seconds: 6)
        let count = dashboard.unanswered.count
        #expect(count > 0)
        dashboard.wait(seconds: 6)
        #expect(dashboard.unanswered.count == count)
        dashboard.press(.down, .text("?"), .escape, .text("2"), .end)
        #expect(dashboard.selected?.hasPrefix(" user4 ") == true || dashboard.shows("Loading…"))
        dashboard.press(.text("q"))
        #expect(dashboard.hasQuit)
    }

    @Test func `a response for an earlier order or another screen changes nothing`() {
        var dashboard = DrivenDashboard(users: 30)
        dashboard.press(.text("2"))
        dashboard.isAnswering = false
        dashboard.press(.text("s"))
        let earlier = dashboard.unanswered
        dashboard.isAnswering = true
        dashboard.press(.text("s"))
        #expect(dashboard.selected?.hasPrefix(" user29 ") == true)
        for query in earlier { dashboard.send(.loaded(query, dashboard.server.answer(to: query))) }
        #expect(dashboard.selected?.hasPrefix(" user29 ") == true)
    }

    @Test func `screens refresh by themselves, except what the server writes into its audit log`() {
        var dashboard = DrivenDashboard()
        dashboard.server.people[0].messages = 77
        dashboard.wait(seconds: 6)
        #expect(dashboard.selected?.contains("77") == true)
        func conversationQueries() -> Int {
            dashboard.server.queries.count { if case .conversations = $0 { true } else { false } }
        }
        dashboard.press(.text("3"))
        var count = conversationQueries()
        dashboard.wait(seconds: 60)
        #expect(conversationQueries() == count)
        dashboard.press(.text("r"))
        #expect(conversationQueries() == count + 1)
        // A user's list is loaded again when the user's figures have changed.
        dashboard.press(.text("2"), .enter)
        count = conversationQueries()
        dashboard.wait(seconds: 6)
        #expect(conversationQueries() == count)
        dashboard.server.people[0].messages += 2
        dashboard.wait(seconds: 6)
        #expect(conversationQueries() == count + 1)
    }

    @Test func `the selection stays on its user when a refresh moves the rows`() {
        var dashboard = DrivenDashboard(users: 30)
        dashboard.press(.text("2"), .down, .down)
        dashboard.server.people.insert(FakeAdminServer.Person(name: "new"), at: 0)
        dashboard.wait(seconds: 6)
        #expect(dashboard.selected?.hasPrefix(" user2 ") == true && dashboard.shows("new"))
    }

    @Test func `a question is about the user that was selected when it was asked`() {
        var dashboard = DrivenDashboard(users: 30)
        dashboard.press(.text("2"), .down, .text("d"))
        dashboard.server.people.reverse()
        dashboard.wait(seconds: 6)
        dashboard.press(.text("y"))
        #expect(dashboard.server.actions == [.setDisabled(true, id: "id-user1", name: "user1")])
    }

    @Test func `a rejected change is reported, and the next one is possible`() {
        var dashboard = DrivenDashboard()
        dashboard.server.error = .rejected(status: 422, message: "Not now.")
        dashboard.press(.text("d"), .text("y"))
        #expect(dashboard.shows("Not now."))
        dashboard.server.error = nil
        dashboard.press(.text("d"), .text("y"))
        #expect(dashboard.server.actions.count == 2 && dashboard.shows("User0 is disabled."))
    }

    @Test func `a query that is rejected is not repeated at once`() {
        var dashboard = DrivenDashboard()
        dashboard.server.error = .rejected(status: 422, message: "search: expected less.")
        dashboard.press(.text("2"))
        let count = dashboard.server.queries.count
        #expect(dashboard.shows("Search: expected less."))
        dashboard.wait(seconds: 1)
        #expect(dashboard.server.queries.count == count)
    }
}
