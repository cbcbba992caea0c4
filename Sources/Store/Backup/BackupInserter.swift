/// Inserts the rows of a table, with PostgreSQL many with one statement: each statement is a round trip.
///
///     var inserter = BackupInserter("users", columns, .postgresql)
///     try inserter.insert(values, on: connection)
///     try inserter.finish(on: connection)
struct BackupInserter {
    private static let maxWaitingBytes = 1 << 20
    private let table: String
    private let columns: [BackupTables.Column]
    private let dialect: Dialect
    private let batch: Int
    private var waiting: [SQLValue] = []
    private var waitingBytes = 0

    init(_ table: String, _ columns: [BackupTables.Column], _ dialect: Dialect) {
        self.table = table
        self.columns = columns
        self.dialect = dialect
        batch = dialect == .sqlite ? 1 : 100
    }

    mutating func insert(_ values: [SQLValue], on connection: any Connection) throws(StoreError) {
        precondition(values.count == columns.count, "\(values.count) values for \(columns.count) columns")
        waiting += values
        for case .text(let text) in values { waitingBytes += text.utf8.count }
        if waiting.count == batch * columns.count {
            try connection.execute(sql(rows: batch), values: waiting)
            clear()
        } else if waitingBytes > Self.maxWaitingBytes {
            try insertWaiting(on: connection)
        }
    }

    /// Inserts what waits, and lets the database continue the numbers of the table after the largest one.
    mutating func finish(on connection: any Connection) throws(StoreError) {
        try insertWaiting(on: connection)
        guard dialect == .postgresql else { return }              // SQLite does it by itself
        for column in columns where column.isIdentity {
            try connection.execute("""
                SELECT setval(pg_get_serial_sequence('\(table)', '\(column.name)')::regclass, max(\(column.name))) FROM \(table)
                HAVING count(*) > 0
                """)
        }
    }

    /// One by one: statements of any other number of rows would each have to be prepared.
    private mutating func insertWaiting(on connection: any Connection) throws(StoreError) {
        for start in stride(from: 0, to: waiting.count, by: columns.count) {
            try connection.execute(sql(rows: 1), values: Array(waiting[start..<start + columns.count]))
        }
        clear()
    }

    private mutating func clear() {
        waiting.removeAll(keepingCapacity: true)
        waitingBytes = 0
    }

    private func sql(rows: Int) -> String {
        let names = columns.map(\.name).joined(separator: ", ")
        let values = (0..<rows).map { row in
            "(" + (1...columns.count).map { "$\(row * columns.count + $0)" }.joined(separator: ", ") + ")"
        }
        let overriding = dialect == .postgresql ? " OVERRIDING SYSTEM VALUE" : ""
        return "INSERT INTO \(table) (\(names))\(overriding) VALUES \(values.joined(separator: ", "))"
    }
}
