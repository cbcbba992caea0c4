/// Why a request to the admin routes failed, as a sentence for the operator.
package enum AdminError: Error, Equatable, Sendable, CustomStringConvertible {
    case invalidAddress(String, reason: String)
    /// The key would be sent over plain HTTP to another machine.
    case insecure(address: String)
    case unreachable(address: String, reason: String)
    case timedOut(address: String)
    case wrongKey(address: String)
    /// The server was started without an admin key.
    case noAdministration(address: String)
    /// After wrong keys, or too many requests.
    case tooManyRequests(address: String, seconds: Int)
    /// The response is not one of slm's.
    case foreign(address: String, reason: String)
    /// The server rejected the request, with its own sentence.
    case rejected(status: Int, message: String)

    package var description: String {
        switch self {
        case .invalidAddress(let text, let reason): "'\(text)' is not the address of a server: \(reason)."
        case .insecure(let address):
            "\(address): the admin key would be readable on the way. Use https://, or allow plain HTTP with --insecure."
        case .unreachable(let address, let reason): "no server at \(address): \(reason)."
        case .timedOut(let address): "\(address) does not respond."
        case .wrongKey(let address): "\(address) rejects the admin key: expected the value of the server's ADMIN_API_KEY."
        case .noAdministration(let address): "\(address) has no administration: start slm serve with ADMIN_API_KEY in its environment."
        case .tooManyRequests(let address, let seconds):
            "\(address) accepts no admin requests for \(seconds) second\(seconds == 1 ? "" : "s"), after wrong keys or too many requests."
        case .foreign(let address, let reason): "\(address) does not respond as slm serve does: \(reason)."
        case .rejected(_, let message): message
        }
    }

    /// Whether the server as a whole cannot be used, not only one request.
    package var concernsServer: Bool {
        if case .rejected(let status, _) = self { return status >= 500 }
        return true
    }

    /// Milliseconds before the next attempt, after this number of failed ones. Wrong keys are counted by the server, so they wait longer.
    package func delay(after attempts: Int) -> Int {
        let seconds = switch self {
        case .tooManyRequests(_, let seconds): max(1, seconds)
        case .wrongKey, .noAdministration, .insecure, .invalidAddress: [10, 20, 30, 60][min(attempts, 4) - 1]
        default: [1, 2, 4, 8, 15, 30][min(attempts, 6) - 1]
        }
        return seconds * 1_000
    }
}
