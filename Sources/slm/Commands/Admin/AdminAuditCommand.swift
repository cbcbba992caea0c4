import AdminAPI
import Dashboard

extension Command {
    static var adminAudit: Command {
        ofServer(
            "admin audit",
            "List what administrators did, newest line first.",
            AdminOptions.pageOptions,
            examples: ["slm admin audit --limit 20", "slm admin audit --limit 0 --json"]
        ) { options in
            let listing = options.listing
            let (rows, total) = try listing.rows(of: options.client()) { .audit(offset: $0, limit: $1) }
            if options.json { return try listing.printJSON("entries", rows, total: total) }
            var table = TextTable(["TIME", "ACTION", "TARGET", "ADDRESS", "ACTOR", "REASON"])
            for case .audit(let line) in rows {
                table.add([
                    line.time?.dateAndTime ?? "-", line.action, line.targetName ?? line.target ?? "-", line.address, line.actor,
                    line.reason ?? "-",
                ])
            }
            listing.printPage(table, shown: rows.count, of: total, "lines")
        }
    }
}
