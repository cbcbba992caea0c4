/// How a store behaves.
///
///     var options = StoreOptions()
///     options.connections = 16
package struct StoreOptions: Sendable {
    /// As many may read at a time, and of PostgreSQL's also write. (Of SQLite there is one more, which writes.)
    package var connections = 8
    /// How long a call may wait for a lock, for a connection, for the server's answer, or for a server that was lost to come back.
    package var patience = Duration.seconds(5)
    /// How long a conversation that was deleted can be had back, and a message that was replaced is kept.
    package var undoWindow = Duration.seconds(60)
    /// Letters of all messages of a conversation, beyond which no question goes into it; in bytes up to four times as many.
    package var mostLetters = 2_000_000
    package var now: @Sendable () -> Moment = Moment.now

    package init() {}
}
