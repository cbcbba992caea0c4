import JSON

/// Rows as JSON objects, one per line. NULL is left out.
extension BackupTables {
    static func line(_ row: Row, _ columns: [Column]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { object in
            for (column, value) in zip(columns, row.values) where value != .null {
                object.key(column.name)
                switch value {
                case .null: object.null()
                case .integer(let number): object.integer(number)
                case .real(let number): object.number(number)
                case .text(let text): object.string(text)
                }
            }
        }
        writer.newline()
        return writer.bytes
    }

    /// The values of a row in the order of `columns`, or what is wrong with it.
    static func values(of row: JSONElement, _ columns: [Column]) -> Result<[SQLValue], InvalidRow> {
        var values = [SQLValue](repeating: .null, count: columns.count)
        guard let members = row.members else { return .failure(InvalidRow(description: "expected an object, found \(row.kind.rawValue)")) }
        for (key, element) in members {
            guard let index = columns.firstIndex(where: { key.isString($0.name) }) else {
                return .failure(InvalidRow(description: "the schema has no column '\(key.string ?? "")'"))
            }
            guard let value = value(of: element, columns[index].kind) else {
                let (name, kind) = (columns[index].name, columns[index].kind)
                return .failure(InvalidRow(description: "column '\(name)': expected \(kind), found \(element.kind.rawValue)"))
            }
            values[index] = value
        }
        return .success(values)
    }

    struct InvalidRow: Error { let description: String }

    private static func value(of element: JSONElement, _ kind: Column.Kind) -> SQLValue? {
        if element.isNull { return .null }
        switch kind {
        case .text: return element.string.map(\.sql)
        case .integer: return element.integer.map(\.sql)
        case .real: return element.number.map(\.sql)
        }
    }
}
