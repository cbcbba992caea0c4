import HTTPServer
import Store
import Synchronization

/// Allows one answer at a time in each conversation.
final class ConversationLocks: Sendable {
    /// Includes the owner: another account can neither lock a conversation nor find out whether it is locked.
    private struct Key: Hashable {
        let conversation: ConversationID
        let owner: UserID
    }

    private let tickets = Mutex<[Key: AdmissionTicket]>([:])

    var isEmpty: Bool { tickets.withLock(\.isEmpty) }

    /// Locks a conversation for the answer of a ticket. Throws 409 if there is another answer.
    func lock(_ conversation: ConversationID, of owner: UserID, for ticket: AdmissionTicket) throws(APIError) {
        let key = Key(conversation: conversation, owner: owner)
        let isLocked = tickets.withLock { tickets in
            if tickets[key] != nil { return false }
            tickets[key] = ticket
            return true
        }
        guard isLocked else {
            let message = "This conversation already has an answer in progress. Wait for it, or stop it."
            throw APIError(status: .conflict, code: "answering", message: message, retryAfter: 1)
        }
    }

    func unlock(_ conversation: ConversationID, of owner: UserID) {
        _ = tickets.withLock { $0.removeValue(forKey: Key(conversation: conversation, owner: owner)) }
    }

    func isLocked(_ conversation: ConversationID, of owner: UserID) -> Bool {
        tickets.withLock { $0[Key(conversation: conversation, owner: owner)] != nil }
    }

    /// Cancels the answer in a conversation, if there is one.
    func cancelAnswer(in conversation: ConversationID, of owner: UserID) {
        tickets.withLock { $0[Key(conversation: conversation, owner: owner)] }?.cancel()
    }

    /// Cancels all answers of an account.
    func cancelAnswers(of owner: UserID) {
        let running = tickets.withLock { tickets in tickets.filter { $0.key.owner == owner }.map(\.value) }
        for ticket in running { ticket.cancel() }
    }
}
