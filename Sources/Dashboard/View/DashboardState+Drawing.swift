import AdminAPI

/// Draws the screen.
extension DashboardState {
    package func grid() -> CellGrid {
        var grid = CellGrid(rows: rows, columns: columns)
        guard !isTooSmall else {
            grid.put("slm admin needs \(Self.minColumns)×\(Self.minRows)", row: 0, column: 0, width: columns)
            grid.put("found \(columns)×\(rows), q quits", row: 1, column: 0, width: columns)
            return grid
        }
        drawBar(on: &grid)
        drawTabs(on: &grid)
        switch details.last {
        case .user(let screen)?: drawUser(screen, on: &grid)
        case .conversation(let screen)?: drawConversation(screen, on: &grid)
        case nil:
            switch tab {
            case .overview: drawOverview(on: &grid)
            case .server: drawServer(on: &grid)
            case .users, .conversations, .audit: break
            }
        }
        drawTable(on: &grid)
        drawBanner(on: &grid)
        drawKeys(on: &grid)
        drawDialog(on: &grid)
        return grid
    }

    /// The line at the top: the server, its model and its state.
    private func drawBar(on grid: inout CellGrid) {
        let style = CellStyle(tone: .bar, isBold: true)
        grid.fill(row: 0, columns: 0..<columns, style)
        var parts: [String] = []
        switch connection {
        case .connecting: parts = ["connecting…"]
        case .failing: parts = ["✗ no connection"]
        case .connected: parts = [server.map { "● \($0.status)" } ?? "●"]
        }
        if let server {
            parts.append(server.model ?? "no model")
            parts.append("slm \(server.version)")
            if connection == .connected { parts.append("up \(server.uptime.spanText)") }
        }
        let name = " slm admin "
        var right = ""
        // As many parts as leave room for the address.
        for count in (0...parts.count).reversed() {
            right = parts.prefix(count).joined(separator: " · ")
            if right.glyphs.columns + name.count + min(host.count, 20) + 3 <= columns { break }
        }
        let width = right.glyphs.columns
        grid.put(right, row: 0, column: max(0, columns - width - 1), width: width + 1, style)
        let used = grid.put(name, row: 0, column: 0, style)
        grid.put(host, row: 0, column: used + 1, width: max(0, columns - width - used - 3), CellStyle(tone: .bar))
    }

    private func drawTabs(on grid: inout CellGrid) {
        for (tab, range) in tabRanges {
            let style: CellStyle = tab == self.tab ? .selection : .plain
            grid.fill(row: tabRow, columns: range, style)
            grid.put(title(of: tab), row: tabRow, column: range.lowerBound + 1, style)
        }
        // The screens on top of the tab.
        guard let end = tabRanges.last?.columns.upperBound, !details.isEmpty, columns - end > 12 else { return }
        let names = details.map { detail in
            switch detail {
            case .user(let screen): screen.user?.username ?? "user"
            case .conversation(let screen): screen.conversation.title.isEmpty ? "conversation" : screen.conversation.title
            }
        }
        grid.put("› " + names.joined(separator: " › "), row: tabRow, column: end + 2, width: columns - end - 3, .dim)
    }

    private func drawBanner(on grid: inout CellGrid) {
        guard let (text, style) = banner else { return }
        grid.fill(row: rows - 2, columns: 0..<columns, style)
        grid.put(text, row: rows - 2, column: 1, width: columns - 2, style)
    }

    /// The line at the bottom: what keys do here, or the typed text.
    private func drawKeys(on grid: inout CellGrid) {
        let row = rows - 1
        if let input {
            var isSearch = false
            if case .conversation? = details.last { isSearch = true }
            let label = isSearch ? "Search: " : "Filter: "
            var x = 1 + grid.put(label, row: row, column: 1, .heading)
            let before = input.text.prefix(input.cursor).glyphs
            let room = columns - x - 2
            // The part before the cursor that fits.
            let shown = Array(before.suffixColumns(room))
            x += grid.put(shown, row: row, column: x, .bold)
            grid.cursor = (row, min(x, columns - 1))
            grid.put(String(input.text.dropFirst(input.cursor)), row: row, column: x, width: max(0, columns - x - 1), .bold)
            let hint = "Enter keeps · Esc cancels"
            if columns - x > hint.count + 30 { grid.put(hint, row: row, column: columns - hint.count - 1, .dim) }
            return
        }
        var x = 1
        if tableLayout?.titleRow == nil, let filter = table?.filter, !filter.isEmpty {
            x += grid.put("filter: \(filter)", row: row, column: x, width: 16, .tone(.warning, bold: true)) + 2
        }
        let end = [("?", "help"), ("q", "quit")]
        let reserved = end.reduce(0) { $0 + $1.0.count + $1.1.count + 3 }
        var hints: [(String, String)] = []
        var width = reserved
        for hint in keyHints {
            width += hint.0.count + hint.1.count + 3
            if x + width > columns { break }
            hints.append(hint)
        }
        for (key, label) in hints + end {
            x += grid.put(key, row: row, column: x, .heading) + 1
            x += grid.put(label, row: row, column: x) + 2
        }
    }

    /// The keys that work here, the most important ones first.
    private var keyHints: [(String, String)] {
        var hints: [(String, String)] = details.isEmpty ? [] : [("Esc", "back")]
        if case .conversation? = details.last {
            return hints + [("↑↓", "scroll"), ("/", "search"), ("n", "next"), ("u", "user"), ("r", "refresh")]
        }
        if let table {
            if table.source != .audit { hints.append(("Enter", "open")) }
            if !table.orders.isEmpty { hints += [("s", "sort"), ("/", "filter")] }
        } else {
            hints.append(("↑↓", "scroll"))
        }
        if let subject { hints += [("d", subject.isDisabled ? "enable" : "disable"), ("p", "password")] }
        return hints + [("r", "refresh"), ("Tab", "next")] + (table?.orders.isEmpty == false ? [("S", "reverse")] : [])
    }

    // MARK: The text of a conversation

    private func drawConversation(_ screen: ConversationScreen, on grid: inout CellGrid) {
        for (offset, row) in bodyRows.enumerated() {
            let index = screen.top + offset
            guard screen.lines.indices.contains(index) else { break }
            let line = screen.lines[index]
            grid.put(line.glyphs, row: row, column: 1 + line.indent, line.style)
            for range in line.glyphs.ranges(of: screen.search) {
                let start = 1 + line.indent + line.glyphs[..<range.lowerBound].columns
                grid.restyle(row: row, columns: start..<start + line.glyphs[range].columns, .selection)
            }
        }
        drawScrollbar(of: screen.lines.count, from: screen.top, in: bodyRows, on: &grid)
    }

    /// A bar at the right edge, if not everything is visible.
    func drawScrollbar(of total: Int, from top: Int, in area: Range<Int>, on grid: inout CellGrid) {
        guard total > area.count, area.count > 1 else { return }
        let size = max(1, area.count * area.count / total)
        let start = top * (area.count - size) / max(1, total - area.count)
        for (offset, row) in area.enumerated() {
            let isThumb = (start..<start + size).contains(offset)
            grid.put(isThumb ? "┃" : "│", row: row, column: columns - 1, isThumb ? .tone(.accent) : .dim)
        }
    }
}

extension Array where Element == Glyph {
    /// The last glyphs that fit into `limit` columns.
    func suffixColumns(_ limit: Int) -> ArraySlice<Glyph> {
        var width = 0
        var start = endIndex
        while start > startIndex, width + self[start - 1].columns <= limit {
            start -= 1
            width += self[start].columns
        }
        return self[start...]
    }
}
