import AdminAPI
import Files

/// Draws the server's state: health, queue, process, traffic, limits and errors.
extension DashboardState {
    struct ServerLine: Sendable, Equatable {
        let label, value: String
        var style = CellStyle.plain
        var isHeading = false
        /// The columns of the label, for a long value.
        var labelColumns = 20

        static func heading(_ text: String) -> ServerLine { ServerLine(label: text, value: "", isHeading: true) }
        static let empty = ServerLine(label: "", value: "")
    }

    /// The number of sections beside each other.
    private var serverColumns: Int { max(1, min(3, columns / 39)) }

    /// The rows of the screen; each has a line for each of `serverColumns`, or one line that is as wide as the screen.
    var serverLines: [[ServerLine]] {
        guard let server else { return [] }
        let list = listLines
        var parts = Array(repeating: [ServerLine](), count: serverColumns)
        for section in sections(of: server) {
            guard let shortest = parts.indices.min(by: { parts[$0].count < parts[$1].count }) else { break }
            if !parts[shortest].isEmpty { parts[shortest].append(.empty) }
            parts[shortest] += section
        }
        let height = parts.map(\.count).max() ?? 0
        return list.map { [$0] } + (0..<height).map { row in parts.map { row < $0.count ? $0[row] : .empty } }
    }

    /// The servers that share the database.
    private var listLines: [ServerLine] {
        if servers.count < 2 { return [] }
        let columns: [(title: String, minWidth: Int, text: (ReplicaRecord) -> String)] = [
            ("SERVER", 0, { $0.name }), ("MODEL", 70, { $0.model ?? "none" }),
            ("#RUNNING", 0, { "\($0.running.grouped)/\($0.slots.grouped)" }), ("#WAITING", 0, { $0.waiting.grouped }),
            ("#TOKENS", 90, { $0.tokens.short(9) }), ("#MEMORY", 80, { $0.memoryBytes.bytesText }),
            ("#SEEN", 0, { servers.heartbeatAge(of: $0) }), ("#STARTED", 100, { $0.started.map { $0.ago(at: now) } ?? "-" }),
            ("VERSION", 60, { $0.version }),
        ].filter { $0.minWidth <= self.columns }
        var table = TextTable(columns.map(\.title))
        for server in servers { table.add(columns.map { $0.text(server) }) }
        let lines = table.lines(columns: textColumns.count).enumerated().map { index, line in
            ServerLine(label: line, value: "", style: index == 0 ? .dim : .plain)
        }
        return [.heading("Servers on this database")] + lines + [.empty]
    }

    private func sections(of server: ProcessRecord) -> [[ServerLine]] {
        func check(_ label: String, _ state: String) -> ServerLine {
            let tone: CellStyle.Tone = state == "ok" || state == "ready" ? .good : state == "loading" ? .warning : .bad
            let mark = tone == .good ? "✓" : tone == .bad ? "✗" : "…"
            return ServerLine(label: label, value: "\(mark) \(state)", style: .tone(tone, bold: true))
        }
        func line(_ label: String, _ value: String) -> ServerLine { ServerLine(label: label, value: value) }
        let cpu = server.uptime > 0 ? server.cpuSeconds / server.uptime * 100 : 0
        let limits = server.limits.map { limit -> ServerLine in
            let value = switch limit.value {
            case .number(0): "none"
            case .number(let number): limit.name == "session_seconds" ? Double(number).spanText : number.grouped
            case .flag(let isOn): isOn ? "yes" : "no"
            }
            return line(limit.name.spaced.replacing(" seconds", with: "s last").replacing("api", with: "API").capitalizedStart, value)
        }
        let errors = server.errors.map { error in
            ServerLine(
                label: "\(error.count.grouped) × \(error.status)", value: "\(error.method) \(error.route)",
                style: error.status >= 500 ? .tone(.bad) : .plain, labelColumns: 10)
        }
        return [
            [
                .heading("Health"), line("Server", server.name ?? host), check("State", server.status), check("Model", server.modelCheck),
                check("Engine", server.engineCheck), check("Database", server.databaseCheck),
            ],
            [
                .heading("Model"), line("Name", server.model ?? "none"),
                line("Context", server.context.map { "\($0.grouped) tokens" } ?? "-"),
                line("Runs", server.isRemote ? "on another server" : "in this process"),
                line("Loaded", server.loaded.map { $0.ago(at: now) } ?? "-"),
            ],
            [
                .heading("Queue"), line("Running", "\(server.running.grouped) of \(server.slots.grouped)"),
                line("Waiting", "\(server.waiting.grouped) of \(server.maxWaiting.grouped)"),
            ],
            [
                .heading("Process"), line("Version", server.version), line("Up", server.uptime.spanText),
                line("Memory", server.residentBytes.bytesText),
                line("Cores", server.cores.grouped), line("CPU", "\(cpu.oneDigit) % of a core"),
                line("Open files", server.openFiles.grouped + (server.maxFiles.map { " of \($0.grouped)" } ?? "")),
            ],
            [
                .heading("Since the start"), line("Requests", server.requests.grouped), line("Prompt tokens", server.promptTokens.grouped),
                line("Tokens", server.tokensGenerated.grouped),
            ],
            [.heading("Errors")] + (errors.isEmpty ? [ServerLine(label: "None", value: "", style: .tone(.good))] : errors),
            [.heading("Limits")] + limits,
        ]
    }

    func drawServer(on grid: inout CellGrid) {
        let lines = serverLines
        if lines.isEmpty {
            if connection == .connected { grid.put("Loading…", row: bodyRows.lowerBound + 1, column: 1, width: columns - 2, .dim, .center) }
            return
        }
        for (offset, row) in bodyRows.enumerated() {
            let index = serverTop + offset
            guard lines.indices.contains(index) else { break }
            let isWide = lines[index].count < serverColumns
            let width = isWide ? textColumns.count : textColumns.count / serverColumns
            for (part, line) in lines[index].enumerated() {
                let column = 1 + part * width
                if line.isHeading {
                    let used = grid.put(line.label, row: row, column: column, .heading)
                    grid.put(String(repeating: "─", count: max(0, width - used - 3)), row: row, column: column + used + 1, .dim)
                } else if line.value.isEmpty {
                    grid.put(line.label, row: row, column: column, width: width - 1, line.style)
                } else {
                    let labelWidth = min(line.labelColumns, width / 2)
                    grid.put(line.label, row: row, column: column, width: labelWidth, .dim)
                    grid.put(line.value, row: row, column: column + labelWidth + 1, width: max(0, width - labelWidth - 3), line.style)
                }
            }
        }
        drawScrollbar(of: lines.count, from: serverTop, in: bodyRows, on: &grid)
    }
}
