/// Options of a store.
///
///     var options = StoreOptions()
///     options.connections = 16
package struct StoreOptions: Sendable {
    /// The size of the connection pool. SQLite opens one more connection for writing.
    package var connections = 8
    /// How long a call waits for a lock, a connection, the server's response, or a lost server to come back.
    package var timeout = Duration.seconds(5)
    /// How long a deleted conversation can be restored.
    package var deletedRetention = Duration.seconds(60)
    /// The limit of a conversation, with all alternatives, in characters (Unicode scalars, up to four bytes each). Later user messages are
    /// rejected.
    package var maxCharacters = 2_000_000
    /// The limits of one account; 0 for none. Deleted conversations do not count.
    package var maxConversations = 10_000
    /// In Unicode scalars: of all conversations together, whose later user messages are rejected, and of all responses of the API together,
    /// of which the oldest are deleted.
    package var maxStoredCharacters = 20_000_000
    package var maxAPIKeys = 25
    /// The bytes of all files that an account uploads together.
    package var maxUploadedBytes = 100 << 20
    package var maxLibraries = 100
    /// The time limit of a search.
    package var searchTimeout = Duration.seconds(2)
    /// The newest conversations, at least 1, that a search reads before it uses the index.
    package var conversationsReadFirst = 100
    /// The number of connections that only searches use, besides `connections`.
    package var searchConnections = 2
    /// How long token counts (`generations`) are kept; nil for ever.
    package var generationRetention: Duration? = .seconds(90 * 86_400)
    /// How long a conversation without a new message is kept; nil for ever.
    package var conversationRetention: Duration?
    /// How long a response of the API is kept.
    package var responseRetention = Duration.seconds(30 * 86_400)
    /// How long lines of the audit log are kept; nil for ever.
    package var auditRetention: Duration?
    /// How long revoked API keys are listed in the export of their account; nil for ever.
    package var revokedKeyRetention: Duration?
    /// How long an account that is not used is kept; nil for ever. Disabled accounts are kept.
    package var unusedAccountRetention: Duration?
    /// The least time between the warning in the audit log and the deletion of an unused account.
    package var unusedAccountWarning = Duration.seconds(30 * 86_400)
    /// A server that has sent no heartbeat for this long is dead: its conversations can be continued on another one.
    package var leaseTime = Duration.seconds(6)
    /// Whether the page says that chats may be used for training. Only messages that are stored meanwhile may be.
    package var showsTrainingNotice = false
    /// The migrations of the schema; tests have others.
    package var migrations = Migration.all
    package var now: @Sendable () -> Timestamp = Timestamp.now

    package init() {}
}
