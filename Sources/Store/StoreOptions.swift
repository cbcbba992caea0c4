/// Options of a store.
///
///     var options = StoreOptions()
///     options.connections = 16
package struct StoreOptions: Sendable {
    /// The size of the connection pool. SQLite opens one more connection for writing.
    package var connections = 8
    /// How long a call waits for a lock, a connection, the server's response, or a lost server to come back.
    package var timeout = Duration.seconds(5)
    /// How long a deleted conversation can be restored and a replaced message is kept.
    package var undoWindow = Duration.seconds(60)
    /// The limit of a conversation in characters (Unicode scalars, up to four bytes each). Later user messages are rejected.
    package var maxCharacters = 2_000_000
    package var now: @Sendable () -> Timestamp = Timestamp.now

    package init() {}
}
