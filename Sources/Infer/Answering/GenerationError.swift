package import Threads
package import Tokenize

/// Why there is no answer, or why one broke off.
///
///     do { try backend.answer(request) { … } } catch .tooLong(let tokens, let context) { … }
package enum GenerationError: Error, Equatable, Sendable {
    /// A field of `GenerationConfig` is out of its range.
    case field(String, value: String, expected: String)
    /// The prompt and room for an answer are more than the model reads at once, and nothing may be left out (`HistoryPolicy.refuse`).
    case tooLong(promptTokens: Int, context: Int)
    /// There is nothing to go on with.
    case emptyPrompt
    /// A chat, for a model that was made for texts.
    case noChats(model: String)
    case tokenizer(TokenizeError)
    /// Everything is taken, and so many wait already.
    case busy(waiting: Int)
    case noMemory(what: String, bytes: Int)
    case noThread(ThreadError)
    /// The model's scores are no numbers.
    case noScores
    /// What only another kind of backend does.
    case unsupported(String)
    /// A backend that is another program.
    case remote(RemoteError)
}

/// What can go wrong with a backend at another address.
package enum RemoteError: Error, Equatable, Sendable {
    case badAddress(String, reason: String)
    /// Nobody is there: the name is unknown, the connection refused, a certificate wrong.
    case unreachable(address: String, reason: String)
    case timedOut(address: String, seconds: Int)
    /// 401 and 403.
    case unauthorized(address: String, message: String)
    /// 404: no such model, or no such path.
    case notFound(address: String, message: String)
    /// 429. `retryAfter` in seconds, if it says so.
    case tooMany(address: String, message: String, retryAfter: Int?)
    /// Any other status than 200.
    case status(Int, address: String, message: String)
    /// An answer that is none, or that breaks off.
    case broken(address: String, reason: String)
}

extension GenerationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .field(let name, let value, let expected): "\(name): expected \(expected), found \(value)."
        case .tooLong(let tokens, let context):
            "the prompt has \(tokens) tokens, and with room for an answer it is more than the \(context) that the model reads. Shorten it, or let old turns go."
        case .emptyPrompt: "there is nothing to go on with: the prompt is empty."
        case .noChats(let model): "\(model) was made for texts and not for chats: give it a text to go on with."
        case .tokenizer(let error): error.description
        case .busy(let waiting): "too many are asking: \(waiting) wait already. Try again in a moment."
        case .noMemory(let what, let bytes): "no memory for \(what): \((bytes + 999_999) / 1_000_000) MB needed."
        case .noThread(let error): error.description
        case .noScores: "the model's scores are no numbers: its file is damaged, or its training has failed."
        case .unsupported(let what): what
        case .remote(let error): error.description
        }
    }
}

extension RemoteError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .badAddress(let address, let reason): "'\(address)' is no address of a backend: \(reason)."
        case .unreachable(let address, let reason): "\(address) cannot be reached: \(reason)."
        case .timedOut(let address, let seconds): "\(address) said nothing for \(seconds) seconds."
        case .unauthorized(let address, let message):
            "\(address) does not let us in\(Self.quoted(message)). Give the key in the environment: SLM_BACKEND_KEY"
        case .notFound(let address, let message): "\(address) is not there\(Self.quoted(message)). Is the address right, and the model? --backend-model NAME"
        case .tooMany(let address, let message, let seconds):
            "\(address) has too much to do\(Self.quoted(message)).\(seconds.map { " It asks to wait \($0) seconds." } ?? "")"
        case .status(let status, let address, let message): "\(address) answers with status \(status)\(Self.quoted(message))."
        case .broken(let address, let reason): "\(address): \(reason)."
        }
    }

    private static func quoted(_ message: String) -> String { message.isEmpty ? "" : ": \(message)" }
}
