/// The messages of a conversation as a tree: each message follows another one, and those that follow the same message are alternatives.
///
///     let tree = MessageTree(nodes)
///     tree.alternatives(of: answer)                            // [first, second, third]
///     tree.path(through: first)                                // from the first message of the conversation to the last one
struct MessageTree {
    struct Node {
        let id: MessageID
        /// On the active path; nil off it.
        let position: Int?
        var previous: MessageID?
        /// The message that followed when this one left the active path.
        let next: MessageID?
        let createdAt: Timestamp
        /// Orders messages of the same time.
        let ordinal: Int
    }

    let nodes: [MessageID: Node]
    /// The active path.
    let path: [MessageID]
    private let children: [MessageID?: [MessageID]]

    /// - Parameter list: In any order. Messages on the active path need not have a `previous`.
    init(_ list: [Node]) {
        let active = list.filter { $0.position != nil }.sorted { $0.position ?? 0 < $1.position ?? 0 }
        path = active.map(\.id)
        var nodes = Dictionary(list.map { ($0.id, $0) }) { first, _ in first }
        for (node, previous) in zip(active, [nil] + path.map { Optional($0) }) { nodes[node.id]?.previous = previous }
        self.nodes = nodes
        // A message whose previous one was deleted cannot be shown.
        let reachable = nodes.values.filter { node in node.previous.map { nodes[$0] != nil } ?? true }
        children = Dictionary(grouping: reachable.sorted(by: Self.isEarlier), by: \.previous).mapValues { $0.map(\.id) }
    }

    /// All messages that follow the same message, the oldest first; empty for an unknown message.
    func alternatives(of id: MessageID) -> [MessageID] { nodes[id].flatMap { children[$0.previous] } ?? [] }

    /// All messages that can be shown, each after the one that it follows.
    var all: [MessageID] {
        var found: [MessageID] = [], waiting = children[nil] ?? []
        waiting.reverse()
        while let id = waiting.popLast() {
            found.append(id)
            waiting += (children[id] ?? []).reversed()
        }
        return found
    }

    /// The path through a message that goes on as it did when the message was last active, or else with the newest messages; nil for an
    /// unknown message.
    func path(through id: MessageID) -> [MessageID]? {
        guard nodes[id] != nil else { return nil }
        var path = [id]
        while let previous = nodes[path[0]]?.previous {
            // A cycle exists in a damaged database only.
            guard nodes[previous] != nil, path.count <= nodes.count else { return nil }
            path.insert(previous, at: 0)
        }
        while let last = path.last, let next = next(after: last), path.count <= nodes.count { path.append(next) }
        return path
    }

    private func next(after id: MessageID) -> MessageID? {
        guard let children = children[id] else { return nil }
        if let active = children.first(where: { nodes[$0]?.position != nil }) { return active }
        return children.first { $0 == nodes[id]?.next } ?? children.last
    }

    private static func isEarlier(_ a: Node, _ b: Node) -> Bool {
        (a.createdAt, a.ordinal, a.id.description) < (b.createdAt, b.ordinal, b.id.description)
    }
}

extension MessageTree.Node {
    static let columns = "id, position, previous_id, next_id, created_at, ordinal"

    /// - Parameter row: The values of `columns`.
    init(_ row: Row) throws(StoreError) {
        try self.init(
            id: row["id"], position: row["position"], previous: row["previous_id"], next: row["next_id"], createdAt: row["created_at"],
            ordinal: row["ordinal"])
    }
}
