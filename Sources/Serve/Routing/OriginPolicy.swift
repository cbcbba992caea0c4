import HTTPServer

/// Protects users from other websites: checks the `Host` header (DNS rebinding) and the `Origin` header (cross-site requests), and adds
/// security and CORS headers to responses.
struct OriginPolicy: Sendable {
    /// The allowed names of this server, lowercase and without a port.
    let hosts: Set<String>
    /// Whether any IP address is an allowed name. An IP address cannot be used for DNS rebinding.
    let allowsIPAddresses: Bool
    /// Other allowed origins, such as "https://app.example".
    let origins: Set<String>

    init(_ settings: ServeSettings) {
        let host = settings.http.host.lowercased()
        let own = ["localhost", "127.0.0.1", "[::1]", host.contains(":") ? "[\(host)]" : host]
        hosts = Set(own + settings.hosts.map { $0.lowercased() })
        allowsIPAddresses = !(host == "localhost" || PeerAddress(host)?.isLoopback ?? false)
        origins = Set(settings.origins)
    }

    private static let contentSecurityPolicy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "base-uri 'none'",
        "form-action 'self'", "frame-ancestors 'none'",
    ].joined(separator: "; ")

    private static let securityHeaders: [(name: String, value: String)] = [
        ("Content-Security-Policy", contentSecurityPolicy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]

    static let requestIDHeader = "X-Request-Id"

    func check(_ request: Request) throws(APIError) {
        guard let host = request.header("host") else { throw .badRequest("Missing Host header.") }
        let name = Self.nameWithoutPort(host)
        guard hosts.contains(name) || (allowsIPAddresses && PeerAddress(name.trimmingBrackets) != nil) else {
            let allowed = hosts.sorted().joined(separator: ", ")
            throw .badRequest("Unknown Host header: expected one of \(allowed). The operator can allow more: --allow-host NAME")
        }
        guard request.hasHeader("origin") else { return }
        guard let origin = request.header("origin"), isSameOrigin(origin, host) || origins.contains(origin) else {
            throw .badRequest("Requests from other websites are not allowed. The operator can allow one: --allow-origin URL")
        }
    }

    /// Adds the headers that every response has.
    func addingHeaders(to response: Response, for request: Request?) -> Response {
        var response = response
        response.headers += Self.securityHeaders
        if let request {
            response.headers.append((Self.requestIDHeader, request.id))
            response.headers += corsHeaders(for: request)
        }
        if !response.headers.contains(where: { $0.name == "Cache-Control" }) { response.headers.append(("Cache-Control", "no-store")) }
        return response
    }

    private func corsHeaders(for request: Request) -> [(name: String, value: String)] {
        guard let origin = request.header("origin"), origins.contains(origin) else { return [] }
        return [
            ("Access-Control-Allow-Origin", origin), ("Vary", "Origin"),
            ("Access-Control-Expose-Headers", "Retry-After, \(Self.requestIDHeader)"),
        ]
    }

    /// Returns the response to a CORS preflight request of an allowed origin; nil for any other request.
    func preflightResponse(to request: Request, methods: [String]) -> Response? {
        guard request.method == "OPTIONS",
              request.hasHeader("access-control-request-method"),
              !corsHeaders(for: request).isEmpty else { return nil }
        return Response(.noContent, [
            ("Access-Control-Allow-Methods", methods.joined(separator: ", ")),
            // The clients of OpenAI and Anthropic add headers of their own, which * allows. It never includes Authorization.
            ("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Admin-Key, X-API-Key, Anthropic-Version, *"),
            ("Access-Control-Max-Age", "600"),
        ])
    }

    private func isSameOrigin(_ origin: String, _ host: String) -> Bool {
        ["http://", "https://"].contains { origin.lowercased() == $0 + host.lowercased() }
    }

    private static func nameWithoutPort(_ host: String) -> String {
        let host = host.lowercased()
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return String(host[...end]) }
        return String(host.prefix { $0 != ":" })
    }
}

extension String {
    fileprivate var trimmingBrackets: String { hasPrefix("[") && hasSuffix("]") ? String(dropFirst().dropLast()) : self }
}
