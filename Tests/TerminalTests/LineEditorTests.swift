import Terminal
import Testing
import TestSupport
import Threads

/// Runs the editor on a pseudoterminal and applies its escape sequences to a simulated screen.
@Suite struct LineEditorTests {
    /// Types text and returns the lines that the editor read and the resulting screen.
    private func read(_ typed: String, lines: Int = 1, columns: UInt16 = 40) -> (outcomes: [LineEditor.Outcome], screen: Screen) {
        let terminal = PseudoTerminal(columns: columns), output = Mailbox<[UInt8]>()
        var outcomes: [LineEditor.Outcome] = []
        TerminalMode.raw.apply(to: terminal.slave) {
            terminal.type(typed)
            var editor = LineEditor(input: terminal.slave, output: terminal.slave)
            for _ in 0..<lines { outcomes.append(editor.read(prompt: "> ", columns: 2, continuationPrompt: ". ")) }
        }
        output.put([])
        var screen = Screen(columns: Int(columns))
        screen.show(terminal.read(until: "\u{0}", seconds: 0.05))
        return (outcomes, screen)
    }

    @Test func `edited lines are returned`() {
        #expect(read("hello\r").outcomes == [.line("hello")])
        #expect(read("wörld\u{1B}[D\u{1B}[D\u{7F}R\u{1}日\r").outcomes == [.line("日wöRld")])
        #expect(read("a\\\rb\\\rc\r").outcomes == [.line("a\nb\nc")])
        #expect(read("\u{1B}[200~x\ny\u{1B}[201~z\r").outcomes == [.line("x\nyz")])
        #expect(read("\u{4}").outcomes == [.end])
        #expect(read("ab\u{4}\u{1}\u{4}\r").outcomes == [.line("b")])
        #expect(read("\u{3}a\u{3}", lines: 2).outcomes == [.interrupted(false), .interrupted(true)])
    }

    @Test func `history shows earlier lines and keeps the new one`() {
        let (outcomes, _) = read("one\rtwo\r\u{1B}[A\u{1B}[A!\rnew\u{1B}[A\u{1B}[B\r\u{10}\u{10}\u{10}\r", lines: 5)
        #expect(outcomes == [.line("one"), .line("two"), .line("one!"), .line("new"), .line("two")])
    }

    @Test func `a long line wraps one column before the edge`() {
        let (outcomes, screen) = read("abcdefghijklmnopqrstuvwxyz\u{1}\u{1B}[C\u{1B}[CXY\r", columns: 12)
        #expect(outcomes == [.line("abXYcdefghijklmnopqrstuvwxyz")])
        #expect(screen.rows == ["> abXYcdefg", "hijklmnopqr", "stuvwxyz"])
        // A wide character that does not fit starts the next row.
        #expect(read("12345678日x\u{7F}\r", columns: 12).screen.rows == ["> 12345678", "日"])
        #expect(read("123456789日\u{1B}[D\u{7F}\u{7F}\r", columns: 12).screen.rows == ["> 1234567日"])
    }

    @Test func `fuzz: the screen shows the line after random edits`() {
        var noise = TestRandom(31)
        let keys = ["a", "b ", "日", "🙂", "é", "\u{1B}[D", "\u{1B}[C", "\u{7F}", "\u{1}", "\u{5}", "\u{17}", "\u{B}", "\u{19}", "\u{1B}[3~"]
        for round in 0..<fuzzRounds(default: 60) {
            let typed = (0..<noise.below(30)).map { _ in keys[noise.below(keys.count)] }.joined()
            let columns = UInt16(8 + noise.below(12))
            let (outcomes, screen) = read(typed + "\r", columns: columns)
            guard case .line(let text)? = outcomes.first else { return #expect(Bool(false), "\(round): \(outcomes)") }
            #expect(screen.rows.joined().filter { $0 != " " } == ("> " + text).filter { $0 != " " }, "\(round) \(typed.debugDescription)")
        }
    }
}

/// A screen that interprets the escape sequences used by the editor.
private struct Screen {
    private var grid: [[Character?]] = [[]]
    private var row = 0, column = 0
    private let columns: Int

    init(columns: Int) { self.columns = columns }

    /// The rows without trailing spaces, up to the last that is not empty.
    var rows: [String] {
        var rows = grid.map { row in String(row.compactMap { $0 }) }
        for i in rows.indices { while rows[i].hasSuffix(" ") { rows[i].removeLast() } }
        while rows.last == "" { rows.removeLast() }
        return rows
    }

    mutating func show(_ text: String) {
        var rest = Array(text)[...]
        while let character = rest.popFirst() {
            switch character {
            case "\r\n":
                row += 1
                column = 0
            case "\r": column = 0
            case "\n": row += 1
            case "\u{1B}":
                rest = rest.dropFirst()
                let parameters = String(rest.prefix { "0123456789?;".contains($0) })
                rest = rest.dropFirst(parameters.count)
                execute(rest.popFirst() ?? " ", Int(parameters) ?? 1)
            default: put(character)
            }
            while grid.count <= row { grid.append([]) }
        }
    }

    private mutating func execute(_ letter: Character, _ count: Int) {
        switch letter {
        case "A": row = max(0, row - count)
        case "C": column += count
        case "J":
            grid.removeSubrange((row + 1)...)
            grid[row] = Array(grid[row].prefix(column))
        default: break
        }
    }

    private mutating func put(_ character: Character) {
        while grid[row].count < column + character.columns { grid[row].append(" ") }
        grid[row][column] = character
        if character.columns == 2 { grid[row][column + 1] = nil }
        column += character.columns
        #expect(column < columns, "expected an empty last column")
    }
}
