import AdminAPI
import Dashboard
import Files
import JSON
import Store
import Terminal

extension Command {
    static var trainingChats: Command {
        ofServer(
            "training chats", "List the chats of a server that may be used for training.",
            [
                .option("sort", \.chatOrder, "Sort the chats by the time of the last message or by their length."),
                .option("limit", \.listing.limit, in: 0...10_000_000, "Print at most N chats; 0 for all."),
                .json(\.json),
            ],
            and: [AdminOptions.filterOptions],
            examples: ["slm training chats --state new", "slm training chats --rating corrected --flag personal --json"]
        ) { options in
            let client = try options.client()
            let parameters = options.filter.parameters + [("sort", options.chatOrder.rawValue)]
            var chats: [AreaChat] = [], after: String?, total = ""
            repeat {
                let wanted = options.listing.limit == 0 ? 200 : min(200, options.listing.limit - chats.count)
                let page = try AreaChatPage(client, parameters, limit: wanted, after: after)
                chats += page.chats
                total = page.total.grouped + (page.isExact ? "" : "+")
                after = page.next
            } while after != nil && (options.listing.limit == 0 || chats.count < options.listing.limit)
            if options.json {
                for chat in chats { printLine(String(decoding: chat.json.json, as: UTF8.self)) }
                return
            }
            var table = TextTable(["ID", "STATE", "TITLE", "FROM", "#ANSWERS", "REMARKS"])
            for chat in chats {
                table.add([
                    chat.id, chat.text("state"), chat.text("title"), chat.person, chat.count("turns").grouped,
                    chat.remarks.joined(separator: ", "),
                ])
            }
            printTable(table)
            if after != nil { printNote("\(chats.count.grouped) of \(total) chats; all of them: --limit 0.") }
        }
    }

    static var trainingInclude: Command {
        decision("include", "included", "Include chats: they are trained on.")
    }

    static var trainingExclude: Command {
        decision("exclude", "excluded", "Exclude chats: they are never trained on.")
    }

    private static func decision(_ verb: String, _ state: String, _ summary: String) -> Command {
        ofServer(
            "training \(verb)", summary,
            [
                .list("id", \.ids, value: "ID", "Change the chats with these ids.").positional(),
                .option("all", \.all, "Change all chats that match the options below, also if there are none of these."),
                .list("add-tag", \.addedTags, value: "TAG", "Tag the chats, too."),
                .json(\.json),
            ],
            and: [AdminOptions.filterOptions],
            examples: ["slm training \(verb) --rating \(verb == "include" ? "corrected" : "bad") --state new", "slm training \(verb) ID"]
        ) { options in
            let hasFilter = !options.filter.parameters.isEmpty
            guard options.ids.isEmpty ? hasFilter || options.all : !hasFilter && !options.all else {
                throw UsageError("slm training \(verb): expected either ids, or options that choose chats, or --all.")
            }
            let (text, json) = try options.client().document("POST", "chats/bulk") { object in
                if options.ids.isEmpty {
                    object.object("filter") { options.filter.write(to: &$0) }
                } else {
                    object["ids"] = options.ids
                }
                object["state"] = state
                if !options.addedTags.isEmpty {
                    object["add_tags"] = options.addedTags
                }
            }
            if options.json { return printLine(text) }
            let changed = json["changed"]?.integer ?? 0
            printLine("\(changed.grouped) \(changed == 1 ? "chat" : "chats") changed")
        }
    }
}
