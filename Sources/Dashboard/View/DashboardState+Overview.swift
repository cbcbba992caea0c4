import AdminAPI
import Files

/// Draws the figures of the overview and of a user.
extension DashboardState {
    struct Figure: Sendable, Equatable {
        let label, value: String
        var style = CellStyle.bold
    }

    var overviewFigures: [Figure] {
        let totals = totals
        func number(_ value: Int?) -> String { value.map { $0.short(11) } ?? "–" }
        let running = servers.isEmpty ? server?.running : servers.reduce(0) { $0 + $1.running }
        let waiting = servers.isEmpty ? server?.waiting : servers.reduce(0) { $0 + $1.waiting }
        let answers = running.flatMap { running in waiting.map { "\(running) + \($0)" } } ?? "–"
        return [
            Figure(label: "Users", value: number(totals?.users)),
            Figure(label: "Active today", value: number(totals?.activeLastDay)),
            Figure(label: "Conversations", value: number(totals?.conversations)),
            Figure(label: "Messages", value: number(totals?.messages)),
            Figure(label: "Generations", value: number(totals?.generations)),
            Figure(label: "Tokens/s", value: rates.last.map { $0.oneDigit } ?? "–"),
            Figure(label: "Queue", value: answers, style: server.map { $0.waiting > 0 } ?? false ? .tone(.warning, bold: true) : .bold),
            Figure(label: "Memory", value: server.map { $0.residentBytes.bytesText } ?? "–"),
        ]
    }

    func drawOverview(on grid: inout CellGrid) {
        let figures = overviewFigures
        let width = textColumns.count / figuresPerRow
        for (index, figure) in figures.enumerated() {
            let column = 1 + index % figuresPerRow * width
            let line = index / figuresPerRow
            if showsCompactFigures {
                let row = bodyRows.lowerBound + line
                let used = grid.put(figure.label, row: row, column: column, width: width - 1, .dim)
                grid.put(figure.value, row: row, column: column + used + 1, width: max(0, width - used - 3), figure.style, .right)
            } else {
                let row = bodyRows.lowerBound + 2 * line
                grid.put(figure.label, row: row, column: column, width: width - 1, .dim)
                grid.put(figure.value, row: row + 1, column: column, width: width - 1, figure.style)
            }
        }
        let first = bodyRows.lowerBound + 2 * ((figures.count + figuresPerRow - 1) / figuresPerRow)
        if overviewMeterRows > 0 { drawMeters(from: first, on: &grid) }
    }

    /// Running and waiting answers as bars, the memory, and the tokens per second of the last minutes as a line.
    private func drawMeters(from first: Int, on grid: inout CellGrid) {
        guard let server else { return }
        let perRow = overviewMeterRows == 2 ? 2 : 1
        let width = textColumns.count / perRow
        func place(_ index: Int) -> (row: Int, column: Int) { (first + index / perRow, 1 + index % perRow * width) }
        drawMeter("Running", server.running, of: server.slots, place(0), width - 2, on: &grid)
        drawMeter("Waiting", server.waiting, of: server.maxWaiting, place(1), width - 2, on: &grid)
        let (row, column) = place(2)
        let used = grid.put("Tokens/s ", row: row, column: column, .dim)
        grid.put(Self.sparkline(rates, columns: width - used - 3), row: row, column: column + used, .tone(.accent))
        let (modelRow, modelColumn) = place(3)
        let label = grid.put("Model    ", row: modelRow, column: modelColumn, .dim)
        let context = server.context.map { ", context \($0.grouped)" } ?? ""
        let text = (server.model ?? "none") + context + (server.isRemote ? ", on another server" : "")
        grid.put(text, row: modelRow, column: modelColumn + label, width: width - label - 2)
    }

    /// A label, a bar and the number: Running  ████░░░░  4/8
    private func drawMeter(
        _ label: String, _ value: Int, of limit: Int, _ place: (row: Int, column: Int), _ width: Int, on grid: inout CellGrid
    ) {
        let text = "\(value)/\(limit)"
        let used = grid.put((label + "         ").prefix(9).description, row: place.row, column: place.column, .dim)
        let size = max(0, min(40, width - used - text.count - 1))
        let filled = limit > 0 ? min(size, (value * size + limit - 1) / limit) : 0
        let tone: CellStyle.Tone = 10 * value >= 9 * limit ? .bad : 2 * value >= limit ? .warning : .good
        let start = place.column + used
        grid.put(String(repeating: "█", count: filled), row: place.row, column: start, .tone(tone))
        grid.put(String(repeating: "░", count: size - filled), row: place.row, column: start + filled, .dim)
        grid.put(text, row: place.row, column: start + size + 1, .bold)
    }

    /// The last values as bars of one column each.
    static func sparkline(_ values: [Double], columns: Int) -> String {
        let shown = values.suffix(max(0, columns))
        let highest = shown.max() ?? 0
        let bars = Array("▁▂▃▄▅▆▇█")
        return String(shown.map { highest > 0 ? bars[min(7, Int($0 / highest * 7.99))] : bars[0] })
    }

    // MARK: A user

    /// The number of facts below.
    static let userFactCount = 10

    func drawUser(_ screen: UserScreen, on grid: inout CellGrid) {
        guard let user = screen.user else {
            grid.put("Loading…", row: bodyRows.lowerBound, column: 1, .dim)
            return
        }
        let state = user.isDisabled ? "disabled" : "enabled"
        let stateStyle = CellStyle.tone(user.isDisabled ? .bad : .good, bold: true)
        let joined = user.joined?.ago(at: now) ?? "-"
        let active = user.lastActive?.ago(at: now) ?? "-"
        let first = bodyRows.lowerBound
        if userFactRows == 2, rows < 18 {
            let used = grid.put(user.username, row: first, column: 1, width: max(1, columns - 14), .bold)
            grid.put(state, row: first, column: used + 3, stateStyle)
            let rest = "\(user.messages.short(7)) messages · \(user.generations.short(7)) generations · joined \(joined) · active \(active)"
            grid.put(rest, row: first + 1, column: 1, width: columns - 2, .dim)
            return
        }
        let facts = [
            Figure(label: "Name", value: user.username),
            Figure(label: "State", value: state, style: stateStyle),
            Figure(label: "Email", value: user.email ?? "-", style: .plain),
            Figure(label: "Id", value: user.id, style: .dim),
            Figure(label: "Joined", value: user.joined.map { "\($0.date), \(joined)" } ?? "-", style: .plain),
            Figure(label: "Last active", value: active, style: .plain),
            Figure(label: "Messages", value: "\(user.messages.grouped) in \(user.conversations.grouped) conversations"),
            Figure(label: "Generations", value: "\(user.generations.grouped), \(user.tokens.short(9)) tokens"),
            Figure(label: "Sessions", value: user.sessions.map { $0.grouped } ?? "…", style: .plain),
            Figure(label: "API keys", value: user.apiKeys.map { $0.grouped } ?? "…", style: .plain),
        ]
        let width = textColumns.count / factColumns
        for (index, fact) in facts.enumerated() {
            let row = first + index / factColumns
            let column = 1 + index % factColumns * width
            grid.put(fact.label, row: row, column: column, width: 11, .dim)
            grid.put(fact.value, row: row, column: column + 12, width: max(0, width - 13), fact.style)
        }
    }
}
