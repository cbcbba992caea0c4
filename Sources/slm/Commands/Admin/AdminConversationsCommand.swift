import AdminAPI
import Dashboard
import Files

enum AdminConversationOrder: String, CaseIterable, OptionValue {
    case updated = "updated_at", created = "created_at", title, username, messages
}

extension Command {
    static var adminConversations: Command {
        ofServer(
            "admin conversations",
            "List conversations on a chat server.",
            [
                .option("user", \.user, value: "NAME", "List those of one user: a name, an email address or an id.").positional(),
                .option("sort", \.conversationOrder, "Sort by this column."),
            ] + AdminOptions.searchOptions("List conversations whose title or user contains TEXT.")
                + AdminOptions.pageOptions,
            examples: ["slm admin conversations", "slm admin conversations ada --json"]
        ) { options in
            let listing = options.listing
            let client = try options.client()
            let user = try options.user.map { try client.user(named: $0).id }
            let isDescending = ![.title, .username].contains(options.conversationOrder) != listing.isReversed
            let (rows, total) = try listing.rows(of: client) { offset, limit in
                .conversations(user: user, AdminList(
                    sort: options.conversationOrder.rawValue, isDescending: isDescending, search: listing.search, offset: offset,
                    limit: limit))
            }
            if options.json { return try listing.printJSON("conversations", rows, total: total) }
            let now = UTCTime.millisecondsNow
            var table = TextTable(["TITLE", "USER", "#MESSAGES", "#CREATED", "#UPDATED", "ID"])
            for case .conversation(let conversation) in rows {
                table.add([
                    conversation.title, conversation.username, conversation.messages.grouped, conversation.created?.ago(at: now) ?? "-",
                    conversation.updated?.ago(at: now) ?? "-", conversation.id,
                ])
            }
            listing.printPage(table, shown: rows.count, of: total, "conversations")
        }
    }
}
