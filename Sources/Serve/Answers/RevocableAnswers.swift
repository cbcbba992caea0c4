import Store
import Synchronization

/// The answers under `/v1` that must end when their API key is revoked, their session ends, or their user is disabled or deleted, on
/// whichever server that happens. `Replicas` looks for it.
///
///     let request = revocableAnswers.add(credential, answers: 2) { responder.fail(.revoked) }
///     revocableAnswers.answerEnded(of: request)
final class RevocableAnswers: Sendable {
    private struct Request {
        let credential: Credential
        var answers: Int
        let stop: @Sendable () -> Void
    }

    private struct State {
        var requests: [Int: Request] = [:]
        var nextID = 0
    }

    private let state = Mutex(State())

    /// - Parameters:
    ///   - answers: The number of answers of the request; `answerEnded` is called once for each.
    ///   - stop: Ends all of them.
    func add(_ credential: Credential, answers: Int, stop: @escaping @Sendable () -> Void) -> Int {
        state.withLock { state in
            defer { state.nextID += 1 }
            state.requests[state.nextID] = Request(credential: credential, answers: answers, stop: stop)
            return state.nextID
        }
    }

    func answerEnded(of request: Int) {
        state.withLock { state in
            state.requests[request]?.answers -= 1
            if state.requests[request]?.answers == 0 { state.requests[request] = nil }
        }
    }

    /// Stops the answers whose credentials are no longer valid.
    func stopRevoked(_ store: Store) throws(StoreError) {
        // Only requests that were there before the database is asked.
        let requests = state.withLock { Array($0.requests.values) }
        if requests.isEmpty { return }
        let valid = try store.valid(among: Set(requests.map(\.credential)))
        for request in requests where !valid.contains(request.credential) { request.stop() }
    }
}
