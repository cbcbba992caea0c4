import AdminAPI
import Dashboard
import Files
import JSON
import Terminal

extension Command {
    static var adminStats: Command {
        ofServer(
            "admin stats",
            "Print figures of a chat server.",
            [.json(\.json)],
            examples: ["slm admin stats", "slm admin stats --json"]
        ) { options in
            let client = try options.client()
            guard case .totals(let totals) = try client.answer(to: .totals),
                case .server(let server) = try client.answer(to: .server),
                case .servers(let servers) = try client.answer(to: .servers) else { return }
            if options.json { return printLine(try json(totals, server, servers)) }
            for (label, value) in lines(totals, server) { printLine(label.padded(to: 22) + value.harmless) }
            if servers.count > 1 { printServers(servers) }
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

    /// The table of all servers, if there are several; the lines above it are about the one that has answered.
    private static func printServers(_ servers: [ReplicaRecord]) {
        var table = TextTable(["SERVER", "MODEL", "#RUNNING", "#WAITING", "#TOKENS", "#MB", "#SEEN", "VERSION"])
        for server in servers {
            table.add([
                server.name, server.model ?? "none", "\(server.running.grouped)/\(server.slots.grouped)", server.waiting.grouped,
                server.tokens.grouped, (Double(server.memoryBytes) / 1e6).fixed(0),
                servers.heartbeatAge(of: server), server.version,
            ])
        }
        printLine("")
        printTable(table)
    }

    /// The records as the server sent them; the totals are members of the whole.
    private static func json(_ totals: AdminTotals, _ server: ProcessRecord, _ servers: [ReplicaRecord]) throws -> String {
        try JSONWriter.text(.pretty) { all throws(JSONError) in
            var parser = JSONParser()
            if let members = try parser.parse(totals.json).members {
                for (key, value) in members { all.element(key.string ?? "", value) }
            }
            try all.list("servers", servers.map(\.json))
            all.element("server", try parser.parse(server.json))
        }
    }
}
