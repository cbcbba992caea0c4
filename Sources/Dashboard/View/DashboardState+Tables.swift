import AdminAPI
import Files

/// Draws the table of the visible screen.
extension DashboardState {
    func drawTable(on grid: inout CellGrid) {
        guard let table, let layout = tableLayout else { return }
        if let row = layout.titleRow { drawTitle(of: table, visible: layout.visible, row, on: &grid) }
        guard layout.headerRow < bodyRows.upperBound else { return }
        let places = columnLayout(of: table)
        for (column, range) in places {
            let isSorted = column.sortKey != nil && column.sortKey == table.sortOrder?.key
            let text = column.title + (isSorted ? table.isDescending ? "▼" : "▲" : "")
            let style = CellStyle(tone: isSorted ? .accent : .plain, isBold: true, isDim: false)
            grid.put(text, row: layout.headerRow, column: range.lowerBound, width: range.count, style, column.isNumber ? .right : .left)
        }
        for offset in 0..<layout.visible where table.top + offset < table.total ?? 0 {
            let index = table.top + offset
            draw(table.row(index), places, row: layout.firstRow + offset, isSelected: index == table.selected, on: &grid)
        }
        drawEmpty(table, layout, on: &grid)
        drawScrollbar(of: table.total ?? 0, from: table.top, in: layout.firstRow..<layout.firstRow + layout.visible, on: &grid)
    }

    private func drawTitle(of table: RecordTable, visible: Int, _ row: Int, on grid: inout CellGrid) {
        let name = switch table.source {
        case .users: "Users"
        case .conversations: "Conversations"
        case .audit: "Audit log"
        }
        var x = 1 + grid.put(name, row: row, column: 1, .bold) + 1
        if let total = table.total, total > 0 {
            let last = min(total, table.top + visible)
            let text = total <= visible ? total.grouped : "\((table.top + 1).grouped)–\(last.grouped) of \(total.grouped)"
            x += grid.put(text, row: row, column: x, .dim) + 2
        }
        if !table.filter.isEmpty {
            x += grid.put("filter: \(table.filter)", row: row, column: x, width: max(0, columns - x - 2), .tone(.warning, bold: true)) + 2
        }
        guard let order = table.sortOrder else { return }
        let text = "by \(order.title) \(table.isDescending ? "↓" : "↑")"
        if x + text.count + 1 < columns { grid.put(text, row: row, column: columns - text.count - 1, .dim) }
    }

    private func draw(
        _ row: AdminRow?, _ places: [(column: TableColumn, range: Range<Int>)], row y: Int, isSelected: Bool, on grid: inout CellGrid
    ) {
        if isSelected { grid.fill(row: y, columns: 0..<columns, .selection) }
        guard let row else {
            grid.put("…", row: y, column: 1, isSelected ? .selection : .dim)
            return
        }
        let isDisabled = row.user?.isDisabled ?? false
        for (column, range) in places {
            var style: CellStyle = isSelected ? .selection : column.style
            if isDisabled, !isSelected { style = .dim }
            let text = column.text(row, now) ?? ""
            let isMarked = isDisabled && column.priority == 0
            let hasRoom = text.glyphs.columns + " (disabled)".count <= range.count
            let mark = isMarked ? hasRoom ? " (disabled)" : " ✗" : ""
            // The name is shortened rather than the mark.
            let width = max(0, range.count - mark.count)
            let alignment: CellGrid.Alignment = column.isNumber ? .right : .left
            let used = grid.put(text, row: y, column: range.lowerBound, width: width, style, alignment)
            if !mark.isEmpty {
                grid.put(mark, row: y, column: range.lowerBound + used, width: range.count - used, isSelected ? .selection : .tone(.bad))
            }
        }
    }

    private func drawEmpty(_ table: RecordTable, _ layout: TableLayout, on grid: inout CellGrid) {
        guard table.total ?? 0 == 0, layout.visible > 0 else { return }
        let text: String
        if table.total == nil {
            text = connection == .connected ? "Loading…" : ""
        } else if !table.filter.isEmpty {
            text = "Nothing contains '\(table.filter)'. Esc removes the filter."
        } else {
            text = switch table.source {
            case .users: "No users yet."
            case .conversations: "No conversations yet."
            case .audit: "No administrator has done anything yet."
            }
        }
        let row = layout.firstRow + min(1, layout.visible - 1)
        grid.put(text, row: row, column: 1, width: columns - 2, .dim, .center)
    }
}
