/// Where things are on the screen.
extension DashboardState {
    struct TableLayout: Sendable, Equatable {
        /// nil if there is no room for it.
        let titleRow: Int?
        let headerRow, firstRow: Int
        /// The number of rows for records.
        let visible: Int
    }

    struct Area: Sendable, Equatable {
        var row = 0
        var columns = 0..<0

        func contains(row: Int, column: Int) -> Bool { row == self.row && columns.contains(column) }
    }

    static let minRows = 10
    static let minColumns = 40

    var isTooSmall: Bool { rows < Self.minRows || columns < Self.minColumns }

    var tabRow: Int { 1 }
    private var isLow: Bool { rows < 14 }

    /// The rows between the tabs and the line of keys.
    var bodyRows: Range<Int> {
        let first = min(2, rows)
        return first..<max(first, rows - 1 - (banner == nil ? 0 : 1))
    }

    /// The columns of text: one is left free on each side.
    var textColumns: Range<Int> { 1..<max(1, columns - 1) }

    var tableLayout: TableLayout? {
        guard table != nil else { return nil }
        let head = headHeight
        var row = bodyRows.lowerBound + head
        let titleRow = isLow ? nil : row
        if titleRow != nil { row += 1 }
        return TableLayout(titleRow: titleRow, headerRow: row, firstRow: row + 1, visible: max(0, bodyRows.upperBound - row - 1))
    }

    var visibleRows: Int { tableLayout?.visible ?? bodyRows.count }

    /// The rows above the table: figures of the server or of a user.
    private var headHeight: Int {
        if case .user? = details.last { return userFactRows + (isLow ? 0 : 1) }
        guard details.isEmpty, tab == .overview else { return 0 }
        return isLow ? overviewFigures.count / figuresPerRow : overviewHeight
    }

    // MARK: Figures of the overview

    /// In a low window, figures are one line each.
    var figuresPerRow: Int { isLow ? 2 : columns >= 120 ? 8 : columns >= 72 ? 4 : 2 }
    var showsCompactFigures: Bool { isLow }

    /// Two lines for each row of figures, and lines for the meters.
    private var overviewHeight: Int {
        let rowsOfFigures = (overviewFigures.count + figuresPerRow - 1) / figuresPerRow
        return rowsOfFigures * 2 + overviewMeterRows + 1
    }

    /// The meters, on two lines or beside each other on one; none in a low window.
    var overviewMeterRows: Int { rows < 20 ? 0 : columns >= 72 ? 2 : 4 }

    // MARK: Facts about a user

    var factColumns: Int { max(1, columns / 38) }
    var userFactRows: Int { rows < 18 ? 2 : (Self.userFactCount + factColumns - 1) / factColumns }

    // MARK: Tabs

    var tabRanges: [(tab: Tab, columns: Range<Int>)] {
        let isWide = columns >= 70
        var x = isWide ? 1 : 0
        return Tab.allCases.map { tab in
            let width = title(of: tab).count + 2
            defer { x += width + (isWide ? 1 : 0) }
            return (tab, x..<x + width)
        }
    }

    func title(of tab: Tab) -> String {
        let isWide = columns >= 70
        let name = switch tab {
        case .overview: "Overview"
        case .users: "Users"
        case .conversations: isWide ? "Conversations" : "Chats"
        case .server: "Server"
        case .audit: "Audit"
        }
        return isWide ? "\(tab.rawValue + 1) \(name)" : name
    }

    // MARK: Columns

    func columnLayout(of table: RecordTable) -> [(column: TableColumn, range: Range<Int>)] {
        let all = switch table.source {
        case .users: TableColumn.users
        case .conversations(nil): TableColumn.conversations
        case .conversations: TableColumn.conversations.filter { $0.sortKey != "username" }
        case .audit: TableColumn.audit
        }
        // A column before the scroll bar is left free.
        return TableColumn.layout(all, in: 1..<max(1, columns - 2))
    }

    // MARK: The banner above the line of keys

    var banner: (text: String, style: CellStyle)? {
        if case .failing(let error, _, let retryAt) = connection {
            let seconds = max(0, (retryAt - now + 999) / 1_000)
            let next = inFlight.isEmpty ? "Next attempt in \(seconds) s, r: now." : "Trying again…"
            return ("\(next) \(error)".capitalizedStart, CellStyle(tone: .alarm, isBold: true))
        }
        if let pendingAction { return ("\(pendingAction.question.dropLast())…", .tone(.warning, bold: true)) }
        return notice.map { ($0.text.capitalizedStart, .tone($0.isError ? .bad : .good, bold: true)) }
    }
}

extension String {
    var capitalizedStart: String { prefix(1).uppercased() + dropFirst() }
}
