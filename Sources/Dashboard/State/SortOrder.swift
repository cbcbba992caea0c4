/// An order of the rows of a table: what the server calls it and what the screen shows.
struct SortOrder: Sendable, Equatable {
    let key: String
    let title: String
    /// The direction that is shown first: names ascending, counts and times descending.
    let isDescending: Bool

    static let users = [
        SortOrder(key: "last_active", title: "last active", isDescending: true),
        SortOrder(key: "username", title: "name", isDescending: false),
        SortOrder(key: "messages", title: "messages", isDescending: true),
        SortOrder(key: "conversations", title: "conversations", isDescending: true),
        SortOrder(key: "generations", title: "generations", isDescending: true),
        SortOrder(key: "tokens", title: "tokens", isDescending: true),
        SortOrder(key: "joined", title: "joined", isDescending: true),
    ]

    static let conversations = [
        SortOrder(key: "updated_at", title: "last message", isDescending: true),
        SortOrder(key: "title", title: "title", isDescending: false),
        SortOrder(key: "username", title: "user", isDescending: false),
        SortOrder(key: "messages", title: "messages", isDescending: true),
        SortOrder(key: "created_at", title: "created", isDescending: true),
    ]
}
