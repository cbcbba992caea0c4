import HTTPServer
import JSON

extension APIError {
    /// Whether clients of a path expect errors in the form of Anthropic's API.
    static func isAnthropic(_ path: String) -> Bool { path == "/v1/messages" || path.hasPrefix("/v1/messages/") }

    /// Writes Anthropic's error object.
    func writeAnthropic(to writer: inout JSONWriter) {
        let type = switch status.rawValue {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 503: "overloaded_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
        writer.object { root in
            root["type"] = "error"
            root.object("error") { $0["type"] = type; $0["message"] = message }
            if let requestID { root["request_id"] = requestID }
        }
    }
}
