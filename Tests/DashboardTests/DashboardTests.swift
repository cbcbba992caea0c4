import AdminAPI
import Dashboard
import Testing

/// Keys and screens.
@Suite struct DashboardTests {
    @Test func `the overview shows figures, meters and users`() {
        let dashboard = DrivenDashboard()
        #expect(dashboard.line(0).hasPrefix(" slm admin  127.0.0.1:8000"))
        #expect(dashboard.line(0).hasSuffix("● ready · tiny · slm 9.9 · up 2 h 0 min"))
        #expect(dashboard.line(1) == "  1 Overview   2 Users   3 Conversations   4 Server   5 Audit")
        for text in ["1,234,567", "12.5", "3 + 5", "512 MB", "3/4", "5/256", "tiny, context 1,024", "Users 5", "by last active ↓"] {
            #expect(dashboard.shows(text), "\(text)")
        }
        #expect(dashboard.shows("3 d ago") && dashboard.shows("3 min ago"))
        #expect(dashboard.selected?.hasPrefix(" user0 ") == true)
        #expect(dashboard.line(23).hasSuffix("? help  q quit"))
    }

    @Test func `tab, shift-tab, arrows, digits and clicks switch screens`() {
        var dashboard = DrivenDashboard()
        let marks = ["Tokens/s", "Users 5", "Rain 0", "Health", "Audit log"]
        for step in 0..<6 {
            #expect(dashboard.shows(marks[step % 5]), "\(step)")
            dashboard.press(step % 2 == 0 ? .tab : .right)
        }
        for step in [0, 4, 3, 2, 1] {
            dashboard.press(step % 2 == 0 ? .backTab : .left)
            #expect(dashboard.shows(marks[step]), "\(step)")
        }
        for (digit, mark) in zip(["5", "4", "3", "2", "1"], marks.reversed()) {
            dashboard.press(.text(digit))
            #expect(dashboard.shows(mark))
        }
        dashboard.press(.click(row: 1, column: 42))
        #expect(dashboard.shows("Health"))
        dashboard.press(.text("6"), .text("0"))
        #expect(dashboard.shows("Health"))
    }

    @Test func `movement keys select rows and scroll`() {
        var dashboard = DrivenDashboard(users: 100)
        dashboard.press(.text("2"))
        func name() -> String { dashboard.selected?.split(separator: " ").first.map(String.init) ?? "" }
        #expect(name() == "user0")
        for (key, expected) in [
            (DashboardKey.down, "user1"), (.text("j"), "user2"), (.up, "user1"), (.text("k"), "user0"), (.up, "user0"),
            (.end, "user99"), (.down, "user99"), (.home, "user0"), (.text("G"), "user99"), (.text("g"), "user0"),
            (.wheelDown, "user3"), (.wheelUp, "user0"), (.pageDown, "user19"), (.text(" "), "user38"), (.pageUp, "user19"),
        ] {
            dashboard.press(key)
            #expect(name() == expected, "\(key)")
        }
        dashboard.press(.home, .click(row: 7, column: 5))
        #expect(name() == "user3")
        dashboard.press(.click(row: 7, column: 5))
        #expect(dashboard.shows("API keys"))
        dashboard.press(.escape)
        #expect(name() == "user3")
    }

    @Test func `a table of 100,000 users loads pages around the visible rows only`() {
        var dashboard = DrivenDashboard(users: 100_000, rows: 50, columns: 200)
        dashboard.press(.text("2"))
        #expect(dashboard.shows("Users 1–45 of 100,000"))
        dashboard.press(.end)
        #expect(dashboard.selected?.hasPrefix(" user99999 ") == true)
        for _ in 0..<30 { dashboard.press(.pageUp) }
        #expect(dashboard.selected?.hasPrefix(" user98649 ") == true)
        var offsets: Set<Int> = []
        for case .users(let list) in dashboard.server.queries {
            #expect(list.limit <= 200)
            offsets.insert(list.offset)
        }
        #expect(offsets.count < 25)
    }

    @Test func `rows that are not loaded yet are dots, and other keys work meanwhile`() {
        var dashboard = DrivenDashboard(users: 1_000)
        dashboard.press(.text("2"))
        dashboard.isAnswering = false
        dashboard.press(.end)
        #expect(dashboard.selected?.trimmed.hasPrefix("…") == true)
        dashboard.press(.text("4"))
        #expect(dashboard.shows("Health"))
        dashboard.press(.text("2"))
        dashboard.answerHeldBack()
        #expect(dashboard.selected?.hasPrefix(" user999 ") == true)
    }

    @Test func `keys that are pressed while a screen loads wait for its rows`() {
        var dashboard = DrivenDashboard(users: 300)
        dashboard.isAnswering = false
        dashboard.press(.text("2"), .down, .down, .enter)
        #expect(!dashboard.shows("API keys"))
        dashboard.answerHeldBack()
        #expect(dashboard.shows("Name        user2"))
        dashboard.press(.escape)
        // The conversation that Enter opens is loading, too.
        dashboard.isAnswering = false
        dashboard.press(.text("S"), .down, .enter, .down, .enter)
        dashboard.answerHeldBack()
        #expect(dashboard.shows("Rain 1") && dashboard.shows("Because of clouds."))
        // A filter is typed while rows load.
        dashboard.press(.text("2"))
        dashboard.isAnswering = false
        dashboard.press(.text("s"), .end, .text("/"))
        dashboard.type("user29")
        dashboard.press(.enter, .down, .enter)
        dashboard.answerHeldBack()
        dashboard.wait(seconds: 1)
        #expect(dashboard.shows("Name        user29"))
    }

    @Test func `waiting keys neither answer a question nor outlive their screen`() {
        var dashboard = DrivenDashboard(users: 300)
        dashboard.isAnswering = false
        dashboard.press(.text("2"), .text("D"), .text("y"))
        dashboard.answerHeldBack()
        #expect(dashboard.server.actions.isEmpty && dashboard.shows("Delete"))
        dashboard.press(.escape)
        dashboard.isAnswering = false
        dashboard.press(.text("3"), .enter, .text("2"))
        dashboard.answerHeldBack()
        #expect(!dashboard.shows("by user") && dashboard.selected?.hasPrefix(" user0 ") == true)
        dashboard.isAnswering = false
        dashboard.press(.text("S"), .text("d"))
        dashboard.server.error = .unreachable(address: "http://127.0.0.1:8000", reason: "Connection refused")
        dashboard.answerHeldBack()
        dashboard.server.error = nil
        dashboard.press(.text("r"))
        #expect(dashboard.shows("● ready") && !dashboard.shows("Disable user") && dashboard.server.actions.isEmpty)
    }

    @Test func `pasted text is typed into the filter, and is no key elsewhere`() {
        var dashboard = DrivenDashboard()
        dashboard.press(.paste("Dy\nq"))
        #expect(dashboard.server.actions.isEmpty && !dashboard.hasQuit && dashboard.shows("Pasted text is ignored."))
        dashboard.press(.text("2"), .text("/"), .paste("us\ner3\t"), .enter)
        #expect(dashboard.selected?.hasPrefix(" user3 ") == true && !dashboard.shows("user2"))
        dashboard.press(.text("D"), .paste("y"))
        #expect(dashboard.server.actions.isEmpty)
    }

    @Test func `the server screen lists all servers that share the database`() {
        var server = FakeAdminServer(users: 3)
        server.replicas = ["alpha:8000", "beta:8000"]
        for (rows, columns) in [(10, 40), (24, 80), (50, 200)] {
            var dashboard = DrivenDashboard(rows: rows, columns: columns, server: server)
            #expect(columns < 80 || dashboard.shows("7 + 10"))
            dashboard.press(.text("4"))
            let lines = dashboard.screen.split(separator: "\n")
            for (name, running, seen) in [("alpha:8000", "3/4", "0 s ago"), ("beta:8000", "4/4", "1 s ago")] {
                let line = lines.first { $0.contains(name) } ?? ""
                #expect(line.contains(running) && (columns < 80 || line.contains(seen)), "\(columns): \(line)")
                #expect(line.contains("tiny") == (columns >= 80) && line.contains("9.") == (columns >= 80), "\(line)")
            }
        }
    }

    @Test func `enter opens a user and a conversation, escape goes back to the same row`() {
        var dashboard = DrivenDashboard()
        dashboard.press(.down, .down, .enter)
        for text in ["Name        user2", "State       enabled", "Sessions    1", "API keys    4", "Conversations 2", "› user2"] {
            #expect(dashboard.shows(text), "\(text)")
        }
        dashboard.press(.down, .enter)
        for text in ["Rain 1", "by user2 · 2 messages · created 2 h ago", "▌ user", "Why does it rain?", "Because of clouds."] {
            #expect(dashboard.shows(text), "\(text)")
        }
        dashboard.press(.text("u"))
        #expect(dashboard.shows("API keys") && dashboard.selected?.contains("Rain 1") == true)
        dashboard.press(.escape)
        #expect(dashboard.selected?.hasPrefix(" user2 ") == true)
        dashboard.press(.escape)
        #expect(dashboard.selected?.hasPrefix(" user2 ") == true && !dashboard.hasQuit)
        dashboard.press(.text("3"), .text("u"))
        #expect(dashboard.shows("Name        user0"))
        dashboard.press(.text("5"), .enter)
        #expect(dashboard.shows("Name        user1"))
    }

    @Test func `the sort order changes, is shown and can be reversed`() {
        var dashboard = DrivenDashboard(users: 30)
        dashboard.press(.text("2"))
        for order in ["name ↑", "messages ↓", "conversations ↓", "generations ↓", "tokens ↓", "joined ↓", "last active ↓"] {
            dashboard.press(.text("s"))
            #expect(dashboard.line(2).hasSuffix("by \(order)"))
            if order == "messages ↓" { #expect(dashboard.selected?.hasPrefix(" user29 ") == true && dashboard.shows("MSGS▼")) }
        }
        dashboard.press(.text("s"), .text("s"), .text("S"))
        #expect(dashboard.line(2).hasSuffix("by messages ↑") && dashboard.selected?.hasPrefix(" user0 ") == true)
        let header = dashboard.line(3)
        let column = header.distance(from: header.startIndex, to: header.firstRange(of: "MSGS")?.lowerBound ?? header.startIndex)
        dashboard.press(.click(row: 3, column: column))
        #expect(dashboard.line(2).hasSuffix("by messages ↓"))
    }

    @Test func `the filter is applied after a pause in typing, and escape restores the previous one`() {
        var dashboard = DrivenDashboard(users: 30)
        dashboard.press(.text("2"), .text("/"))
        dashboard.type("user2")
        #expect(dashboard.line(23).hasPrefix(" Filter: user2") && dashboard.shows("Users 1–19 of 30"))
        #expect(dashboard.state.grid().cursor?.column == 14)
        dashboard.wait(seconds: 0.3)
        #expect(dashboard.shows("Users 11") && dashboard.shows("filter: user2"))
        dashboard.press(.backspace, .left, .text("x"), .enter)
        #expect(dashboard.shows("Nothing contains 'usexr'. Esc removes the filter."))
        dashboard.press(.escape)
        #expect(dashboard.shows("Users 1–19 of 30"))
        dashboard.press(.text("/"))
        dashboard.type("user7")
        dashboard.wait(seconds: 1)
        #expect(dashboard.shows("Users 1 "))
        dashboard.press(.escape)
        #expect(dashboard.shows("Users 1–19 of 30") && !dashboard.shows("Filter:"))
        // Letters of the filter are not commands.
        dashboard.press(.text("/"), .text("q"), .text("?"), .text("d"))
        #expect(!dashboard.hasQuit && dashboard.line(23).hasPrefix(" Filter: q?d"))
    }

    @Test(arguments: [DashboardKey.text("d"), .text("p"), .text("e"), .text("K"), .text("D")])
    func `a change of an account asks first, and no is the default`(key: DashboardKey) {
        for refusal in [[DashboardKey.enter], [.escape], [.text("n")], [.right, .left, .enter]] {
            var dashboard = DrivenDashboard()
            dashboard.press(.down, key)
            #expect(dashboard.shows("user1?") || dashboard.shows("user1 out everywhere?"), "\(dashboard.screen)")
            for key in refusal { dashboard.press(key) }
            #expect(dashboard.server.actions.isEmpty && !dashboard.shows("n No"))
        }
        for consent in [[DashboardKey.text("y")], [.right, .enter], [.tab, .enter]] {
            var dashboard = DrivenDashboard()
            dashboard.press(.down, key)
            for key in consent { dashboard.press(key) }
            #expect(dashboard.server.actions.count == 1)
        }
    }

    @Test func `disabling and enabling are shown in the table and on the user's screen`() {
        var dashboard = DrivenDashboard()
        dashboard.press(.text("2"), .text("d"), .text("y"))
        #expect(dashboard.server.actions == [.setDisabled(true, id: "id-user0", name: "user0")])
        #expect(dashboard.shows("User0 is disabled.") && dashboard.shows("user0 ✗") && dashboard.line(23).contains("d enable"))
        dashboard.press(.enter)
        #expect(dashboard.shows("State       disabled"))
        dashboard.press(.text("d"), .text("y"))
        #expect(dashboard.server.actions.last == .setDisabled(false, id: "id-user0", name: "user0"))
        #expect(dashboard.shows("State       enabled"))
    }

    @Test func `the code for a new password is shown until it is closed`() {
        var dashboard = DrivenDashboard()
        dashboard.press(.text("p"), .text("y"))
        #expect(dashboard.shows("Code for user0") && dashboard.shows("abcd-efgh") && dashboard.shows("Valid until 2026-11-28"))
        dashboard.press(.text("x"), .text("d"), .down)
        #expect(dashboard.shows("abcd-efgh"))
        dashboard.press(.enter)
        #expect(!dashboard.shows("abcd-efgh"))
    }

    @Test func `a deleted user's screen closes`() {
        var dashboard = DrivenDashboard()
        dashboard.press(.text("2"), .enter, .text("D"), .text("y"))
        #expect(dashboard.shows("User0 is deleted.") && dashboard.shows("Users 4"))
        dashboard.press(.enter)
        dashboard.server.people.removeAll { $0.name == "user1" }
        dashboard.wait(seconds: 6)
        #expect(dashboard.shows("This user no longer exists.") && dashboard.shows("Users 3"))
    }

    @Test func `help lists every key and closes with any other key`() {
        var dashboard = DrivenDashboard()
        dashboard.press(.text("?"))
        for key in ["Tab", "Enter", "Esc", "sort", "filter", "refresh", "disable", "password", "quit"] {
            #expect(dashboard.shows(key) || key == "sort", "\(key)")
        }
        dashboard.press(.text("d"))
        #expect(!dashboard.shows("Ctrl-L") && dashboard.server.actions.isEmpty && !dashboard.shows("Disable"))
        var low = DrivenDashboard(rows: 10, columns: 40)
        low.press(.text("?"))
        #expect(!low.shows("Ctrl-C"))
        low.press(.end)
        #expect(low.shows("Ctrl-C"))
    }

    @Test func `q quits, control-L redraws, m changes the mouse`() {
        var dashboard = DrivenDashboard()
        dashboard.press(.control("l"), .text("m"), .text("m"))
        #expect(dashboard.otherEffects == [.redraw, .useMouse(false), .useMouse(true)] && !dashboard.hasQuit)
        dashboard.press(.text("q"))
        #expect(dashboard.hasQuit)
    }

    @Test func `the server screen has health, queue, errors and limits, and scrolls`() {
        var dashboard = DrivenDashboard(rows: 50)
        dashboard.press(.text("4"))
        for text in [
            "✓ ready", "✗ failing", "3 of 4", "5 of 256", "7 × 500", "POST /api/chat", "Chats per minute", "none", "50.0 % of a core",
        ] {
            #expect(dashboard.shows(text), "\(text)")
        }
        dashboard.send(.resized(rows: 10, columns: 40))
        #expect(dashboard.shows("Health") && !dashboard.shows("Guests"))
        dashboard.press(.end)
        #expect(dashboard.shows("Guests") && !dashboard.shows("Health"))
        dashboard.press(.home, .down)
        #expect(!dashboard.shows("Health") && dashboard.shows("✓ ready"))
    }

    @Test func `a long conversation is loaded in parts, wrapped, scrolled and searched`() {
        var server = FakeAdminServer(users: 1)
        server.messages = (0..<450).map { ($0 % 2 == 0 ? "user" : "assistant", "message \($0) " + String(repeating: "word ", count: 30)) }
        var dashboard = DrivenDashboard(server: server)
        dashboard.press(.enter, .enter)
        let offsets = dashboard.server.queries.compactMap { if case .messages(_, let offset) = $0 { offset } else { nil } }
        #expect(offsets == [0, 200, 400])
        #expect(dashboard.shows("message 0") && !dashboard.shows("message 449"))
        dashboard.press(.end)
        #expect(dashboard.shows("message 449") && !dashboard.shows("message 0 "))
        dashboard.press(.text("/"))
        dashboard.type("MESSAGE 123 ")
        dashboard.press(.enter)
        #expect(dashboard.line(2).contains("message 123"))
        dashboard.press(.text("/"))
        for _ in 0..<12 { dashboard.press(.backspace) }
        dashboard.type("nothing like it")
        dashboard.press(.enter)
        #expect(dashboard.shows("'nothing like it' was not found."))
        dashboard.press(.home)
        dashboard.press(.pageDown, .pageUp, .down, .up)
        #expect(dashboard.shows("message 0"))
        // Reading is in the server's audit log, so it is not repeated by itself.
        let count = dashboard.server.queries.count { if case .messages = $0 { true } else { false } }
        dashboard.wait(seconds: 20)
        #expect(dashboard.server.queries.count { if case .messages = $0 { true } else { false } } == count)
    }

    @Test(arguments: [(10, 40), (24, 80), (50, 200), (10, 200), (50, 40), (13, 71), (19, 119), (18, 76)])
    func `every screen fits its size, and no row is wider`(rows: Int, columns: Int) {
        var server = FakeAdminServer(users: 60)
        server.people[0].name = "日本語の名前がとても長いユーザーです日本語の名前がとても長い"
        server.people[1].name = "\u{1B}[31m\u{202E}evil\u{7}" + String(repeating: "x", count: 100)
        server.title = "🎉👩‍👩‍👧 e\u{301}e\u{301} \u{1B}]0;x\u{7}"
        server.messages = [("user", "\u{1B}[2J\u{9B}1m日本語🎉 " + String(repeating: "長", count: 300)), ("assistant", "a\tb\r\nc")]
        var dashboard = DrivenDashboard(rows: rows, columns: columns, server: server)
        func check(_ name: String) {
            let grid = dashboard.state.grid()
            #expect(grid.cells.count == rows * columns)
            for row in 0..<rows {
                let cells = grid.cells[row * columns..<(row + 1) * columns]
                // A wide character has a second half, and every second half belongs to one.
                for (index, cell) in cells.enumerated() {
                    let isSecond = cell.columns == 0
                    let follows = index > 0 && cells[cells.startIndex + index - 1].columns == 2
                    #expect(isSecond == follows, "\(name) row \(row) column \(index)")
                }
                #expect(cells.last?.columns != 2)
                #expect(!grid.text(ofRow: row).unicodeScalars.contains { $0.value < 32 || $0.value == 0x202E || 0x7F...0x9F ~= $0.value })
            }
            // In the lowest window, a question covers the line of keys.
            #expect(["q quit", "Filter", "└"].contains { grid.text(ofRow: rows - 1).contains($0) }, "\(name)")
        }
        for tab in 1...5 {
            dashboard.press(.text("\(tab)"))
            check("tab \(tab)")
            dashboard.press(.end)
            check("tab \(tab) end")
        }
        dashboard.press(.text("2"), .enter)
        check("user")
        #expect(dashboard.selected != nil, "the conversations of a user are visible")
        dashboard.press(.enter)
        check("conversation")
        dashboard.press(.end, .escape, .text("d"))
        check("question")
        #expect(dashboard.shows("y Yes") && dashboard.shows("n No"))
        dashboard.press(.escape, .text("p"), .text("y"))
        #expect(dashboard.shows("abcd-efgh") && dashboard.shows("Close"))
        check("code")
        dashboard.press(.enter, .text("?"))
        check("help")
        dashboard.press(.escape, .escape, .text("/"))
        dashboard.type("日本語" + String(repeating: "長い", count: 40))
        check("filter")
    }

    @Test func `resizing keeps the selection visible, and a window that is too small says so`() {
        var dashboard = DrivenDashboard(users: 100, rows: 50, columns: 200)
        dashboard.press(.text("2"))
        for _ in 0..<40 { dashboard.press(.down) }
        for (rows, columns) in [(24, 80), (10, 40), (50, 200)] {
            dashboard.send(.resized(rows: rows, columns: columns))
            #expect(dashboard.selected?.hasPrefix(" user40 ") == true, "\(rows)×\(columns)")
        }
        for (rows, columns) in [(9, 80), (24, 39), (1, 1), (3, 10)] {
            dashboard.send(.resized(rows: rows, columns: columns))
            dashboard.press(.down, .enter, .tab, .text("?"), .escape)
            #expect(dashboard.state.grid().cells.count == rows * columns)
        }
        dashboard.send(.resized(rows: 9, columns: 80))
        #expect(dashboard.shows("slm admin needs 40×10"))
    }
}

extension String {
    fileprivate var trimmed: Substring { drop { $0 == " " } }
}
