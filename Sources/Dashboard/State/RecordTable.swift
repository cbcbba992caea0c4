import AdminAPI

/// A table whose rows are on the server. Only the pages around the visible rows are loaded, so that the number of rows does not matter.
///
///     var table = RecordTable(.users)
///     table.move(by: 1, visible: 20)
///     table.queries(visible: 20)                                // the pages to load
struct RecordTable: Sendable, Equatable {
    enum Source: Sendable, Equatable {
        case users
        /// The conversations of one user, or of all if it is nil.
        case conversations(user: String?)
        case audit
    }

    static let pageSize = 100

    let source: Source
    private(set) var orders: [SortOrder]
    private(set) var order = 0
    private(set) var isDescending: Bool
    private(set) var filter = ""
    /// The rows of a page, by its number.
    private(set) var pages: [Int: [AdminRow]] = [:]
    /// Pages that are shown but should be loaded again.
    private(set) var stale: Set<Int> = []
    /// The number of rows; nil before the first response.
    private(set) var total: Int?
    private(set) var selected = 0
    /// The first visible row.
    private(set) var top = 0

    init(_ source: Source) {
        self.source = source
        orders = switch source {
        case .users: SortOrder.users
        case .conversations(nil): SortOrder.conversations
        case .conversations: SortOrder.conversations.filter { $0.key != "username" }
        case .audit: []
        }
        isDescending = orders.first?.isDescending ?? true
    }

    var sortOrder: SortOrder? { orders.isEmpty ? nil : orders[order] }

    func row(_ index: Int) -> AdminRow? {
        let (page, offset) = index.quotientAndRemainder(dividingBy: Self.pageSize)
        guard let rows = pages[page], offset < rows.count else { return nil }
        return rows[offset]
    }

    var selectedRow: AdminRow? { row(selected) }

    // MARK: Moving

    /// - Parameter visible: The number of rows on the screen.
    mutating func move(by rows: Int, visible: Int) { select(selected + rows, visible: visible) }

    mutating func select(_ index: Int, visible: Int) {
        selected = max(0, min(index, (total ?? 1) - 1))
        scroll(visible: visible)
    }

    /// Keeps the selected row on the screen.
    mutating func scroll(visible: Int) {
        let visible = max(1, visible)
        if selected < top { top = selected }
        if selected >= top + visible { top = selected - visible + 1 }
        top = max(0, min(top, (total ?? 0) - visible))
        prune(visible: visible)
    }

    /// Forgets pages that are far from the visible ones.
    private mutating func prune(visible: Int) {
        let first = top / Self.pageSize - 2
        let last = (top + visible) / Self.pageSize + 2
        pages = pages.filter { first...last ~= $0.key }
        stale.formIntersection(pages.keys)
    }

    // MARK: Order and filter

    mutating func sortByNext() {
        guard !orders.isEmpty else { return }
        order = (order + 1) % orders.count
        isDescending = orders[order].isDescending
        reset()
    }

    /// Sorts by a key, or in the other direction if it is the current one.
    mutating func sort(by key: String) {
        guard let index = orders.firstIndex(where: { $0.key == key }) else { return }
        isDescending = index == order ? !isDescending : orders[index].isDescending
        order = index
        reset()
    }

    mutating func reverse() {
        guard !orders.isEmpty else { return }
        isDescending.toggle()
        reset()
    }

    mutating func filter(by text: String) {
        guard text != filter else { return }
        filter = text
        reset()
    }

    private mutating func reset() {
        pages = [:]
        stale = []
        total = nil
        selected = 0
        top = 0
    }

    // MARK: Loading

    mutating func markStale() { stale = Set(pages.keys) }

    /// The queries for the visible pages that are missing or stale.
    func queries(visible: Int) -> [AdminQuery] {
        let last = max(top, min(top + max(1, visible), total ?? 1) - 1)
        return (top / Self.pageSize...last / Self.pageSize).filter { pages[$0] == nil || stale.contains($0) }.map { query(page: $0) }
    }

    private func query(page: Int) -> AdminQuery {
        let offset = page * Self.pageSize
        let list = AdminList(
            sort: sortOrder?.key ?? "", isDescending: isDescending, search: filter, offset: offset, limit: Self.pageSize)
        return switch source {
        case .users: .users(list)
        case .conversations(let user): .conversations(user: user, list)
        case .audit: .audit(offset: offset, limit: Self.pageSize)
        }
    }

    /// Stores a response, unless it answers a query with another order or filter. The selection stays on the same record if it is on the
    /// page.
    ///
    /// - Returns: Whether the response was for this table.
    @discardableResult
    mutating func receive(_ rows: [AdminRow], total newTotal: Int, for answered: AdminQuery, visible: Int) -> Bool {
        let offset: Int
        switch answered {
        case .users(let list), .conversations(_, let list): offset = list.offset
        case .audit(let start, _): offset = start
        default: return false
        }
        let page = offset / Self.pageSize
        guard answered == query(page: page) else { return false }
        let selectedID = stale.contains(page) ? selectedRow?.id : nil
        pages[page] = rows
        stale.remove(page)
        total = newTotal
        pages = pages.filter { $0.key * Self.pageSize < max(1, newTotal) }
        if let selectedID, selectedRow?.id != selectedID, let index = rows.firstIndex(where: { $0.id == selectedID }) {
            let distance = selected - top
            selected = offset + index
            // New rows above the first one come into view.
            top = top == 0 ? 0 : max(0, selected - distance)
        }
        select(selected, visible: visible)
        return true
    }
}
