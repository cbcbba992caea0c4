import AdminAPI

/// A column of a table.
struct TableColumn: Sendable, Equatable {
    enum Field: Sendable {
        case username, email, conversations, messages, generations, tokens, joined, lastActive
        case title, owner, messageCount, created, updated
        case time, action, target, address, actor
    }

    let field: Field
    let title: String
    /// The least width.
    let width: Int
    /// 0 is always shown; the others from the lowest number on, as long as they fit.
    let priority: Int
    /// Gets the rest of the width, up to this much; 0 for none.
    var growth = 0
    var isNumber = false
    var sortKey: String?

    static let users = [
        TableColumn(field: .username, title: "NAME", width: 12, priority: 0, growth: 40, sortKey: "username"),
        TableColumn(field: .email, title: "EMAIL", width: 24, priority: 7, growth: 16),
        TableColumn(field: .conversations, title: "CONV", width: 6, priority: 3, isNumber: true, sortKey: "conversations"),
        TableColumn(field: .messages, title: "MSGS", width: 7, priority: 2, isNumber: true, sortKey: "messages"),
        TableColumn(field: .generations, title: "GENS", width: 7, priority: 4, isNumber: true, sortKey: "generations"),
        TableColumn(field: .tokens, title: "TOKENS", width: 9, priority: 6, isNumber: true, sortKey: "tokens"),
        TableColumn(field: .joined, title: "JOINED", width: 11, priority: 5, isNumber: true, sortKey: "joined"),
        TableColumn(field: .lastActive, title: "ACTIVE", width: 11, priority: 1, isNumber: true, sortKey: "last_active"),
    ]

    static let conversations = [
        TableColumn(field: .title, title: "TITLE", width: 14, priority: 0, growth: 90, sortKey: "title"),
        TableColumn(field: .owner, title: "USER", width: 14, priority: 3, growth: 20, sortKey: "username"),
        TableColumn(field: .messageCount, title: "MSGS", width: 6, priority: 2, isNumber: true, sortKey: "messages"),
        TableColumn(field: .created, title: "CREATED", width: 11, priority: 4, isNumber: true, sortKey: "created_at"),
        TableColumn(field: .updated, title: "UPDATED", width: 11, priority: 1, isNumber: true, sortKey: "updated_at"),
    ]

    static let audit = [
        TableColumn(field: .time, title: "TIME", width: 11, priority: 0),
        TableColumn(field: .action, title: "ACTION", width: 19, priority: 0),
        TableColumn(field: .target, title: "TARGET", width: 16, priority: 1, growth: 60),
        TableColumn(field: .address, title: "ADDRESS", width: 16, priority: 2, growth: 24),
        TableColumn(field: .actor, title: "ACTOR", width: 8, priority: 3),
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

    /// The text of a cell.
    func text(of row: AdminRow, at now: Int) -> String {
        switch row {
        case .user(let user):
            switch field {
            case .username: return user.username
            case .email: return user.email ?? ""
            case .conversations: return user.conversations.short(width)
            case .messages: return user.messages.short(width)
            case .generations: return user.generations.short(width)
            case .tokens: return user.tokens.short(width)
            case .joined: return user.joined?.ago(at: now) ?? "-"
            case .lastActive: return user.lastActive?.ago(at: now) ?? "-"
            default: return ""
            }
        case .conversation(let conversation):
            switch field {
            case .title: return conversation.title.isEmpty ? "(no title)" : conversation.title
            case .owner: return conversation.username
            case .messageCount: return conversation.messages.short(width)
            case .created: return conversation.created?.ago(at: now) ?? "-"
            case .updated: return conversation.updated?.ago(at: now) ?? "-"
            default: return ""
            }
        case .audit(let line):
            switch field {
            case .time: return line.time?.ago(at: now) ?? "-"
            case .action: return line.action
            case .target: return line.targetName ?? line.target ?? "-"
            case .address: return line.address
            case .actor: return line.actor
            default: return ""
            }
        }
    }
}
