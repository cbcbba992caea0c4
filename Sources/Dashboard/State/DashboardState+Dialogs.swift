import AdminAPI
import Terminal

/// Questions, codes, help, and the line of input.
extension DashboardState {
    mutating func ask(_ action: AdminAction) {
        guard pendingAction == nil else { return show("Wait until the last change is done.") }
        dialog = .confirm(action, isYes: false)
    }

    mutating func handleInDialog(_ key: DashboardKey) -> [DashboardEffect] {
        switch dialog {
        case .help(let top)?: handleInHelp(key, top)
        case .confirm(let action, let isYes)?: return handleInQuestion(key, action, isYes)
        case .code?:
            // The code is shown once, so that keys typed ahead do not close it.
            switch key {
            case .enter, .escape, .text("q"): dialog = nil
            case .text("m"):
                usesMouse.toggle()
                return [.useMouse(usesMouse)]
            case .control("l"): return [.redraw]
            default: break
            }
        case nil: break
        }
        return []
    }

    private mutating func handleInHelp(_ key: DashboardKey, _ top: Int) {
        let last = max(0, Self.help.count - helpRows)
        switch key {
        case .up, .wheelUp, .text("k"): dialog = .help(top: max(0, top - 1))
        case .down, .wheelDown, .text("j"): dialog = .help(top: min(last, top + 1))
        case .pageUp: dialog = .help(top: max(0, top - helpRows))
        case .pageDown, .text(" "): dialog = .help(top: min(last, top + helpRows))
        case .home: dialog = .help(top: 0)
        case .end: dialog = .help(top: last)
        default: dialog = nil
        }
    }

    private mutating func handleInQuestion(_ key: DashboardKey, _ action: AdminAction, _ isYes: Bool) -> [DashboardEffect] {
        switch key {
        case .left, .right, .tab, .backTab, .up, .down: dialog = .confirm(action, isYes: !isYes)
        case .text("y"), .text("Y"): return confirm(action)
        case .text("n"), .text("N"), .escape, .text("q"): dialog = nil
        case .enter:
            if isYes { return confirm(action) }
            dialog = nil
        case .click(let row, let column):
            if dialogLayout.yes.contains(row: row, column: column) { return confirm(action) }
            if dialogLayout.no.contains(row: row, column: column) { dialog = nil }
        default: break
        }
        return []
    }

    private mutating func confirm(_ action: AdminAction) -> [DashboardEffect] {
        dialog = nil
        pendingAction = action
        return [.perform(action)]
    }

    // MARK: The line of input

    /// How long the filter waits for more keys, in milliseconds.
    private static let typingPause = 250

    mutating func handleInInput(_ key: DashboardKey) -> [DashboardEffect] {
        guard var current = input else { return [] }
        switch key {
        case .enter:
            applyInput()
            input = nil
        case .escape:
            input?.text = current.previous
            applyInput()
            input = nil
        case .up, .down, .pageUp, .pageDown, .tab:
            applyInput()
            input = nil
            return handle(key)
        default:
            guard let editing = key.editing else { break }
            var line = LineBuffer(current.text)
            line.place(cursor: current.cursor)
            let isEmpty = line.isEmpty
            guard line.apply(editing) else { break }
            // Backspace in an empty line leaves it, as in vi.
            if isEmpty, key == .backspace {
                input = nil
                break
            }
            if line.text != current.text { current.applyAt = now + Self.typingPause }
            current.text = String(line.text.prefix(100))
            current.cursor = min(line.cursor, current.text.count)
            input = current
        }
        return []
    }

    /// Filters the table by the typed text, or searches the conversation for it.
    mutating func applyInput() {
        guard let text = input?.text else { return }
        input?.applyAt = nil
        if case .conversation? = details.last {
            let visible = bodyRows.count
            var isFound = true
            changeConversation { isFound = $0.find(text, visible: visible) }
            if !isFound { show("'\(text)' was not found.") }
        } else {
            table?.filter(by: text)
        }
    }
}
