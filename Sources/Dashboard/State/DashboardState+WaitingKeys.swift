/// Keys that are pressed while a screen loads wait for its rows.
extension DashboardState {
    static let maxWaitingKeys = 100

    /// Whether a key works at once, however many others wait: it does not depend on what the screen shows.
    func leavesScreen(_ key: DashboardKey) -> Bool {
        if dialog != nil || input != nil { return false }
        // A line of input will begin, which the keys are typed into.
        if waitingKeys.contains(.text("/")) { return key == .escape }
        return switch key {
        case .text("q"), .text("?"), .text("r"), .escape, .tab, .backTab, .left, .right, .control, .click, .wheelUp, .wheelDown: true
        case .text(let digit): Int(digit).map { (1...Tab.allCases.count).contains($0) } ?? false
        default: false
        }
    }

    /// Whether a key needs rows that are loading.
    func isTooEarly(_ key: DashboardKey) -> Bool {
        // After a failure the screen says so, and keys do not wait.
        if case .failing = connection { return false }
        if dialog != nil || input != nil || leavesScreen(key) { return false }
        switch key {
        case .paste, .text("m"), .text("s"), .text("S"), .text("/"), .backspace: return false
        default: break
        }
        switch details.last {
        case .conversation(let screen)?: return !screen.isComplete
        case .user(let screen)? where ["d", "p", "e", "K", "D"].contains { key == .text($0) }: return screen.user == nil
        case .user?, nil: break
        }
        if details.isEmpty, tab == .server { return server == nil }
        guard let table, table.total != 0 else { return false }
        switch key {
        case .enter, .text("u"), .text("d"), .text("p"), .text("e"), .text("K"), .text("D"): return table.selectedRow == nil
        default: return table.total == nil
        }
    }

    /// Handles the keys whose rows have arrived.
    mutating func handleWaitingKeys() -> [DashboardEffect] {
        var effects: [DashboardEffect] = []
        while let key = waitingKeys.first, !isTooEarly(key) {
            waitingKeys.removeFirst()
            let hadDialog = dialog != nil
            effects += handleNow(key)
            // A question has to be seen before it is answered.
            if !hadDialog, dialog != nil { waitingKeys = [] }
        }
        return effects
    }

    /// Inserts pasted text into the line of input. Elsewhere its characters would act as keys, such as D and y.
    mutating func paste(_ text: String) -> [DashboardEffect] {
        guard input != nil else {
            show("Pasted text is ignored. To search for it, press / first.")
            return []
        }
        for character in text where !character.isNewline && character != "\t" { _ = handleInInput(.text(String(character))) }
        return []
    }
}
