import Infer
package import Store
import Synchronization
package import Tokenize

/// Collects finished chats for fine-tuning: in the database, where all servers see them, and in the file of this server.
///
///     let collector = ChatCollector(store, chatLog)
///     try collector.collect("Why does it rain?", "Clouds.", after: [], of: user)
///     try collector.count                                      // of all servers
package final class ChatCollector: Sendable {
    private let store: Store
    private let file: ChatLog?
    private typealias Count = (value: Int, at: ContinuousClock.Instant)
    /// The numbers of exchanges and of conversations as they were counted last.
    private let counted = Mutex<Count?>(nil), countedConversations = Mutex<Count?>(nil)
    /// Counting reads all chats, or an index of them, so a count is used again for a moment.
    private static let countLifetime = Duration.milliseconds(500)

    /// - Parameter file: Gets a copy of each chat of this server; nil for none.
    package init(_ store: Store, file: ChatLog?) {
        self.store = store
        self.file = file
    }

    /// Collects a chat, unless the message or the answer is blank.
    ///
    /// - Parameters:
    ///   - history: The messages before the user's.
    ///   - user: The account; nil for a guest. The chats of an account are deleted with it.
    ///   - conversation: The conversation; nil for a guest. A chat of a conversation or an account that is left out of training is not
    ///     collected.
    package func collect(
        _ message: String, _ answer: String, after history: [Conversation.Message], of user: UserID?, in conversation: ConversationID? = nil
    ) throws {
        guard let chat = ChatLog.chat(user: message, assistant: answer, at: .now(), after: history) else { return }
        guard try store.collect(chat, of: user, in: conversation) else { return }
        counted.withLock { if let last = $0 { $0 = (last.value + 1, last.at) } }
        countedConversations.withLock { $0 = nil }
        try file?.append(chat)
    }

    /// Collects a chat whose answer has ended, and logs an error. A canceled or truncated answer is not worth training on, nor is one from
    /// documents without their passages, from which a model would learn to invent.
    func collect(
        _ message: String, _ answer: String, _ end: GenerationEnd, after history: [Conversation.Message] = [],
        sources: AnswerSources? = nil, of user: UserID? = nil, in conversation: ConversationID? = nil
    ) {
        guard end.reason == .stop, sources?.passages.isEmpty ?? true else { return }
        do { try collect(message, answer, after: history, of: user, in: conversation) } catch {
            Log.error("cannot collect a chat: \(error)")
        }
    }

    /// The number of exchanges that all servers have collected.
    package var count: Int { get throws { try Self.recent(counted) { try store.collectedChatCount() } } }

    /// The number of conversations that they are part of.
    package var conversations: Int { get throws { try Self.recent(countedConversations) { try store.collectedConversationCount() } } }

    private static func recent(_ counted: borrowing Mutex<Count?>, else count: () throws -> Int) throws -> Int {
        if let known = counted.withLock({ $0 }), .now < known.at + countLifetime { return known.value }
        let now = ContinuousClock.now, value = try count()
        counted.withLock { $0 = (value, now) }
        return value
    }

    /// Whether each chat is also copied to a file, from which nothing is deleted.
    package var writesFile: Bool { file != nil }

    package var hasEnoughForFineTuning: Bool {
        get throws { try count >= ChatLog.minChatsForFineTuning }
    }
}
