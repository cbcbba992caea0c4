import HTTPServer
import Store
import Synchronization

/// Allows one answer at a time in each conversation on this server. Leases in the database do the same for all servers.
final class ConversationLocks: Sendable {
    /// Includes the owner: another account can neither lock a conversation nor find out whether it is locked.
    private struct Key: Hashable {
        let conversation: ConversationID
        let owner: UserID
    }

    private struct Entry {
        let ticket: AdmissionTicket
        /// The answer, once its lease is stored.
        var leased: MessageID?
    }

    private let tickets = Mutex<[Key: Entry]>([:])

    var isEmpty: Bool { tickets.withLock(\.isEmpty) }

    /// Locks a conversation for the answer of a ticket. Throws 409 if there is another answer.
    func lock(_ conversation: ConversationID, of owner: UserID, for ticket: AdmissionTicket) throws(APIError) {
        let key = Key(conversation: conversation, owner: owner)
        let isLocked = tickets.withLock { tickets in
            if tickets[key] != nil { return false }
            tickets[key] = Entry(ticket: ticket)
            return true
        }
        guard isLocked else { throw APIError(StoreError.answering) }
    }

    /// Notes that the lease of the answer is stored.
    func didTakeLease(_ answer: MessageID, in conversation: ConversationID, of owner: UserID) {
        tickets.withLock { $0[Key(conversation: conversation, owner: owner)]?.leased = answer }
    }

    /// The answers whose leases are stored.
    var leasedAnswers: [Replicas.LeasedAnswer] {
        tickets.withLock { tickets in
            tickets.values.compactMap { entry in entry.leased.map { Replicas.LeasedAnswer(id: $0, ticket: entry.ticket) } }
        }
    }

    func unlock(_ conversation: ConversationID, of owner: UserID) {
        _ = tickets.withLock { $0.removeValue(forKey: Key(conversation: conversation, owner: owner)) }
    }

    /// Cancels the answer in a conversation, if there is one.
    func cancelAnswer(in conversation: ConversationID, of owner: UserID) {
        tickets.withLock { $0[Key(conversation: conversation, owner: owner)] }?.ticket.cancel()
    }

    /// Cancels all answers of an account.
    func cancelAnswers(of owner: UserID) {
        let running = tickets.withLock { tickets in tickets.filter { $0.key.owner == owner }.map(\.value.ticket) }
        for ticket in running { ticket.cancel() }
    }
}

extension Replicas {
    /// Stops the answers of an account whose sessions or keys have ended: those of this server at once.
    func stopAnswers(of account: UserID, _ locks: ConversationLocks) {
        locks.cancelAnswers(of: account)
        checkAnswersNow()
    }
}
