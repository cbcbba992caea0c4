import Glibc
import HTTPServer
import Store
import Threads

/// Chats and preferences to fine-tune with.
extension TrainingChatService {
    /// Returns chats as JSON lines for `slm finetune`, with corrections applied. With `limit`, one page: the header `X-Next-After` has the
    /// `after` of the next one. Without it, all chats that match, as a stream.
    func export(_ context: RequestContext) throws -> Response {
        let request = context.request
        let format = try request.choice("format", default: TrainingLines.chats)
        let filter = try TrainingFilter(request), passages = try request.flag("passages")
        let after: TrainingChatID? = request.query("after") == "" ? nil : try request.id("after", of: "a chat")
        let limit = try request.integer("limit", 1...1_000, default: 100)
        let first = try store.trainingExport(filter, after: after, limit: limit)
        try store.admin.recordChatsExported(by: context.adminRequest)
        if request.query("limit") != nil {
            return .jsonLines(first.chats.map { format.lines(of: $0, passages: passages) }, next: first.next?.description)
        }
        let stream = ResponseStream()
        // On a thread of its own: it waits for the client.
        try BackgroundThread.run {
            var page = first
            while !stream.isDisconnected {
                for chat in page.chats { stream.write(format.lines(of: chat, passages: passages)) }
                guard let next = page.next else { return stream.finish() }
                // A client that reads nothing for this long is disconnected by the next write.
                for _ in 0..<1_500 where stream.bufferedBytes > 1 << 20 && !stream.isDisconnected { usleep(10_000) }
                do { page = try store.trainingExport(filter, after: next, limit: limit) } catch {
                    Log.error("an export of chats was interrupted: \(error)")
                    return stream.abort()
                }
            }
        }
        return .jsonLines(stream)
    }

    /// Returns what may be used for training as JSON lines. The header `X-Next-After` has the `after` of the next page.
    func exportIncludedChats(_ context: RequestContext) throws -> Response {
        let format = try context.request.choice("format", default: TrainingLines.chats)
        let passages = try context.request.flag("passages")
        let after: ConversationID? = try context.request.id("after", of: "a conversation")
        let limit = try context.request.integer("limit", 1...1_000, default: 100)
        let (conversations, next) = try store.trainingConversations(after: after, limit: limit)
        try store.admin.recordChatsExported(by: context.adminRequest)
        return .jsonLines(conversations.map { format.lines(of: $0, passages: passages) }, next: next?.description)
    }
}
