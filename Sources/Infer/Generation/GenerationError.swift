import Files
package import Threads
package import Tokenize

/// Why a generation was not started, or ended early.
///
///     do { try backend.start(request) { … } } catch .tooLong(let tokens, let context) { … }
package enum GenerationError: Error, Equatable, Sendable {
    /// A field of `GenerationConfig` is out of range.
    case field(String, value: String, expected: String)
    /// The prompt leaves no space for an answer in the context, and nothing may be dropped (`TruncationPolicy.refuse`).
    case tooLong(promptTokens: Int, context: Int)
    /// A text to embed is longer than the context.
    case textTooLong(index: Int, tokens: Int, context: Int)
    /// The keys and values of the prompt need more memory than all KV caches may use.
    case tooMuchMemory(promptTokens: Int, bytes: Int, limit: Int)
    case emptyPrompt
    /// A conversation, for a model without a chat template.
    case noChatTemplate(model: String, reason: String? = nil)
    case tokenizer(TokenizeError)
    /// All slots are taken and the queue is full.
    case busy(waiting: Int)
    case threadNotStarted(ThreadError)
    /// The logits are NaN or −∞.
    case invalidLogits
    /// No token of the vocabulary continues a text of the request's grammar, or there are too many places where it could go on.
    case noAllowedToken
    /// The backend does not support the request.
    case unsupported(String)
    /// An error of another server.
    case remote(RemoteError)
}

/// An error of a remote model.
package enum RemoteError: Error, Equatable, Sendable {
    case invalidAddress(String, reason: String)
    /// The name does not resolve, the connection is refused, or a certificate is invalid.
    case unreachable(address: String, reason: String)
    case timedOut(address: String, seconds: Int)
    /// Status 401 or 403.
    case unauthorized(address: String, message: String)
    /// Status 404: no such model, or no such path.
    case notFound(address: String, message: String)
    /// Status 429. `retryAfter` in seconds, if the server sends it.
    case rateLimited(address: String, message: String, retryAfter: Int?)
    /// Any other status than 200.
    case status(Int, address: String, message: String)
    /// A response that is malformed or incomplete.
    case invalidResponse(address: String, reason: String)
}

extension GenerationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .field(let name, let value, let expected): "\(name): expected \(expected), found \(value)."
        case .tooLong(let tokens, let context):
            "the prompt has \(tokens) tokens and leaves no space for an answer in the context of \(context). Shorten it, or drop old turns."
        case .textTooLong(let index, let tokens, let context):
            "text \(index + 1) has \(tokens) tokens: expected at most \(context), the context. Shorten it, or divide it."
        case .tooMuchMemory(let tokens, let bytes, let limit):
            "the prompt has \(tokens) tokens, whose keys and values need \(Self.megabytes(bytes)) MB: expected at most "
                + "\(Self.megabytes(limit)) MB. Shorten it, or raise --kv-memory."
        case .emptyPrompt: "the prompt is empty: there is nothing to complete."
        case .noChatTemplate(let model, let reason):
            reason.map { "the chat template of \(model) cannot be rendered, so it can only complete texts: \($0)" }
                ?? "\(model) has no chat template: expected a text to complete, found a conversation. Choose a template with "
                + "--chat-template."
        case .tokenizer(let error): error.description
        case .busy(let waiting): "too many requests: \(waiting) are waiting. Try again in a moment."
        case .threadNotStarted(let error): error.description
        case .invalidLogits: "the model's logits are not finite: its file is damaged, or its training diverged."
        case .noAllowedToken:
            "the answer cannot be continued: no token of the model has the characters that its format requires, or the format has too many "
                + "alternatives."
        case .unsupported(let reason): reason
        case .remote(let error): error.description
        }
    }
}

extension GenerationError {
    /// With one decimal below 10 MB.
    private static func megabytes(_ bytes: Int) -> String {
        let tenths = (bytes * 10 + (1 << 20) - 1) >> 20
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)" : "\((tenths + 5) / 10)"
    }
}

extension RemoteError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalidAddress(let address, let reason): "'\(address)' is not a valid backend address: \(reason)."
        case .unreachable(let address, let reason): "\(address) cannot be reached: \(reason)."
        case .timedOut(let address, let seconds): "\(address) sent nothing for \(seconds.counted("second"))."
        case .unauthorized(let address, let message):
            "\(address) denied access\(Self.suffix(message)). Set the API key in the environment: SLM_BACKEND_KEY"
        case .notFound(let address, let message):
            "\(address) was not found\(Self.suffix(message)). Check the address, and the model: --backend-model NAME"
        case .rateLimited(let address, let message, let seconds):
            "\(address) received too many requests\(Self.suffix(message)).\(seconds.map { " Retry after \($0.counted("second"))." } ?? "")"
        case .status(let status, let address, let message): "\(address) returned status \(status)\(Self.suffix(message))."
        case .invalidResponse(let address, let reason): "\(address): \(reason)."
        }
    }

    private static func suffix(_ message: String) -> String { message.isEmpty ? "" : ": \(message)" }
}
