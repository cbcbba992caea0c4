import AdminAPI

/// What each key does.
extension DashboardState {
    mutating func handle(_ key: DashboardKey) -> [DashboardEffect] {
        if leavesScreen(key) { waitingKeys = [] }
        if !waitingKeys.isEmpty || isTooEarly(key) {
            if waitingKeys.count < Self.maxWaitingKeys { waitingKeys.append(key) }
            return []
        }
        return handleNow(key)
    }

    mutating func handleNow(_ key: DashboardKey) -> [DashboardEffect] {
        if case .paste(let text) = key { return paste(text) }
        if dialog != nil { return handleInDialog(key) }
        if input != nil { return handleInInput(key) }
        switch key {
        case .text("q"): return [.quit]
        case .text("?"): dialog = .help(top: 0)
        case .text("r"): refresh()
        case .text("m"):
            usesMouse.toggle()
            show(usesMouse ? "The mouse selects rows." : "The mouse marks text, as in other programs.")
            return [.useMouse(usesMouse)]
        case .control("l"): return [.redraw]
        case .tab, .right: switchTab(by: 1)
        case .backTab, .left: switchTab(by: -1)
        case .text(let digit) where Int(digit).map { (1...Tab.allCases.count).contains($0) } ?? false:
            if let number = Int(digit), let tab = Tab(rawValue: number - 1) { open(tab) }
        case .escape, .backspace: goBack()
        case .click(let row, let column): return click(row, column)
        case .text("d"): if let user = subject { ask(.setDisabled(!user.isDisabled, id: user.id, name: user.name)) }
        case .text("p"): if let user = subject { ask(.resetPassword(id: user.id, name: user.name)) }
        case .text("e"): if let user = subject { ask(.endSessions(id: user.id, name: user.name)) }
        case .text("K"): if let user = subject { ask(.revokeKeys(id: user.id, name: user.name)) }
        case .text("D"): if let user = subject { ask(.deleteUser(id: user.id, name: user.name)) }
        default:
            if case .conversation? = details.last {
                handleInText(key)
            } else if details.isEmpty, tab == .server {
                handleInServer(key)
            } else {
                handleInTable(key)
            }
        }
        return []
    }

    // MARK: Screens

    private mutating func switchTab(by step: Int) {
        let count = Tab.allCases.count
        if let next = Tab(rawValue: (tab.rawValue + step + count) % count) { open(next) }
    }

    private mutating func open(_ next: Tab) {
        details = []
        tab = next
        markStale(isAutomatic: false)
    }

    /// Leaves the screen; on the first one, removes the filter.
    private mutating func goBack() {
        if let filter = table?.filter, !filter.isEmpty {
            table?.filter(by: "")
        } else if !details.isEmpty {
            details.removeLast()
            markStale(isAutomatic: true)
        }
    }

    mutating func openSelected() {
        switch table?.selectedRow {
        case .user(let user)?: details.append(.user(UserScreen(id: user.id, user: user)))
        case .conversation(let conversation)?:
            details.append(.conversation(ConversationScreen(conversation)))
            changeConversation { _ in }
        case .audit(let line)?: if line.action.hasPrefix("user."), let id = line.target { openUser(id) }
        case nil: break
        }
    }

    private mutating func openUser(_ id: String) {
        // Going from a user to their conversation and on to the user goes back.
        if details.dropLast().last.map({ if case .user(let screen) = $0 { screen.id == id } else { false } }) ?? false {
            details.removeLast()
        } else {
            details.append(.user(UserScreen(id: id, user: nil)))
        }
    }

    // MARK: Tables

    private mutating func handleInTable(_ key: DashboardKey) {
        let visible = visibleRows
        let last = (table?.total ?? 1) - 1
        switch key {
        case .up, .wheelUp, .text("k"): table?.move(by: key == .wheelUp ? -3 : -1, visible: visible)
        case .down, .wheelDown, .text("j"): table?.move(by: key == .wheelDown ? 3 : 1, visible: visible)
        case .pageUp: table?.move(by: -max(1, visible), visible: visible)
        case .pageDown, .text(" "): table?.move(by: max(1, visible), visible: visible)
        case .home, .text("g"): table?.select(0, visible: visible)
        case .end, .text("G"): table?.select(last, visible: visible)
        case .enter: openSelected()
        case .text("u"): if case .conversation(let conversation)? = table?.selectedRow { openUser(conversation.user) }
        case .text("s"): table?.sortByNext()
        case .text("S"): table?.reverse()
        case .text("/"):
            guard let table, !table.orders.isEmpty else { break }
            input = FilterInput(text: table.filter, cursor: table.filter.count, previous: table.filter)
        default: break
        }
    }

    // MARK: The text of a conversation

    private mutating func handleInText(_ key: DashboardKey) {
        guard case .conversation(let screen)? = details.last else { return }
        let visible = bodyRows.count
        func scroll(by lines: Int) { changeConversation { $0.scroll(to: $0.top + lines, visible: visible) } }
        switch key {
        case .up, .wheelUp, .text("k"): scroll(by: key == .wheelUp ? -3 : -1)
        case .down, .wheelDown, .text("j"), .enter: scroll(by: key == .wheelDown ? 3 : 1)
        case .pageUp: scroll(by: -max(1, visible - 1))
        case .pageDown, .text(" "): scroll(by: max(1, visible - 1))
        case .home, .text("g"): changeConversation { $0.scroll(to: 0, visible: visible) }
        case .end, .text("G"): changeConversation { $0.scroll(to: $0.lines.count, visible: visible) }
        case .text("u"): openUser(screen.conversation.user)
        case .text("/"): input = FilterInput(text: screen.search, cursor: screen.search.count, previous: screen.search)
        case .text("n"), .text("N"):
            var isFound = false
            changeConversation { isFound = $0.findNext(forwards: key == .text("n"), visible: visible) }
            if !isFound { show(screen.search.isEmpty ? "Search first: /" : "'\(screen.search)' was not found.") }
        default: break
        }
    }

    // MARK: The server

    private mutating func handleInServer(_ key: DashboardKey) {
        switch key {
        case .up, .text("k"): scrollServer(by: -1)
        case .down, .text("j"): scrollServer(by: 1)
        case .wheelUp: scrollServer(by: -3)
        case .wheelDown: scrollServer(by: 3)
        case .pageUp: scrollServer(by: -bodyRows.count)
        case .pageDown, .text(" "): scrollServer(by: bodyRows.count)
        case .home, .text("g"): scrollServer(by: -serverLines.count)
        case .end, .text("G"): scrollServer(by: serverLines.count)
        default: break
        }
    }

    mutating func scrollServer(by lines: Int) {
        guard tab == .server || serverTop > 0 else { return }
        serverTop = max(0, min(serverTop + lines, serverLines.count - bodyRows.count))
    }

    // MARK: The mouse

    private mutating func click(_ row: Int, _ column: Int) -> [DashboardEffect] {
        if row == tabRow {
            if let (tab, _) = tabRanges.first(where: { $0.columns.contains(column) }) { open(tab) }
        } else if let layout = tableLayout, let table {
            let index = table.top + row - layout.firstRow
            let visible = layout.visible
            if row == layout.headerRow {
                let clicked = columnLayout(of: table).first { $0.range.contains(column) }
                if let key = clicked?.column.sortKey { self.table?.sort(by: key) }
            } else if (layout.firstRow..<layout.firstRow + visible).contains(row), index < table.total ?? 0 {
                if index == table.selected { openSelected() } else { self.table?.select(index, visible: visible) }
            }
        }
        return []
    }
}
