/// An error of the store. Descriptions name the problem, the database and a remedy; they never contain passwords, keys or message text.
///
///     do { try store.delete(id, of: user) } catch .notFound { … } catch .diskFull { … }
package enum StoreError: Error, Equatable {
    case invalidURL(reason: String)
    /// The server does not respond: the connection was lost, the server is starting, or it has no free connections. May be temporary.
    case unavailable(store: String, reason: String)
    /// A lock was not available within the timeout.
    case busy(store: String, reason: String)
    /// The disk is full. The transaction was rolled back, existing data is intact, and reads still work.
    case diskFull(store: String, reason: String)
    /// The server or the operating system denies access, or the database does not meet the requirements.
    case unusable(store: String, reason: String)
    case damaged(store: String, reason: String)
    /// The database was created by another program.
    case foreignDatabase(store: String, found: String)
    /// The schema was migrated by a later version of slm.
    case newerSchema(store: String, version: Int, known: Int)
    /// The row does not exist or belongs to another user.
    case notFound(Entity)
    case usernameTaken(username: String)
    case emailTaken
    /// A one-time code is wrong, used or expired.
    case invalidCode
    /// `limit` is in bytes.
    case tooLong(what: String, limit: Int)
    /// The conversation has reached its size limit and accepts no further user messages.
    case conversationFull(limit: Int)
    /// The account has reached one of its limits.
    case quotaExceeded(Quota, limit: Int)
    /// The conversation has an answer in progress, on this server or on another one.
    case answering
    /// Another server has taken over the conversation, because this one did not respond for too long. The answer was not stored.
    case leaseLost
    /// A query was canceled because it exceeded its time limit.
    case queryTimeout(store: String)
    case backup(BackupError)
    /// The registry of models refuses a change.
    case model(ModelRefusal)
    /// Any other error reported by the database.
    case failed(store: String, reason: String)

    package enum Entity: String, Sendable {
        case user, conversation, message, response, key, session, invitation, model, chat, run, comparison, trainingImport = "import"
        case library, file
    }
    package enum Quota: Sendable { case conversations, storedCharacters, apiKeys, questions, libraries, uploadedBytes }
}

extension StoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalidURL(let reason): "invalid database URL: \(reason). Write sqlite:FILE or postgresql://user:password@host/database"
        case .unavailable(let store, let reason): "\(store) does not respond: \(reason). Is the server running?"
        case .busy(let store, let reason): "\(store) is locked: \(reason). Try again, or close the program that holds the lock."
        case .diskFull(let store, let reason):
            "no space left for \(store): \(reason). Existing data is unchanged; free some space and try again."
        case .unusable(let store, let reason): "\(store) cannot be used: \(reason)."
        case .damaged(let store, let reason):
            "\(store) is damaged: \(reason). Stop the server, keep a copy, and restore a backup (slm admin restore)."
        case .foreignDatabase(let store, let found): "\(store) is not an slm database: \(found). Choose another file or database."
        case .newerSchema(let store, let version, let known):
            "\(store) has schema version \(version); this slm supports versions up to \(known). Use the slm that wrote it, or a later one."
        case .notFound(let entity): "there is no such \(entity.rawValue)."
        case .usernameTaken(let username): "the username \(username) is taken. Choose another."
        case .emailTaken: "another account has this email address."
        case .invalidCode: "the code is wrong, used or expired."
        case .conversationFull(let limit): "the conversation is full: its limit is \(limit) characters. Start a new one."
        case .tooLong(let what, let limit): "\(what) is longer than \(limit) bytes."
        case .quotaExceeded(.conversations, let limit): "the account has \(limit) conversations, which is its limit. Delete some first."
        case .quotaExceeded(.storedCharacters, let limit):
            "the conversations of the account have \(limit) characters, which is its limit. Delete some first."
        case .quotaExceeded(.questions, let limit): "there are \(limit) questions, which is the limit. Delete some first."
        case .quotaExceeded(.apiKeys, let limit): "the account has \(limit) API keys, which is its limit. Revoke one first."
        case .quotaExceeded(.libraries, let limit): "the account has \(limit) libraries, which is its limit. Delete one first."
        case .quotaExceeded(.uploadedBytes, let limit): "the files of the account would have more than \(limit) bytes, its limit."
        case .answering: "the conversation has an answer in progress."
        case .leaseLost: "another server has taken over the conversation, because this one did not respond for too long."
        case .queryTimeout(let store): "\(store) took too long to answer a query, which was canceled."
        case .backup(let error): error.description
        case .model(let refusal): refusal.description
        case .failed(let store, let reason): "\(store): \(reason)."
        }
    }
}
