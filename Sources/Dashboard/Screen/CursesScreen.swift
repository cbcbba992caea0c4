import CNcurses
import Glibc
package import SharedLibraries
import Terminal

/// The terminal: shows grids and reads keys. The process has one, from `init` to `close`.
struct CursesScreen {
    private let curses: slm_curses_functions
    private let hasColors: Bool
    /// What is on the screen; nil if it is unknown.
    private var shown: CellGrid?
    /// The text of a paste whose end has not arrived; nil outside of one.
    private var pasted: String?

    private static let maxPasteCharacters = 10_000

    /// - Parameter usesColor: Whether to use colors if the terminal has them.
    init(usesColor: Bool, usesMouse: Bool) throws(DashboardError) {
        guard TerminalMode.isTerminal(STDIN_FILENO), TerminalMode.isTerminal(STDOUT_FILENO) else { throw .noTerminal }
        do throws(MissingLibrary) {
            curses = try SharedLibrary(String(cString: slm_curses_file()), package: "libncursesw6")
                .functions(slm_curses_functions(), slm_curses_find).table
        } catch { throw .noLibrary(error) }
        // Before curses changes the mode of the terminal.
        let isRegistered = TerminalRestore.registerForCrashes(
            of: STDOUT_FILENO, ending: "\u{1B}[?2004l\u{1B}[?1000l\u{1B}[?1006l\u{1B}[0m\u{1B}[?25h\u{1B}[?1049l\r\n")
        slm_curses_use_utf8()
        guard slm_curses_open(curses) != 0 else {
            if isRegistered { TerminalRestore.unregister() }
            throw .unusableTerminal(type: getenv("TERM").map { String(cString: $0) } ?? "")
        }
        hasColors = usesColor && slm_curses_start_colors(curses) != 0
        if hasColors {
            for tone in CellStyle.Tone.allCases where tone != .plain {
                let (foreground, background) = Self.colors(of: tone)
                slm_curses_set_pair(curses, Self.pair(of: tone), foreground, background)
            }
        }
        useMouse(usesMouse)
    }

    mutating func close() {
        useMouse(false)
        slm_curses_close(curses)
        TerminalRestore.unregister()
    }

    func useMouse(_ isOn: Bool) { slm_curses_use_mouse(curses, isOn ? 1 : 0) }

    /// Stops the program, as Ctrl-Z does, and redraws when it continues.
    mutating func suspend() {
        slm_curses_close(curses)
        var saved = sigaction()
        var stopping = sigaction()
        stopping.__sigaction_handler.sa_handler = SIG_DFL
        sigaction(SIGTSTP, &stopping, &saved)
        raise(SIGTSTP)
        sigaction(SIGTSTP, &saved, nil)
        resume()
    }

    /// Redraws after another program has used the terminal.
    mutating func resume() {
        slm_curses_resume(curses)
        shown = nil
    }

    /// Adopts the size of the terminal.
    ///
    /// - Returns: The size.
    mutating func resize() -> (rows: Int, columns: Int) {
        let size = TerminalMode.size(of: STDOUT_FILENO)
        slm_curses_resize(curses, Int32(size.rows), Int32(size.columns))
        shown = nil
        return (size.rows, size.columns)
    }

    mutating func redraw() {
        slm_curses_clear(curses)
        shown = nil
    }

    // MARK: Showing

    mutating func show(_ grid: CellGrid) {
        if grid == shown { return }
        let known = shown.flatMap { $0.rows == grid.rows && $0.columns == grid.columns ? $0 : nil }
        if known == nil { slm_curses_erase(curses) }
        for row in 0..<grid.rows {
            let range = row * grid.columns..<(row + 1) * grid.columns
            if let known, known.cells[range] == grid.cells[range] { continue }
            for column in 0..<grid.columns { put(grid.cells[row * grid.columns + column], row, column) }
        }
        slm_curses_cursor(curses, Int32(grid.cursor?.row ?? -1), Int32(grid.cursor?.column ?? 0))
        slm_curses_update(curses)
        shown = grid
    }

    private func put(_ cell: CellGrid.Cell, _ row: Int, _ column: Int) {
        guard cell.columns > 0, let first = cell.text.unicodeScalars.first else { return }
        let (attributes, pair) = appearance(of: cell.style)
        func put(_ text: String, at column: Int) {
            let characters = text.unicodeScalars.map { wchar_t($0.value) } + [0]
            slm_curses_put(curses, Int32(row), Int32(column), characters, attributes, pair)
        }
        let width = first.isASCII ? 1 : Int(slm_curses_width(wchar_t(first.value)))
        // The library may know fewer characters than Swift, or other widths.
        put(width >= 1 && width <= cell.columns ? cell.text : "?", at: column)
        if cell.columns == 2, width != 2 { put(" ", at: column + 1) }
    }

    private func appearance(of style: CellStyle) -> (attributes: UInt32, pair: Int32) {
        var attributes: UInt32 = 0
        if style.isBold { attributes |= slm_curses_bold }
        if style.isDim { attributes |= slm_curses_dim }
        if hasColors { return (attributes, style.tone == .plain ? 0 : Self.pair(of: style.tone)) }
        switch style.tone {
        case .bar, .selection, .alarm: attributes |= slm_curses_reverse
        case .bad: attributes |= slm_curses_underline
        case .plain, .accent, .good, .warning, .user: break
        }
        return (attributes, 0)
    }

    private static func pair(of tone: CellStyle.Tone) -> Int32 { Int32(CellStyle.Tone.allCases.firstIndex(of: tone) ?? 0) }

    /// The numbers of foreground and background; -1 is the terminal's own.
    private static func colors(of tone: CellStyle.Tone) -> (Int32, Int32) {
        switch tone {
        case .plain: (-1, -1)
        case .accent: (COLOR_CYAN, -1)
        case .good: (COLOR_GREEN, -1)
        case .warning: (COLOR_YELLOW, -1)
        case .bad: (COLOR_RED, -1)
        case .user: (COLOR_MAGENTA, -1)
        case .bar: (COLOR_WHITE, COLOR_BLUE)
        case .selection: (COLOR_BLACK, COLOR_CYAN)
        case .alarm: (COLOR_WHITE, COLOR_RED)
        }
    }

    // MARK: Keys

    /// The keys that have arrived, without waiting.
    mutating func keys() -> [DashboardKey] {
        var keys: [DashboardKey] = []
        // Whether the bytes of an unknown key follow, such as ESC [ 1 ; 2 A. They are not letters that were typed.
        var isInSequence = false
        var code: UInt32 = 0
        while keys.count < 1_000 {
            let kind = slm_curses_read(curses, &code)
            if kind == 0 { break }
            if kind == 2, Int32(bitPattern: code) == slm_curses_paste_begin {
                pasted = ""
            } else if kind == 2, Int32(bitPattern: code) == slm_curses_paste_end {
                if let pasted { keys.append(.paste(pasted)) }
                pasted = nil
            } else if let text = pasted {
                if kind == 1, let scalar = Unicode.Scalar(code), text.unicodeScalars.count < Self.maxPasteCharacters {
                    pasted = text + String(Character(scalar))
                }
            } else if isInSequence, kind == 1 {
                isInSequence = !(0x40...0x7E ~= code)
            } else if kind == 1, keys.last == .escape, code == UInt32(UInt8(ascii: "[")) || code == UInt32(UInt8(ascii: "O")) {
                keys.removeLast()
                isInSequence = true
            } else if kind == 2 {
                if let key = key(ofCode: Int32(bitPattern: code)) { keys.append(key) }
            } else if let key = Self.key(ofCharacter: code) {
                keys.append(key)
            }
        }
        return keys
    }

    private func key(ofCode code: Int32) -> DashboardKey? {
        switch code {
        case KEY_UP: return .up
        case KEY_DOWN: return .down
        case KEY_LEFT: return .left
        case KEY_RIGHT: return .right
        case KEY_PPAGE: return .pageUp
        case KEY_NPAGE: return .pageDown
        case KEY_HOME: return .home
        case KEY_END: return .end
        case KEY_ENTER: return .enter
        case KEY_BTAB: return .backTab
        case KEY_BACKSPACE: return .backspace
        case KEY_DC: return .delete
        case KEY_MOUSE:
            var row: Int32 = 0
            var column: Int32 = 0
            return switch slm_curses_mouse(curses, &row, &column) {
            case 1: .click(row: Int(row), column: Int(column))
            case 4: .wheelUp
            case 5: .wheelDown
            default: nil
            }
        default: return nil
        }
    }

    private static func key(ofCharacter code: UInt32) -> DashboardKey? {
        switch code {
        case 9: .tab
        case 10, 13: .enter
        case 27: .escape
        case 8, 127: .backspace
        case 1...26: Unicode.Scalar(code + 0x60).map { .control(Character($0)) }
        case 0...31: nil
        default: Unicode.Scalar(code).map { .text(String(Character($0))) }
        }
    }
}

/// Why the dashboard cannot be shown.
package enum DashboardError: Error, Equatable, CustomStringConvertible {
    case noTerminal
    case unusableTerminal(type: String)
    case noPipe(reason: String)
    /// ncurses is not installed.
    case noLibrary(MissingLibrary)

    package var description: String {
        switch self {
        case .noTerminal: "slm admin needs a terminal. Without one: slm admin stats, users or conversations."
        case .noLibrary(let library): "\(library). Without a screen: slm admin stats, users or conversations."
        case .noPipe(let reason): "cannot create a pipe: \(reason)."
        case .unusableTerminal(let type):
            "the terminal type '\(type)' (TERM) is unknown or cannot move the cursor. "
                + "Without a screen: slm admin stats, users or conversations."
        }
    }
}
