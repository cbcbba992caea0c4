/// The request line and the headers of a request.
struct RequestHead: Sendable {
    let method: String
    let target: String
    /// HTTP/1.0 knows no chunked bodies, and closes connections by default.
    let isHTTP10: Bool
    /// With lowercase names.
    let headers: [(name: String, value: String)]

    /// Whether a body may follow.
    var hasBody: Bool { headers.contains { $0.name == "content-length" || $0.name == "transfer-encoding" } }

    /// Whether a header that is a comma-separated list contains a word.
    func lists(_ word: String, in name: String) -> Bool {
        headers.contains { header in
            guard header.name == name else { return false }
            return header.value.split(separator: ",").contains { $0.filter { $0 != " " && $0 != "\t" }.lowercased() == word }
        }
    }
}

/// Why a request is malformed, or too large.
struct RequestError: Error, Equatable {
    let status: HTTPStatus
    /// An English sentence for the response body.
    let message: String

    static func malformed(_ message: String) -> RequestError { RequestError(status: .badRequest, message: message) }
}

/// Parses the head of a request that arrives in pieces (RFC 9112).
///
///     var parser = RequestHeadParser(limits)
///     if let head = try parser.parse(bytes) { … parser.length … }
///
/// Rejects everything that a proxy might read in another way: line ends that are not CR LF, folded lines, whitespace around header names,
/// characters that a header name cannot have, control characters.
struct RequestHeadParser {
    private let limits: HTTPServer.Limits
    /// Bytes that were looked at.
    private var scanned = 0
    private var lineStart = 0
    /// The complete lines, without their ends.
    private var lines: [Range<Int>] = []
    /// The bytes of the head, once it is complete.
    private(set) var length = 0

    init(_ limits: HTTPServer.Limits) { self.limits = limits }

    /// Whether a part of the head has arrived.
    var hasBegun: Bool { scanned > 0 }

    /// - Parameter bytes: All bytes from the beginning of the head. Later calls pass the same bytes and more.
    /// - Returns: nil until the head is complete.
    mutating func parse(_ bytes: Span<UInt8>) throws(RequestError) -> RequestHead? {
        while scanned < bytes.count {
            let byte = bytes[scanned]
            let followsCR = scanned > lineStart && bytes[scanned - 1] == Byte.carriageReturn
            if byte == Byte.newline {
                guard followsCR else { throw .malformed("Invalid line end: expected CR LF, found LF alone.") }
                let line = lineStart..<scanned - 1
                scanned += 1
                lineStart = scanned
                if !line.isEmpty {
                    lines.append(line)
                    if lines.count - 1 > limits.headers { throw tooManyHeaders }
                } else if !lines.isEmpty {
                    length = scanned
                    return try head(bytes)
                } else if scanned > 8 {                      // RFC 9112, 2.2: an empty line before a request is ignored
                    throw .malformed("Invalid request line: expected a method, a target and a version.")
                }
                continue
            }
            if followsCR { throw .malformed("Invalid line end: expected CR LF, found CR alone.") }
            if lines.isEmpty, scanned == lineStart, byte != Byte.carriageReturn, !Byte.isToken(byte) {
                throw .malformed("Invalid request line: expected an HTTP method.")
            }
            scanned += 1
            if lines.isEmpty, scanned - lineStart > limits.requestLine {
                throw RequestError(
                    status: .uriTooLong, message: "The request line is too long: expected at most \(limits.requestLine) bytes.")
            }
            if scanned > limits.head {
                throw RequestError(
                    status: .headersTooLarge, message: "The request headers are too long: expected at most \(limits.head) bytes.")
            }
        }
        return nil
    }

    private var tooManyHeaders: RequestError {
        RequestError(status: .headersTooLarge, message: "Too many request headers: expected at most \(limits.headers).")
    }

    private func head(_ bytes: Span<UInt8>) throws(RequestError) -> RequestHead {
        let line = bytes.extracting(lines[0])
        guard let first = line.firstIndex(of: Byte.space), let last = line.lastIndex(of: Byte.space), first + 1 < last else {
            throw .malformed("Invalid request line: expected a method, a target and a version.")
        }
        let method = line.extracting(0..<first)
        let target = line.extracting(first + 1..<last)
        guard method.allSatisfy(Byte.isToken), target.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw .malformed("Invalid request line: expected a method, a target and a version, separated by one space each.")
        }
        let isHTTP10 = try Self.isHTTP10(line.extracting(last + 1..<line.count).text)
        var headers: [(name: String, value: String)] = []
        headers.reserveCapacity(lines.count - 1)
        for range in lines.dropFirst() { headers.append(try Self.header(bytes.extracting(range))) }
        return RequestHead(method: method.text, target: target.text, isHTTP10: isHTTP10, headers: headers)
    }

    private static func isHTTP10(_ version: String) throws(RequestError) -> Bool {
        if version == "HTTP/1.1" { return false }
        if version == "HTTP/1.0" { return true }
        let digits = version.utf8.dropFirst(5).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let isVersion = version.hasPrefix("HTTP/") && digits.count == 2 && digits.allSatisfy { $0.count == 1 && Int(Substring($0)) != nil }
        if !isVersion { throw .malformed("Invalid request line: expected the version HTTP/1.1.") }
        throw RequestError(status: .versionNotSupported, message: "Unsupported HTTP version: expected HTTP/1.1 or HTTP/1.0.")
    }

    /// Parses a header line. Also used for the trailers of a chunked body.
    static func header(_ line: Span<UInt8>) throws(RequestError) -> (name: String, value: String) {
        if line[0] == Byte.space || line[0] == Byte.tab { throw .malformed("Invalid header: a header must not continue on a second line.") }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0, line.extracting(0..<colon).allSatisfy(Byte.isToken) else {
            throw .malformed("Invalid header: expected a name of letters, digits and -, directly followed by a colon.")
        }
        var start = colon + 1
        var end = line.count
        while start < end, Byte.isBlank(line[start]) { start += 1 }
        while start < end, Byte.isBlank(line[end - 1]) { end -= 1 }
        let value = line.extracting(start..<end)
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == Byte.tab }) else {
            throw .malformed("Invalid header: a value must not contain control characters.")
        }
        return (line.extracting(0..<colon).text.lowercased(), value.text)
    }
}

/// The bytes that HTTP's grammar names.
enum Byte {
    static let newline: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let tab: UInt8 = 0x09

    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    /// A character of a token (RFC 9110, 5.6.2): a method or a header name.
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: byte > 0x20 && byte < 0x7F && punctuation.contains(byte)
        }
    }

    private static let punctuation = Array("!#$%&'*+-.^_`|~".utf8)
}

extension Span where Element == UInt8 {
    var text: String { withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) } }

    func firstIndex(of byte: UInt8) -> Int? { indices.first { self[$0] == byte } }

    func lastIndex(of byte: UInt8) -> Int? { indices.last { self[$0] == byte } }

    func allSatisfy(_ condition: (UInt8) -> Bool) -> Bool { indices.allSatisfy { condition(self[$0]) } }
}
