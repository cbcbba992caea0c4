import AdminAPI
import Files

/// A user and their conversations.
struct UserScreen: Sendable, Equatable {
    let id: String
    var user: UserRecord?
    var isStale = true
    var table: RecordTable
    /// Whether the server has told the current figures since the screen was opened.
    var isLoaded = false

    init(id: String, user: UserRecord?) {
        self.id = id
        self.user = user
        table = RecordTable(.conversations(user: id))
    }

    /// Stores the figures. The list of conversations is loaded again only if it has changed: the server records each time that it is read.
    mutating func receive(_ new: UserRecord) {
        let hasChanged = user.map { $0.conversations != new.conversations || $0.messages != new.messages } ?? false
        if hasChanged, isLoaded { table.markStale() }
        user = new
        isStale = false
        isLoaded = true
    }
}

/// A conversation and its whole text.
struct ConversationScreen: Sendable, Equatable {
    struct Line: Sendable, Equatable {
        let glyphs: [Glyph]
        let style: CellStyle
        /// Columns before the text.
        let indent: Int
    }

    let conversation: ConversationRecord
    private(set) var messages: [MessageRecord] = []
    /// The number of messages on the server; nil before the first response.
    private(set) var total: Int?
    private(set) var lines: [Line] = []
    private(set) var top = 0
    /// The text to find; empty for none.
    private(set) var search = ""
    private var layoutKey: [Int] = []

    init(_ conversation: ConversationRecord) { self.conversation = conversation }

    var isComplete: Bool { total.map { messages.count >= $0 } ?? false }

    /// The query for the next messages; nil if all are loaded.
    var query: AdminQuery? { isComplete ? nil : .messages(conversation: conversation.id, offset: messages.count) }

    mutating func reload() {
        messages = []
        total = nil
    }

    mutating func receive(_ more: [MessageRecord], total newTotal: Int, offset: Int) {
        guard offset == messages.count else { return }
        messages += more
        // A conversation that became shorter in the meantime is complete, too.
        total = more.isEmpty ? messages.count : newTotal
    }

    // MARK: Lines

    /// Wraps the text, unless nothing has changed since the last time.
    mutating func layOut(columns: Int, now: Int) {
        let key = [columns, messages.count, total ?? -1, now / 60_000]
        guard key != layoutKey else { return }
        layoutKey = key
        lines = head(columns, now)
        for message in messages {
            lines.append(Line(glyphs: [], style: .plain, indent: 0))
            lines.append(Self.title(message, columns, now))
            for glyphs in message.content.wrappedGlyphs(to: columns - 2) { lines.append(Line(glyphs: glyphs, style: .plain, indent: 2)) }
        }
        if !isComplete { lines += [Line(glyphs: [], style: .plain, indent: 0), Line(glyphs: "Loading…".glyphs, style: .dim, indent: 0)] }
        if isComplete, messages.isEmpty {
            lines += [Line(glyphs: [], style: .plain, indent: 0), Line(glyphs: "No messages.".glyphs, style: .dim, indent: 0)]
        }
    }

    private func head(_ columns: Int, _ now: Int) -> [Line] {
        let title = conversation.title.isEmpty ? "(no title)" : conversation.title
        var lines = title.wrappedGlyphs(to: columns).map { Line(glyphs: $0, style: .bold, indent: 0) }
        let count = total ?? conversation.messages
        var facts = ["by \(conversation.username)", "\(count.grouped) message\(count == 1 ? "" : "s")"]
        if let created = conversation.created { facts.append("created \(created.ago(at: now))") }
        if let updated = conversation.updated { facts.append("last message \(updated.ago(at: now))") }
        facts.append("id \(conversation.id)")
        lines += facts.joined(separator: " · ").wrappedGlyphs(to: columns).map { Line(glyphs: $0, style: .dim, indent: 0) }
        return lines
    }

    private static func title(_ message: MessageRecord, _ columns: Int, _ now: Int) -> Line {
        var text = "▌ \(message.role)"
        if let created = message.created { text += " · \(created.ago(at: now))" }
        if let tokens = message.tokens {
            text += " · \(tokens.grouped) tokens"
            if let seconds = message.seconds, seconds > 0 { text += " · \((Double(tokens) / seconds).oneDigit) tokens/s" }
        }
        let tone: CellStyle.Tone = message.role == "user" ? .user : message.role == "assistant" ? .accent : .warning
        return Line(glyphs: text.glyphs.clipped(to: columns), style: .tone(tone, bold: true), indent: 0)
    }

    // MARK: Scrolling and finding

    mutating func scroll(to line: Int? = nil, visible: Int) { top = max(0, min(line ?? top, lines.count - max(1, visible))) }

    /// Finds a text, ignoring case, from the visible lines on.
    ///
    /// - Returns: Whether it was found.
    mutating func find(_ text: String, visible: Int) -> Bool {
        search = text
        return text.isEmpty || findNext(forwards: true, from: top, visible: visible)
    }

    /// Goes to the next line with the text, and from the last one to the first.
    mutating func findNext(forwards: Bool, from start: Int? = nil, visible: Int) -> Bool {
        guard !search.isEmpty, !lines.isEmpty else { return false }
        let first = start ?? (forwards ? top + 1 : top - 1)
        for step in lines.indices {
            let index = ((first + (forwards ? step : -step)) % lines.count + lines.count) % lines.count
            if !lines[index].glyphs.ranges(of: search).isEmpty {
                scroll(to: index, visible: visible)
                return true
            }
        }
        return false
    }
}

extension [Glyph] {
    /// The places of a text, ignoring case.
    func ranges(of text: String) -> [Range<Int>] {
        let wanted = text.glyphs.map { $0.text.lowercased() }
        guard !wanted.isEmpty, count >= wanted.count else { return [] }
        let own = map { $0.text.lowercased() }
        var found: [Range<Int>] = []
        var i = 0
        while i + wanted.count <= own.count {
            if own[i..<i + wanted.count].elementsEqual(wanted) {
                found.append(i..<i + wanted.count)
                i += wanted.count
            } else {
                i += 1
            }
        }
        return found
    }
}
