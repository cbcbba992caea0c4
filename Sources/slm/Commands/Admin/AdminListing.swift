import AdminAPI
import Dashboard
import Files
import JSON
import Terminal

/// Which rows `slm admin users`, `conversations` and `audit` print.
struct AdminListing {
    var limit = 50
    var offset = 0
    var search = ""
    var isReversed = false

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
    func printJSON(_ name: String, _ rows: [AdminRow], total: Int) throws {
        printLine(try JSONWriter.text(.pretty) { all throws(JSONError) in
            try all.list(name, rows.map(\.json))
            all["total"] = total
        })
    }
}

/// The options of lists that the server can sort and search.
extension AdminOptions {
    static var pageOptions: [CommandOption<AdminOptions>] {
        [
            .option("limit", \.listing.limit, in: 0...10_000_000, "Print at most N rows; 0 for all."),
            .option("offset", \.listing.offset, in: 0...Int(Int32.max), "Leave out the first N rows."),
            .json(\.json),
        ]
    }

    static func searchOptions(_ help: String) -> [CommandOption<AdminOptions>] {
        [
            .option("search", \.listing.search, value: "TEXT", help),
            .option("reverse", \.listing.isReversed, "Sort in the other direction."),
        ]
    }
}

extension JSONWriter {
    /// Writes a list of objects as the server sent them.
    mutating func list(_ name: String, _ objects: [[UInt8]]) throws(JSONError) {
        var parser = JSONParser()
        key(name)
        try array { list throws(JSONError) in
            for object in objects { list.element(try parser.parse(object)) }
        }
    }
}
