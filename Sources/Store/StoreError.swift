/// What can go wrong with the store. Every description says what is wrong, where, and what to do; none holds a password, a key or what somebody wrote.
///
///     do { try store.rename(id, of: user, to: "Rain") } catch .notFound { … } catch .noRoom { … }
package enum StoreError: Error, Equatable {
    case badAddress(reason: String)
    /// There is no answer from the server: lost, starting, out of connections. Later it may be there.
    case unavailable(store: String, reason: String)
    /// Others hold what was needed for longer than we wait.
    case busy(store: String, reason: String)
    /// The disk is full. Nothing of what was to be written is there, and all that was there before is; reading goes on.
    case noRoom(store: String, reason: String)
    /// The server or the system does not let us.
    case refused(store: String, reason: String)
    case damaged(store: String, reason: String)
    /// A database of another program.
    case foreign(store: String, found: String)
    /// Made by a version that came after this program.
    case newer(store: String, version: Int, known: Int)
    /// It is not there, or it is somebody else's.
    case notFound(Thing)
    case taken(username: String)
    /// In bytes.
    case tooLong(what: String, limit: Int)
    /// No question goes into a conversation that has as much text as it may have.
    case full(limit: Int)
    /// Another message came under the same key.
    case keyReused
    /// Anything else that the database says.
    case failed(store: String, reason: String)

    package enum Thing: String, Sendable { case user, conversation, message, key }
}

extension StoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .badAddress(let reason): "not the address of a database: \(reason). Write sqlite:FILE or postgresql://user:password@host/database"
        case .unavailable(let store, let reason): "\(store) does not answer: \(reason). Is the server running?"
        case .busy(let store, let reason): "\(store) is busy: \(reason). Try again, or see which program holds it."
        case .noRoom(let store, let reason): "no room in \(store): \(reason). What was there before is untouched; make room and try again."
        case .refused(let store, let reason): "\(store) cannot be used: \(reason)."
        case .damaged(let store, let reason): "\(store) is damaged: \(reason). Stop the server, keep a copy, and restore a backup (Documentation/Store.md)."
        case .foreign(let store, let found): "\(store) is not a database of slm: \(found). Take another name for it."
        case .newer(let store, let version, let known):
            "\(store) is of version \(version), and this slm knows up to version \(known). Use the slm that wrote it, or a later one."
        case .notFound(let thing): "there is no such \(thing.rawValue)."
        case .taken(let username): "the name \(username) is taken. Choose another."
        case .full(let limit): "the conversation is full: it may have \(limit) letters in all. Begin another."
        case .keyReused: "another message came under the same key. A key names one message."
        case .tooLong(let what, let limit): "\(what) is longer than \(limit) bytes."
        case .failed(let store, let reason): "\(store): \(reason)."
        }
    }
}
