import Dashboard
import JSON
import Terminal

/// Which rows `slm admin users`, `conversations` and `audit` print.
struct AdminListing {
    var limit = 50
    var offset = 0
    var search = ""
    var isReversed = false
    var json = false

    /// What a server returns at most for one request.
    private static let pageSize = 200

    /// Loads all rows of the range, in as many requests as it takes.
    ///
    /// - Parameter query: The query for a number of rows from an offset on.
    func rows(
        of client: AdminClient, _ query: (_ offset: Int, _ limit: Int) -> AdminQuery
    ) throws(AdminError) -> (rows: [AdminRow], total: Int) {
        var rows: [AdminRow] = []
        var total = 0
        while true {
            let wanted = limit == 0 ? Self.pageSize : min(Self.pageSize, limit - rows.count)
            guard case .rows(let page, let found) = try client.answer(to: query(offset + rows.count, wanted)) else { break }
            rows += page
            total = found
            if page.isEmpty || offset + rows.count >= found || limit > 0 && rows.count >= limit { break }
        }
        return (rows, total)
    }

    /// Prints a table, and on standard error how many rows are missing from it.
    func printPage(_ table: TextTable, shown: Int, of total: Int, _ noun: String) {
        printTable(table)
        if shown < total, limit > 0 { printNote("\(shown.grouped) of \(total.grouped) \(noun); all of them: --limit 0.") }
    }

    /// Prints `{"NAME": [...], "total": N}`.
    func printJSON(_ name: String, _ rows: [AdminRow], total: Int) {
        var writer = JSONWriter(.pretty)
        writer.object { all in
            all.key(name)
            all.array { list in for row in rows { list.object { row.write(to: &$0) } } }
            all.key("total"); all.integer(total)
        }
        printLine(writer.text)
    }
}

/// The options of lists that the server can sort and search.
protocol AdminListOptions: AdminOptions {
    var listing: AdminListing { get set }
}

extension AdminListOptions {
    static var pageOptions: [CommandOption<Self>] {
        [
            .option("limit", \.listing.limit, in: 0...10_000_000, "Print at most N rows; 0 for all."),
            .option("offset", \.listing.offset, in: 0...Int(Int32.max), "Leave out the first N rows."),
            .json(\.listing.json),
        ]
    }

    static func searchOptions(_ help: String) -> [CommandOption<Self>] {
        [
            .option("search", \.listing.search, value: "TEXT", help),
            .option("reverse", \.listing.isReversed, "Sort in the other direction."),
        ]
    }
}

extension AdminRow {
    /// Writes the members of an object, with the names of the admin routes.
    fileprivate func write(to json: inout JSONWriter) {
        func text(_ key: String, _ text: String?, _ json: inout JSONWriter) {
            json.key(key)
            if let text { json.string(text) } else { json.null() }
        }
        func number(_ key: String, _ number: Int, _ json: inout JSONWriter) { json.key(key); json.integer(number) }
        text("id", id, &json)
        switch self {
        case .user(let user):
            text("username", user.username, &json)
            text("email", user.email, &json)
            text("joined", user.joined?.iso8601, &json)
            text("last_active", user.lastActive?.iso8601, &json)
            number("conversations", user.conversations, &json)
            number("messages", user.messages, &json)
            number("generations", user.generations, &json)
            number("tokens", user.tokens, &json)
            json.key("disabled"); json.boolean(user.isDisabled)
            text("role", user.role, &json)
        case .conversation(let conversation):
            text("title", conversation.title, &json)
            text("user_id", conversation.user, &json)
            text("username", conversation.username, &json)
            number("messages", conversation.messages, &json)
            text("created_at", conversation.created?.iso8601, &json)
            text("updated_at", conversation.updated?.iso8601, &json)
        case .audit(let line):
            text("at", line.time?.iso8601, &json)
            text("actor", line.actor, &json)
            text("address", line.address, &json)
            text("action", line.action, &json)
            text("target", line.target, &json)
            text("target_name", line.targetName, &json)
            text("reason", line.reason, &json)
        }
    }
}
