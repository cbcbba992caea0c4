package import AdminAPI

/// What the dashboard knows and shows. Events change it, and it returns what to do; showing it needs nothing else.
///
///     var state = DashboardState(host: "127.0.0.1:8000", rows: 24, columns: 80)
///     for effect in state.handle(.tick, at: now) { … }          // .load(.server)
///     state.grid()                                              // what the screen shows
package struct DashboardState: Sendable {
    package enum Tab: Int, Sendable, CaseIterable { case overview, users, conversations, server, audit }

    enum Detail: Sendable, Equatable { case user(UserScreen), conversation(ConversationScreen) }

    enum Dialog: Sendable, Equatable {
        case help(top: Int)
        case confirm(AdminAction, isYes: Bool)
        /// A one-time code for a user.
        case code(IssuedCode, name: String)
    }

    enum Connection: Sendable, Equatable {
        case connecting, connected
        case failing(AdminError, attempts: Int, retryAt: Int)
    }

    struct Notice: Sendable, Equatable {
        let text: String
        let isError: Bool
        let until: Int
    }

    let host: String
    /// Milliseconds between two refreshes.
    let refreshInterval: Int
    var rows, columns: Int
    /// Milliseconds since 1970.
    var now = 0

    var tab = Tab.overview
    /// The screens that were opened on top of the tab, the visible one last.
    var details: [Detail] = []
    var dialog: Dialog?
    /// The line of text that is being typed after `/`.
    var input: FilterInput?
    var notice: Notice?
    package var usesMouse = true

    private var tables: [Tab: RecordTable] = [
        .overview: RecordTable(.users), .users: RecordTable(.users), .conversations: RecordTable(.conversations(user: nil)),
        .audit: RecordTable(.audit),
    ]
    var totals: AdminTotals?
    var server: ProcessRecord?
    var servers: [ReplicaRecord] = []
    /// The first visible line of the server screen.
    var serverTop = 0
    /// Tokens per second at the last refreshes.
    var rates: [Double] = []

    var connection = Connection.connecting
    var inFlight: Set<AdminQuery> = []
    var pendingAction: AdminAction?
    /// Queries that the server rejected, and when to send them again.
    var pausedUntil: [AdminQuery: Int] = [:]
    var areTotalsStale = true
    var isServerStale = true
    var areServersStale = true
    /// Keys for a screen that is still loading, pressed in this order.
    var waitingKeys: [DashboardKey] = []
    var nextRefresh = 0
    var refreshBegan = 0

    package init(host: String, refreshInterval: Int = 5_000, rows: Int, columns: Int) {
        self.host = host
        self.refreshInterval = refreshInterval
        self.rows = max(1, rows)
        self.columns = max(1, columns)
    }

    /// The table of the visible screen.
    var table: RecordTable? {
        get {
            switch details.last {
            case .user(let screen)?: screen.table
            case .conversation?: nil
            case nil: tables[tab]
            }
        }
        set {
            if let newValue { changeUser { $0.table = newValue } }
            if details.isEmpty { tables[tab] = newValue }
        }
    }

    mutating func changeUser(_ body: (inout UserScreen) -> Void) {
        guard case .user(var screen)? = details.last else { return }
        body(&screen)
        details[details.count - 1] = .user(screen)
    }

    mutating func changeConversation(_ body: (inout ConversationScreen) -> Void) {
        guard case .conversation(var screen)? = details.last else { return }
        body(&screen)
        screen.layOut(columns: columns - 2, now: now)
        screen.scroll(visible: bodyRows.count)
        details[details.count - 1] = .conversation(screen)
    }

    mutating func show(_ text: String, isError: Bool = false) {
        notice = Notice(text: text, isError: isError, until: now + (isError ? 10_000 : 5_000))
    }

    /// The user that the keys for accounts act on.
    var subject: (id: String, name: String, isDisabled: Bool)? {
        if case .user(let screen)? = details.last {
            return screen.user.map { ($0.id, $0.username, $0.isDisabled) }
        }
        guard case .user(let user)? = table?.selectedRow else { return nil }
        return (user.id, user.username, user.isDisabled)
    }
}

/// The line of input after `/`.
struct FilterInput: Sendable, Equatable {
    var text: String
    /// The cursor, in characters.
    var cursor: Int
    /// When the filter is applied if no more keys arrive.
    var applyAt: Int?
    /// The filter to return to after Escape.
    let previous: String
}

package enum DashboardEvent: Sendable {
    case key(DashboardKey)
    case loaded(AdminQuery, Result<AdminAnswer, AdminError>)
    case acted(AdminAction, Result<AdminOutcome, AdminError>)
    case resized(rows: Int, columns: Int)
    /// Time has passed.
    case tick
}

package enum DashboardEffect: Sendable, Equatable {
    case load(AdminQuery)
    case perform(AdminAction)
    case quit
    /// Draw every cell again, in case another program wrote on the terminal.
    case redraw
    case useMouse(Bool)
}
