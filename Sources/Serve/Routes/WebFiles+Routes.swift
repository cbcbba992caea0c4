import HTTPServer

/// Serves the web page.
extension WebFiles {
    static let routes: [Route] = [
        Route("GET", "/", on: .connection) { app, context in try app.webFiles.file("/", context.request) },
        Route("GET", "/web/{file}", on: .connection) { app, context in try app.webFiles.webFile(context) },
        Route("GET", "/web/{folder}/{file}", on: .connection) { app, context in try app.webFiles.webFile(context) },
    ]

    /// Paths that people type; `addresses.js` says what the page shows there. /chat is missing: it is a route of the API.
    private static let typedAddresses: Set<String> = [
        "login", "signin", "register", "signup", "reset", "account", "settings", "training", "admin",
    ]

    /// Returns the page for a browser that asks for a path that people type.
    ///
    /// - Throws: `notFound` for all other paths, and for clients that do not name text/html.
    func pageOfTypedAddress(_ request: Request) throws(APIError) -> Response {
        let segments = request.segments.last == "" ? request.segments.dropLast() : request.segments[...]
        guard ["GET", "HEAD"].contains(request.method), segments.count == 1, let name = segments.first,
            Self.typedAddresses.contains(name), request.header("accept")?.lowercased().contains("text/html") ?? false
        else { throw .notFound("path") }
        return try file("/", request).addingHeader("Vary", "Accept")
    }

    private func webFile(_ context: RequestContext) throws(APIError) -> Response {
        try file("/web/" + context.parameters.joined(separator: "/"), context.request)
    }

    private func file(_ path: String, _ request: Request) throws(APIError) -> Response {
        guard let file = self[path] else { throw .notFound("file") }
        let compressed = acceptsGzip(request) ? file.gzip : nil
        let etag = compressed == nil ? file.etag : file.gzipETag
        var headers: [(name: String, value: String)] = [
            ("Content-Type", file.contentType), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding"), ("ETag", etag),
        ]
        if matches(request.header("if-none-match"), etag) { return Response(.notModified, headers) }
        if compressed != nil { headers.append(("Content-Encoding", "gzip")) }
        return Response(.ok, headers, compressed ?? file.bytes)
    }

    private func acceptsGzip(_ request: Request) -> Bool {
        (request.header("accept-encoding") ?? "").split(separator: ",").contains { part in
            let words = part.lowercased().filter { $0 != " " }.split(separator: ";")
            let isExcluded = words.dropFirst().contains { $0 == "q=0" || $0.hasPrefix("q=0.0") && Double($0.dropFirst(2)) == 0 }
            return words.first == "gzip" && !isExcluded
        }
    }

    private func matches(_ ifNoneMatch: String?, _ etag: String) -> Bool {
        (ifNoneMatch ?? "").split(separator: ",").contains { tag in
            let tag = tag.drop { $0 == " " }
            return tag == etag || tag == "*" || tag == "W/" + etag
        }
    }
}
