import HTTPServer
import Infer
import JSON
import Store

/// Why a request is refused. It becomes the error of Documentation/Reference/openapi.yaml, or OpenAI's under `/v1`.
///
///     throw Failure.invalid("temperature", "expected a number from 0 to 2, found 3.")
struct Failure: Error, Equatable {
    var status: Status
    /// For programs.
    var code: String
    /// A sentence for people.
    var message: String
    var field: String?
    /// Seconds.
    var retryAfter: Int?

    static func invalid(_ field: String, _ message: String) -> Failure {
        Failure(status: .unprocessable, code: "invalid", message: "\(field): \(message)", field: field)
    }
    static func badRequest(_ message: String) -> Failure { Failure(status: .badRequest, code: "bad_request", message: message) }
    static func notFound(_ what: String) -> Failure { Failure(status: .notFound, code: "not_found", message: "There is no such \(what).") }
    static func unauthorized(_ message: String) -> Failure { Failure(status: .unauthorized, code: "unauthorized", message: message) }
    static func tooMany(_ message: String, seconds: Int) -> Failure {
        Failure(status: .tooManyRequests, code: "too_many_requests", message: message, retryAfter: seconds)
    }
    static func unavailable(_ code: String, _ message: String, seconds: Int = 1) -> Failure {
        Failure(status: .unavailable, code: code, message: message, retryAfter: seconds)
    }
    static let stopping = unavailable("stopping", "The server is about to stop.", seconds: 5)
    static let broken = Failure(status: .failed, code: "failed", message: "The server made a mistake. Its log says more.")
}

extension Failure {
    /// A fault of the store, as people who are not the owner of the server may know it.
    init(_ error: StoreError) {
        switch error {
        case .notFound(.user): self = .unauthorized("This account is no more. Sign in again.")
        case .notFound(let thing): self = .notFound(thing.rawValue)
        case .usernameTaken:
            self = Failure(status: .conflict, code: "taken", message: "The name is taken. Choose another.", field: "username")
        case .diskFull: self = Failure(status: .noSpace, code: "no_space", message: "The server's disk is full. Nothing was changed.")
        case .unavailable, .busy: self = .unavailable("busy", "The database does not answer at the moment.", seconds: 2)
        case .tooLong(let what, let limit):
            self = Failure(status: .unprocessable, code: "invalid", message: "\(what) is longer than \(limit) bytes.")
        case .conversationFull:
            self = Failure(
                status: .conflict, code: "conversation_full", message: "This conversation is as long as one may be. Begin another.")
        case .invalidURL, .unusable, .damaged, .foreignDatabase, .newerSchema, .failed:
            note("\(error)")
            self = .broken
        }
    }

    init(_ error: GenerationError) {
        switch error {
        case .field(let name, let value, let expected):
            self = .invalid(SamplingFields.outerName(of: name), "expected \(expected), found \(value).")
        case .tooLong: self = Failure(status: .unprocessable, code: "context_length_exceeded", message: "\(error)")
        case .emptyPrompt, .noChatTemplate, .tokenizer, .unsupported:
            self = Failure(status: .unprocessable, code: "invalid", message: "\(error)")
        case .busy: self = .unavailable("busy", "\(error)")
        case .threadNotStarted, .invalidLogits:
            note("\(error)")
            self = .broken
        case .remote(let error): self = Failure(status: .badGateway, code: "backend", message: "\(error)")
        }
    }

    init(_ error: JSONError) { self = .badRequest("The body is no JSON: \(error)") }

    /// Whatever a route throws.
    init(any error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as StoreError: self.init(error)
        case let error as GenerationError: self.init(error)
        case let error as JSONError: self.init(error)
        default:
            note("\(error)")
            self = .broken
        }
    }
}

extension Failure {
    /// The member `error` of an object.
    func writeMembers(to object: inout JSONWriter) {
        object.key("error")
        object.object {
            $0.key("code"); $0.string(code)
            $0.key("message"); $0.string(message)
            if let field { $0.key("field"); $0.string(field) }
        }
    }

    func response(inFormOf path: String) -> Response {
        var writer = JSONWriter(), answer = self
        if path.hasPrefix("/v1/") {
            if status == .unprocessable { answer.status = .badRequest }
            writeAsOpenAI(to: &writer)
        } else { writer.object { writeMembers(to: &$0) } }
        var response = Response(answer.status, [("Content-Type", "application/json")], writer.bytes)
        if let retryAfter { response.headers.append(("Retry-After", "\(max(1, retryAfter))")) }
        if status == .unauthorized { response.headers.append(("WWW-Authenticate", "Bearer realm=\"slm\"")) }
        return response
    }

    /// As OpenAI's clients know it.
    func writeAsOpenAI(to writer: inout JSONWriter) {
        let type = switch status.rawValue {
        case 401, 403: "authentication_error"
        case 429: "rate_limit_error"
        case 500...: "server_error"
        default: "invalid_request_error"
        }
        writer.object { error in
            error.key("error")
            error.object {
                $0.key("message"); $0.string(message)
                $0.key("type"); $0.string(type)
                $0.key("param"); if let field { $0.string(field) } else { $0.null() }
                $0.key("code"); $0.string(code)
            }
        }
    }
}
