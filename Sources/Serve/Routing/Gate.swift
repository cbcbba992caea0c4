import HTTPServer

/// What every request passes: pages of other sites get no answer through somebody's browser, neither by a name of their own for our address
/// (Host) nor by a
/// request from theirs (Origin).
struct Gate: Sendable {
    /// Names, in small letters and without a port, that the server is called by.
    let hosts: Set<String>
    /// Whether any numeric address is right too: it cannot be another's name for us.
    let takesAddresses: Bool
    /// Other sites whose pages may ask, such as "https://app.example".
    let origins: Set<String>

    static let headers: [(name: String, value: String)] = [
        (
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]

    func check(_ request: Request) throws(Failure) {
        guard let host = request.header("host") else { throw .badRequest("There is no Host.") }
        let name = Self.name(of: host)
        guard hosts.contains(name) || (takesAddresses && PeerAddress(name.trimming("[", "]")) != nil) else {
            throw .badRequest("This server is not called by that name. Its owner can say so: --allow-host NAME")
        }
        guard request.hasHeader("origin") else { return }
        guard let origin = request.header("origin"), isOurs(origin, host) || origins.contains(origin) else {
            throw .badRequest("Pages of other sites may not ask here. The owner of the server can let them: --allow-origin URL")
        }
    }

    /// A response as it goes out.
    func finished(_ response: Response, for request: Request?) -> Response {
        var response = response
        response.headers += Self.headers
        if let request { response.headers += crossOriginHeaders(for: request) }
        if !response.headers.contains(where: { $0.name == "Cache-Control" }) { response.headers.append(("Cache-Control", "no-store")) }
        return response
    }

    /// The headers for a page of another site that may ask.
    private func crossOriginHeaders(for request: Request) -> [(name: String, value: String)] {
        guard let origin = request.header("origin"), origins.contains(origin) else { return [] }
        return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin"), ("Access-Control-Expose-Headers", "Retry-After")]
    }

    /// What a browser asks before it asks, where it may; else nil.
    func preflight(_ request: Request, methods: [String]) -> Response? {
        guard request.method == "OPTIONS", request.hasHeader("access-control-request-method"), !crossOriginHeaders(for: request).isEmpty
        else { return nil }
        return Response(
            .noContent,
            [
                ("Access-Control-Allow-Methods", methods.joined(separator: ", ")),
                ("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Admin-Key"), ("Access-Control-Max-Age", "600"),
            ])
    }

    private func isOurs(_ origin: String, _ host: String) -> Bool {
        ["http://", "https://"].contains { origin.lowercased() == $0 + host.lowercased() }
    }

    /// Without its port.
    private static func name(of host: String) -> String {
        let host = host.lowercased()
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return String(host[...end]) }
        return String(host.prefix { $0 != ":" })
    }
}

extension String {
    fileprivate func trimming(_ first: String, _ last: String) -> String {
        hasPrefix(first) && hasSuffix(last) ? String(dropFirst().dropLast()) : self
    }
}
