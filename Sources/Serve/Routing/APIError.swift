import HTTPServer
import Infer
import JSON
import Store

/// An error response. Its body is `Error` of Documentation/Reference/openapi.yaml, or an error of OpenAI or Anthropic under `/v1`, or of
/// Ollama under `/ollama`.
///
///     throw APIError.invalid("temperature", "expected a number from 0 to 2, found 3.")
struct APIError: Error, Equatable {
    var status: HTTPStatus
    /// For programs.
    var code: String
    /// A sentence for users.
    var message: String
    var field: String?
    /// In seconds.
    var retryAfter: Int?
    /// The request that is answered.
    var requestID: String?
    /// The cause, which only the operator may see. It is logged with the id of the request.
    var cause: String?

    static func invalid(_ field: String, _ message: String) -> APIError {
        APIError(status: .unprocessableContent, code: "invalid", message: "\(field): \(message)", field: field)
    }

    static func badRequest(_ message: String) -> APIError { APIError(status: .badRequest, code: "bad_request", message: message) }

    static func notFound(_ thing: String) -> APIError { APIError(status: .notFound, code: "not_found", message: "No such \(thing).") }

    static func forbidden(_ code: String, _ message: String, field: String? = nil) -> APIError {
        APIError(status: .forbidden, code: code, message: message, field: field)
    }

    static func conflict(_ code: String, _ message: String, field: String? = nil) -> APIError {
        APIError(status: .conflict, code: code, message: message, field: field)
    }

    static func unsupportedMediaType(_ expected: String) -> APIError {
        APIError(
            status: .unsupportedMediaType, code: "unsupported_media_type",
            message: "Unsupported media type: expected \(expected).")
    }

    static let wrongCredentials = APIError(status: .unauthorized, code: "wrong_credentials", message: "Wrong username or password.")

    /// A one-time code is not a secret of the session, so the status is not 401, after which the page would sign the user out.
    static func wrongCode(field: String) -> APIError {
        forbidden("wrong_code", "This code is wrong, or was used, or has expired.", field: field)
    }

    static func unauthorized(_ message: String) -> APIError { APIError(status: .unauthorized, code: "unauthorized", message: message) }

    static func tooManyRequests(_ message: String, seconds: Int) -> APIError {
        APIError(status: .tooManyRequests, code: "too_many_requests", message: message, retryAfter: seconds)
    }

    static func serviceUnavailable(_ code: String, _ message: String, retryAfter: Int = 1) -> APIError {
        APIError(status: .serviceUnavailable, code: code, message: message, retryAfter: retryAfter)
    }

    static let stopping = serviceUnavailable("stopping", "The server is shutting down. Try again in a moment.", retryAfter: 5)
    /// The answer in progress ends.
    static let revoked = unauthorized("The API key was revoked, the session has ended, or the account was disabled.")
    static let internalError = APIError(
        status: .internalServerError, code: "failed", message: "Internal server error. The server's log has the details.")
}

extension APIError {
    /// Hides internal details, which only the operator may see.
    init(_ error: StoreError) {
        switch error {
        case .notFound(.user): self = .unauthorized("This account no longer exists. Sign in again.")
        case .notFound(let thing): self = .notFound(thing.rawValue)
        case .usernameTaken:
            self = .conflict("taken", "This username is taken. Choose another one.", field: "username")
        case .emailTaken:
            self = .conflict("taken", "Another account has this email address.", field: "email")
        case .invalidCode: self = .wrongCode(field: "code")
        case .diskFull:
            self = APIError(status: .insufficientStorage, code: "no_space", message: "The server's disk is full. Nothing was saved.")
        case .unavailable, .busy:
            self = .serviceUnavailable("busy", "The database is not responding. Try again in a moment.", retryAfter: 2)
        case .tooLong(let what, let limit):
            let message = "\(what) is too long: expected at most \(limit) bytes.".capitalizedFirst
            self = APIError(status: .unprocessableContent, code: "invalid", message: message)
        case .conversationFull:
            self = .conflict("conversation_full", "This conversation has reached its maximum length. Start a new one.")
        case .quotaExceeded(let quota, let limit): self.init(quota, limit)
        case .answering:
            let message = "This conversation already has an answer in progress. Wait for it, or stop it."
            self = APIError(status: .conflict, code: "answering", message: message, retryAfter: 1)
        case .leaseLost:
            let message = "This server did not respond for too long, so that the answer was interrupted. Load the conversation again."
            self = .conflict("interrupted", message)
        case .queryTimeout:
            self = .serviceUnavailable("search_timeout", "The search took too long. Try a longer or more specific text.", retryAfter: 1)
        case .model(let refusal): self.init(refusal)
        case .invalidURL, .unusable, .damaged, .foreignDatabase, .newerSchema, .backup, .failed:
            self = .internalError
            cause = "\(error)"
        }
    }

    private init(_ refusal: ModelRefusal) {
        let code = switch refusal {
        case .gateNotPassed: "gate_not_passed"
        case .noPreviousModel: "no_previous_model"
        case .inUse: "in_use"
        case .filesDeleted: "files_deleted"
        case .nameTaken: "taken"
        }
        self.init(status: .conflict, code: code, message: "\(refusal)".capitalizedFirst)
    }

    private init(_ quota: StoreError.Quota, _ limit: Int) {
        let (code, message) = switch quota {
        case .conversations:
            ("too_many_conversations", "Your account has reached its limit for conversations (\(limit)). Delete some to start a new one.")
        case .storedCharacters:
            ("storage_full", "Your account has reached its limit for stored characters (\(limit)). Delete conversations to continue.")
        case .questions: ("too_many_questions", "There are \(limit) questions, which is the limit. Delete some to add another.")
        case .libraries: ("too_many_libraries", "Your account has reached its limit for libraries (\(limit)). Delete one first.")
        case .uploadedBytes:
            ("quota_exceeded", "Your files have no space for this one: all together have at most \(limit >> 20) MiB. Delete some first.")
        case .apiKeys: ("too_many_keys", "Your account has reached its limit for API keys (\(limit)). Revoke one to create another.")
        }
        self.init(status: .forbidden, code: code, message: message)
    }

    init(_ error: GenerationError) {
        switch error {
        case .field(let name, let value, let expected):
            self = .invalid(SamplingFields.jsonName(of: name), "expected \(expected), found \(value).")
        case .tooLong, .textTooLong, .tooMuchMemory:
            self = APIError(status: .unprocessableContent, code: "context_length_exceeded", message: "\(error)".capitalizedFirst)
        case .emptyPrompt, .noChatTemplate, .tokenizer, .noAllowedToken, .unsupported:
            self = APIError(status: .unprocessableContent, code: "invalid", message: "\(error)".capitalizedFirst)
        case .busy: self = .serviceUnavailable("busy", "\(error)".capitalizedFirst)
        case .threadNotStarted, .invalidLogits:
            self = .internalError
            cause = "\(error)"
        case .remote(let error):
            self.init(error)
            cause = "\(error)"
        }
    }

    /// Hides the address of the model's server, and what it wrote: both are for the operator.
    private init(_ error: RemoteError) {
        let message = switch error {
        case .invalidAddress, .unreachable: "The model's server cannot be reached. Try again in a moment."
        case .timedOut: "The model's server takes too long to answer. Try again in a moment."
        case .unauthorized, .notFound: "The model's server rejected the request. The operator can find the reason in this server's log."
        case .rateLimited: "The model's server has too many requests. Try again in a moment."
        case .status, .invalidResponse: "The model's server did not answer correctly. Try again in a moment."
        }
        var retryAfter: Int?
        if case .rateLimited(_, _, let seconds) = error { retryAfter = seconds }
        self.init(status: .badGateway, code: "backend", message: message, retryAfter: retryAfter)
    }

    init(_ rejection: Admission.Rejection) {
        switch rejection {
        case .tooManyForClient(let active):
            let answers = active == 1 ? "1 answer" : "\(active) answers"
            self = .tooManyRequests("You already have \(answers) in progress. Wait until one is finished.", seconds: 2)
        case .queueFull(let waiting):
            let message = "The server is busy: \(waiting) requests are waiting. Try again in a moment."
            self = .serviceUnavailable("busy", message, retryAfter: 5)
        case .closed: self = .stopping
        }
    }

    init(_ error: JSONError) { self = .badRequest("Invalid JSON: \(error)") }

    /// Converts whatever a route throws.
    init(any error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as StoreError: self.init(error)
        case let error as GenerationError: self.init(error)
        case let error as Admission.Rejection: self.init(error)
        case let error as JSONError: self.init(error)
        default:
            self = .internalError
            cause = "\(error)"
        }
    }
}

extension APIError {
    /// Returns the response, with the id of the request.
    func response(to request: Request) -> Response { identified(by: request).response(for: request.path) }

    /// Adds the id of the request, and logs the cause.
    func identified(by request: Request) -> APIError {
        var copy = self
        copy.requestID = request.id
        if let cause { Log.error(cause, request: request.id) }
        copy.cause = nil
        return copy
    }

    /// Returns the response, in OpenAI's or Anthropic's format for a path under `/v1`, and in Ollama's under `/ollama`.
    func response(for path: String) -> Response {
        var writer = JSONWriter()
        var status = status
        let isOllama = Self.isOllama(path)
        if isOllama || path.hasPrefix("/v1/") {
            if status == .unprocessableContent { status = .badRequest }
            let write = isOllama ? writeOllama : Self.isAnthropic(path) ? writeAnthropic : writeOpenAI
            write(&writer)
        } else {
            writer.object { writeMember(to: &$0) }
        }
        var response = Response.json(writer.bytes, status)
        if let retryAfter { response.headers.append(("Retry-After", "\(max(1, retryAfter))")) }
        if status == .unauthorized { response.headers.append(("WWW-Authenticate", "Bearer realm=\"slm\"")) }
        return response
    }

    /// The same error with the name that its field has in the client's API.
    func renamed(_ name: (_ field: String) -> String) -> APIError {
        guard let field else { return self }
        let renamed = name(field)
        var copy = self
        copy.field = renamed
        if message.hasPrefix(field) { copy.message = renamed + message.dropFirst(field.count) }
        return copy
    }

    /// Writes the member `error` of an object.
    func writeMember(to object: inout JSONWriter) {
        object.object("error") {
            $0["code"] = code
            $0["message"] = message
            if let field { $0["field"] = field }
            if let requestID { $0["request_id"] = requestID }
        }
    }

    /// Writes OpenAI's error object.
    func writeOpenAI(to writer: inout JSONWriter) {
        let type = switch status.rawValue {
        case 401, 403: "authentication_error"
        case 429: "rate_limit_error"
        case 500...: "server_error"
        default: "invalid_request_error"
        }
        writer.object { error in
            error.object("error") {
                $0["message"] = message
                $0["type"] = type
                $0["param"] = field
                $0["code"] = code
                if let requestID { $0["request_id"] = requestID }
            }
        }
    }
}

extension String {
    var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
