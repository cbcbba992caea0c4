import AdminAPI

/// What is loaded from the server, when, and what happens if that fails.
extension DashboardState {
    package mutating func handle(_ event: DashboardEvent, at time: Int) -> [DashboardEffect] {
        now = time
        if let notice, notice.until <= now { self.notice = nil }
        var effects: [DashboardEffect] = []
        switch event {
        case .key(let key): effects = handle(key)
        case .loaded(let query, .success(let answer)):
            receive(answer, to: query)
            effects = handleWaitingKeys()
        case .loaded(let query, .failure(let error)): fail(query, error)
        case .acted(let action, let result): finish(action, result)
        case .resized(let rows, let columns): resize(rows: rows, columns: columns)
        case .tick: break
        }
        if let applyAt = input?.applyAt, applyAt <= now { applyInput() }
        if connection == .connected, now >= nextRefresh { markStale(isAutomatic: true) }
        // Relative times in the text change.
        changeConversation { _ in }
        return effects + loads()
    }

    /// Milliseconds until something happens without an event, at most a second: relative times change.
    package func timeToNextEvent(at time: Int) -> Int {
        var next = time + 1_000
        if let applyAt = input?.applyAt { next = min(next, applyAt) }
        if let until = notice?.until { next = min(next, until) }
        if case .failing(_, _, let retryAt) = connection, inFlight.isEmpty { next = min(next, retryAt) }
        return max(0, next - time)
    }

    private mutating func resize(rows newRows: Int, columns newColumns: Int) {
        rows = max(1, newRows)
        columns = max(1, newColumns)
        let visible = visibleRows
        table?.scroll(visible: visible)
        changeConversation { _ in }
        scrollServer(by: 0)
    }

    /// Marks what the screen shows to be loaded again.
    ///
    /// - Parameter isAutomatic: Leaves out what the server writes into its audit log.
    mutating func markStale(isAutomatic: Bool) {
        nextRefresh = now + refreshInterval
        refreshBegan = now
        areTotalsStale = true
        isServerStale = true
        areServersStale = true
        switch details.last {
        case .user:
            changeUser { screen in
                screen.isStale = true
                if !isAutomatic { screen.table.markStale() }
            }
        case .conversation: if !isAutomatic { changeConversation { $0.reload() } }
        case nil: if !isAutomatic || tab != .conversations { table?.markStale() }
        }
    }

    mutating func refresh() {
        pausedUntil = [:]
        if case .failing(let error, let attempts, _) = connection {
            connection = .failing(error, attempts: attempts, retryAt: now)
        } else {
            markStale(isAutomatic: false)
        }
    }

    /// The queries to send now.
    private mutating func loads() -> [DashboardEffect] {
        pausedUntil = pausedUntil.filter { $0.value > now }
        let queries = wantedQueries.filter { !inFlight.contains($0) && pausedUntil[$0] == nil }
        inFlight.formUnion(queries)
        return queries.map { .load($0) }
    }

    private var wantedQueries: [AdminQuery] {
        switch connection {
        // One attempt at a time: the server counts wrong keys.
        case .connecting: return inFlight.isEmpty ? [.server] : []
        case .failing(_, _, let retryAt): return inFlight.isEmpty && now >= retryAt ? [.server] : []
        case .connected: break
        }
        var queries: [AdminQuery] = isServerStale ? [.server] : []
        if areServersStale { queries.append(.servers) }
        if tab == .overview, details.isEmpty, areTotalsStale { queries.append(.totals) }
        switch details.last {
        case .user(let screen)?: if screen.isStale { queries.append(.user(id: screen.id)) }
        case .conversation(let screen)?: if let query = screen.query { queries.append(query) }
        case nil: break
        }
        return queries + (table?.queries(visible: visibleRows) ?? [])
    }

    private mutating func receive(_ answer: AdminAnswer, to query: AdminQuery) {
        inFlight.remove(query)
        if connection != .connected {
            if case .failing = connection { show("Connected again.") }
            connection = .connected
            markStale(isAutomatic: true)
        }
        let visible = visibleRows
        switch answer {
        case .totals(let new):
            totals = new
            areTotalsStale = false
            rates = Array((rates + [Double(new.tokensLastMinute) / 60]).suffix(60))
        case .server(let new):
            server = new
            isServerStale = false
            scrollServer(by: 0)
        case .servers(let new):
            servers = new
            areServersStale = false
            scrollServer(by: 0)
        case .user(let user):
            if case .user(let screen)? = details.last, screen.id == user.id { changeUser { $0.receive(user) } }
        case .rows(let rows, let total):
            table?.receive(rows, total: total, for: query, visible: visible)
        case .messages(let messages, let total):
            guard case .messages(let id, let offset) = query else { break }
            changeConversation { if $0.conversation.id == id { $0.receive(messages, total: total, offset: offset) } }
        case .invitations: break
        }
        // A slow server is asked less often.
        if inFlight.isEmpty { nextRefresh = max(nextRefresh, now + 2 * (now - refreshBegan)) }
    }

    private mutating func fail(_ query: AdminQuery, _ error: AdminError) {
        inFlight.remove(query)
        if error.concernsServer { return fail(error) }
        waitingKeys = []
        pausedUntil[query] = now + refreshInterval
        guard case .rejected(404, _) = error else { return show("\(error)", isError: true) }
        // The object was deleted while its screen was open.
        switch (query, details.last) {
        case (.user(let id), .user(let screen)?) where screen.id == id: close("This user no longer exists.")
        case (.conversations(let id?, _), .user(let screen)?) where screen.id == id: close("This user no longer exists.")
        case (.messages(let id, _), .conversation(let screen)?) where screen.conversation.id == id:
            close("This conversation no longer exists.")
        default: break
        }
    }

    private mutating func close(_ reason: String) {
        details.removeLast()
        show(reason, isError: true)
        markStale(isAutomatic: false)
    }

    private mutating func fail(_ error: AdminError) {
        // The keys were meant for what would have been on the screen then.
        waitingKeys = []
        var attempts = 1
        // Several queries may fail at the same time; that is one attempt.
        if case .failing(_, let earlier, let retryAt) = connection { attempts = now >= retryAt ? earlier + 1 : earlier }
        connection = .failing(error, attempts: attempts, retryAt: now + error.delay(after: attempts))
    }

    private mutating func finish(_ action: AdminAction, _ result: Result<AdminOutcome, AdminError>) {
        pendingAction = nil
        switch result {
        case .success(let outcome):
            if case .deleteUser(let id, _) = action, case .user(let screen)? = details.last, screen.id == id { details.removeLast() }
            if let code = outcome.code {
                dialog = .code(code, name: action.name)
            } else {
                show(action.done)
            }
            markStale(isAutomatic: false)
        case .failure(let error):
            show("\(error)", isError: true)
            if error.concernsServer { fail(error) }
        }
    }
}
