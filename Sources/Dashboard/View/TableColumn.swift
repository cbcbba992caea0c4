import AdminAPI

/// A column of a table.
struct TableColumn: Sendable {
    let title: String
    /// The least width.
    let width: Int
    /// 0 is always shown; the others from the lowest number on, as long as they fit.
    let priority: Int
    /// Gets the rest of the width, up to this much; 0 for none.
    var growth = 0
    var isNumber = false
    var sortKey: String?
    var style = CellStyle.plain
    /// The text of a cell at a time.
    let text: @Sendable (AdminRow, _ now: Int) -> String?

    private static func count(
        _ title: String, width: Int, priority: Int, sortKey: String, of number: @escaping @Sendable (AdminRow) -> Int?
    ) -> TableColumn {
        TableColumn(title: title, width: width, priority: priority, isNumber: true, sortKey: sortKey) { row, _ in
            number(row)?.short(width)
        }
    }

    private static func time(
        _ title: String, priority: Int, isNumber: Bool = true, sortKey: String? = nil, style: CellStyle = .plain,
        of time: @escaping @Sendable (AdminRow) -> Int?
    ) -> TableColumn {
        TableColumn(title: title, width: 11, priority: priority, isNumber: isNumber, sortKey: sortKey, style: style) { row, now in
            time(row)?.ago(at: now) ?? "-"
        }
    }

    static let users = [
        TableColumn(title: "NAME", width: 12, priority: 0, growth: 40, sortKey: "username") { row, _ in row.user?.username },
        TableColumn(title: "EMAIL", width: 24, priority: 7, growth: 16, style: .dim) { row, _ in row.user?.email },
        count("CONV", width: 6, priority: 3, sortKey: "conversations") { $0.user?.conversations },
        count("MSGS", width: 7, priority: 2, sortKey: "messages") { $0.user?.messages },
        count("GENS", width: 7, priority: 4, sortKey: "generations") { $0.user?.generations },
        count("TOKENS", width: 9, priority: 6, sortKey: "tokens") { $0.user?.tokens },
        time("JOINED", priority: 5, sortKey: "joined", style: .dim) { $0.user?.joined },
        time("ACTIVE", priority: 1, sortKey: "last_active") { $0.user?.lastActive },
    ]

    static let conversations = [
        TableColumn(title: "TITLE", width: 14, priority: 0, growth: 90, sortKey: "title") { row, _ in
            row.conversation.map { $0.title.isEmpty ? "(no title)" : $0.title }
        },
        TableColumn(title: "USER", width: 14, priority: 3, growth: 20, sortKey: "username", style: .tone(.user)) { row, _ in
            row.conversation?.username
        },
        count("MSGS", width: 6, priority: 2, sortKey: "messages") { $0.conversation?.messages },
        time("CREATED", priority: 4, sortKey: "created_at", style: .dim) { $0.conversation?.created },
        time("UPDATED", priority: 1, sortKey: "updated_at") { $0.conversation?.updated },
    ]

    static let audit = [
        time("TIME", priority: 0, isNumber: false) { $0.audit?.time },
        TableColumn(title: "ACTION", width: 19, priority: 0) { row, _ in row.audit?.action },
        TableColumn(title: "TARGET", width: 16, priority: 1, growth: 60, style: .tone(.user)) { row, _ in
            row.audit?.targetName ?? row.audit?.target ?? "-"
        },
        TableColumn(title: "ADDRESS", width: 16, priority: 2, growth: 24, style: .dim) { row, _ in row.audit?.address },
        TableColumn(title: "ACTOR", width: 8, priority: 3, style: .dim) { row, _ in row.audit?.actor },
    ]

    static let gap = 2

    /// The columns that fit, with their places.
    static func layout(_ columns: [TableColumn], in range: Range<Int>) -> [(column: TableColumn, range: Range<Int>)] {
        var chosen: Set<Int> = []
        var used = -gap
        for index in columns.indices.sorted(by: { columns[$0].priority < columns[$1].priority }) {
            let width = columns[index].width + gap
            if columns[index].priority > 0, used + width > range.count { continue }
            used += width
            chosen.insert(index)
        }
        var rest = max(0, range.count - used)
        var widths = columns.map(\.width)
        for index in chosen.sorted(by: { columns[$0].priority < columns[$1].priority }) {
            let more = min(rest, columns[index].growth)
            widths[index] += more
            rest -= more
        }
        // The rest makes all gaps wider.
        for index in chosen { widths[index] += rest / max(1, chosen.count) }
        var x = range.lowerBound
        return chosen.sorted().map { index in
            let end = min(x + widths[index], max(x, range.upperBound))
            defer { x = end + gap }
            return (columns[index], x..<end)
        }
    }
}

extension AdminRow {
    var user: UserRecord? { if case .user(let user) = self { user } else { nil } }
    var conversation: ConversationRecord? { if case .conversation(let conversation) = self { conversation } else { nil } }
    var audit: AuditRecord? { if case .audit(let line) = self { line } else { nil } }
}
