import HTTPServer

/// The page and its files.
extension App {
    static var pageRoutes: [Route] {
        [Route("GET", "/", by: .here) { try $0.file("/", $1.request) },
         Route("GET", "/web/{file}", by: .here) { app, call in try app.file("/web/\(call.parameters.first ?? "")", call.request) }]
    }

    private func file(_ path: String, _ request: Request) throws(Failure) -> Response {
        guard let file = files[path] else { throw .notFound("file") }
        var headers = [("Content-Type", file.contentType), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding")]
        let packed = takesGzip(request) ? file.gzip : nil
        let etag = packed == nil ? file.etag : file.gzipETag
        headers.append(("ETag", etag))
        if names(request.header("if-none-match"), etag) { return Response(.notModified, headers.map { ($0.0, $0.1) }) }
        if packed != nil { headers.append(("Content-Encoding", "gzip")) }
        return Response(.ok, headers.map { ($0.0, $0.1) }, packed ?? file.bytes)
    }

    private func takesGzip(_ request: Request) -> Bool {
        (request.header("accept-encoding") ?? "").split(separator: ",").contains { part in
            let words = part.lowercased().filter { $0 != " " }.split(separator: ";")
            return words.first == "gzip"
                && !words.dropFirst().contains { $0 == "q=0" || $0.hasPrefix("q=0.0") && Double($0.dropFirst(2)) == 0 }
        }
    }

    private func names(_ list: String?, _ etag: String) -> Bool {
        (list ?? "").split(separator: ",").contains { tag in
            let tag = tag.drop { $0 == " " }
            return tag == etag || tag == "*" || tag == "W/" + etag
        }
    }
}
