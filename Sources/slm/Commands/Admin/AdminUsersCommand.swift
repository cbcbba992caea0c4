import AdminAPI
import Dashboard
import Files

enum AdminUserOrder: String, CaseIterable, OptionValue {
    case lastActive = "last_active", username, joined, conversations, messages, generations, tokens
}

extension Command {
    static var adminUsers: Command {
        ofServer(
            "admin users",
            "List the users of a chat server.",
            [.option("sort", \.userOrder, "Sort by this column.")]
                + AdminOptions.searchOptions("List users whose name or email address contains TEXT.")
                + AdminOptions.pageOptions,
            examples: ["slm admin users --sort messages --limit 10", "slm admin users --search ada --json"]
        ) { options in
            let listing = options.listing
            // Names ascending, figures and times descending.
            let isDescending = (options.userOrder != .username) != listing.isReversed
            let (rows, total) = try listing.rows(of: options.client()) { offset, limit in
                .users(AdminList(
                    sort: options.userOrder.rawValue, isDescending: isDescending, search: listing.search, offset: offset, limit: limit))
            }
            if options.json { return try listing.printJSON("users", rows, total: total) }
            let now = UTCTime.millisecondsNow
            var table = TextTable([
                "NAME", "EMAIL", "#CONVERSATIONS", "#MESSAGES", "#GENERATIONS", "#TOKENS", "#JOINED", "#LAST ACTIVE", "STATE",
            ])
            for case .user(let user) in rows {
                table.add([
                    user.username, user.email ?? "-", user.conversations.grouped, user.messages.grouped, user.generations.grouped,
                    user.tokens.grouped, user.joined?.ago(at: now) ?? "-", user.lastActive?.ago(at: now) ?? "-",
                    user.isDisabled ? "disabled" : "enabled",
                ])
            }
            listing.printPage(table, shown: rows.count, of: total, "users")
        }
    }
}
