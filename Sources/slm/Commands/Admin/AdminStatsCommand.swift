import Dashboard
import JSON

struct AdminStatsOptions: AdminOptions {
    var connection = AdminConnection()
    var json = false
}

extension Command {
    static var adminStats: Command {
        Command(
            "admin stats",
            "Print figures of a chat server.",
            AdminStatsOptions(),
            [OptionGroup("Main options", [.json(\.json)]), AdminStatsOptions.connectionOptions],
            examples: ["slm admin stats", "slm admin stats --json"]
        ) { options in
            let client = try options.client()
            guard case .totals(let totals) = try client.answer(to: .totals),
                case .server(let server) = try client.answer(to: .server) else { return }
            if options.json { return printLine(json(totals, server)) }
            for (label, value) in lines(totals, server) { printLine(label.padded(to: 22) + value.harmless) }
        }
    }

    private static func lines(_ totals: AdminTotals, _ server: ProcessRecord) -> [(String, String)] {
        let errors = server.errors.reduce(0) { $0 + $1.count }
        return [
            ("Server", "\(server.status), slm \(server.version), up \(server.uptime.spanText)"),
            ("Model", server.model.map { name in name + (server.context.map { ", context \($0.grouped) tokens" } ?? "") } ?? "none"),
            ("Checks", "model \(server.modelCheck), engine \(server.engineCheck), database \(server.databaseCheck)"),
            ("Answers running", "\(server.running.grouped) of \(server.slots.grouped)"),
            ("Answers waiting", "\(server.waiting.grouped) of \(server.maxWaiting.grouped)"),
            ("Memory", "\((Double(server.residentBytes) / 1e6).fixed(1)) MB"),
            ("Users", "\(totals.users.grouped), \(totals.activeLastDay.grouped) active in the last day"),
            ("Conversations", totals.conversations.grouped),
            ("Messages", totals.messages.grouped),
            ("Generations", totals.generations.grouped),
            ("Tokens", "\(totals.tokens.grouped) generated, \(totals.promptTokens.grouped) in prompts"),
            ("Tokens/s", "\((Double(totals.tokensLastMinute) / 60).fixed(1)) in the last minute"),
            ("Requests", "\(server.requests.grouped) since the start, \(errors.grouped) with an error status"),
        ]
    }

    private static func json(_ totals: AdminTotals, _ server: ProcessRecord) -> String {
        var writer = JSONWriter(.pretty)
        writer.object { all in
            let numbers = [
                ("users", totals.users), ("active_last_day", totals.activeLastDay), ("conversations", totals.conversations),
                ("messages", totals.messages), ("generations", totals.generations), ("prompt_tokens", totals.promptTokens),
                ("tokens", totals.tokens), ("tokens_last_minute", totals.tokensLastMinute),
            ]
            for (key, number) in numbers { all.key(key); all.integer(number) }
            all.key("server")
            all.object { json in
                json.key("status"); json.string(server.status)
                json.key("version"); json.string(server.version)
                json.key("uptime_seconds"); json.number(server.uptime)
                json.key("model"); if let model = server.model { json.string(model) } else { json.null() }
                json.key("checks")
                json.object {
                    $0.key("model"); $0.string(server.modelCheck)
                    $0.key("engine"); $0.string(server.engineCheck)
                    $0.key("database"); $0.string(server.databaseCheck)
                }
                let state = [
                    ("running", server.running), ("slots", server.slots), ("waiting", server.waiting), ("max_waiting", server.maxWaiting),
                    ("resident_bytes", server.residentBytes), ("requests", server.requests),
                ]
                for (key, number) in state { json.key(key); json.integer(number) }
                json.key("errors")
                json.array { list in
                    for error in server.errors {
                        list.object {
                            $0.key("status"); $0.integer(error.status)
                            $0.key("method"); $0.string(error.method)
                            $0.key("route"); $0.string(error.route)
                            $0.key("count"); $0.integer(error.count)
                        }
                    }
                }
            }
        }
        return writer.text
    }
}
