/// Reads the body of a request that arrives in pieces.
///
///     var reader = try RequestBodyReader(head, limit: 1 << 20)
///     let used = try reader.read(bytes, into: &body)
///     reader.isComplete
struct RequestBodyReader {
    private enum State {
        /// This many bytes of the body, or of the current chunk, are missing.
        case data(Int)
        case chunkSize
        case chunkEnd
        case trailers
        case complete
    }

    private let limit: Int
    private let isChunked: Bool
    private var state: State
    /// The bytes of an unfinished line: a chunk size or a trailer.
    private var line: [UInt8] = []
    private var trailerBytes = 0
    private static let maxLine = 1 << 10
    private static let maxTrailers = 8 << 10

    /// Rejects lengths that a proxy and this server might read in different ways (request smuggling).
    init(_ head: RequestHead, limit: Int) throws(RequestError) {
        self.limit = limit
        let lengths = head.headers.filter { $0.name == "content-length" }
        let codings = head.headers.filter { $0.name == "transfer-encoding" }
        if head.headers.count(where: { $0.name == "host" }) > 1 { throw .malformed("Expected one Host header, found several.") }
        if lengths.count > 1 || (!lengths.isEmpty && !codings.isEmpty) {
            throw .malformed("Expected one Content-Length or one Transfer-Encoding header, found several.")
        }
        isChunked = !codings.isEmpty
        if let coding = codings.first {
            if codings.count > 1 || coding.value.lowercased() != "chunked" || head.isHTTP10 {
                throw .malformed("Unsupported Transfer-Encoding: expected chunked, in HTTP/1.1.")
            }
            state = .chunkSize
        } else if let length = lengths.first {
            guard !length.value.isEmpty, length.value.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
                throw .malformed("Invalid Content-Length: expected a number of bytes.")
            }
            let count = Int(length.value) ?? .max
            state = count == 0 ? .complete : .data(count)
            if count > limit { throw tooLarge }
        } else {
            state = .complete
        }
    }

    var isComplete: Bool { if case .complete = state { true } else { false } }

    private var tooLarge: RequestError {
        RequestError(status: .contentTooLarge, message: "The request body is too large: expected at most \(limit) bytes.")
    }

    /// Appends the data among `bytes` to `body`.
    ///
    /// - Returns: The number of bytes that belong to this request.
    mutating func read(_ bytes: Span<UInt8>, into body: inout [UInt8]) throws(RequestError) -> Int {
        var i = 0
        while i < bytes.count {
            switch state {
            case .complete: return i
            case .data(let missing):
                let count = min(missing, bytes.count - i)
                bytes.extracting(i..<i + count).withUnsafeBufferPointer { body.append(contentsOf: $0) }
                i += count
                state = count < missing ? .data(missing - count) : isChunked ? .chunkEnd : .complete
            case .chunkSize, .chunkEnd, .trailers:
                try add(bytes[i], bodyCount: body.count)
                i += 1
            }
        }
        return i
    }

    /// Adds a byte of a line between the data.
    private mutating func add(_ byte: UInt8, bodyCount: Int) throws(RequestError) {
        let followsCR = line.last == Byte.carriageReturn
        guard followsCR == (byte == Byte.newline) else { throw .malformed("Invalid chunk: expected lines that end with CR LF.") }
        guard followsCR else {
            if case .chunkEnd = state, byte != Byte.carriageReturn { throw .malformed("Invalid chunk: its data are longer than its size.") }
            line.append(byte)
            if line.count > Self.maxLine { throw .malformed("Invalid chunk: a line between the data is too long.") }
            return
        }
        line.removeLast()
        defer { line.removeAll(keepingCapacity: true) }
        switch state {
        case .chunkSize:
            let size = try Self.size(line)
            if size > limit - bodyCount { throw tooLarge }
            state = size == 0 ? .trailers : .data(size)
        case .chunkEnd: state = .chunkSize
        case .trailers:
            if line.isEmpty { state = .complete; return }
            trailerBytes += line.count
            if trailerBytes > Self.maxTrailers { throw RequestError(status: .headersTooLarge, message: "The trailers are too long.") }
            _ = try RequestHeadParser.header(line.span)
        case .data, .complete: preconditionFailure("a line inside of a body")
        }
    }

    /// Parses a chunk size in hexadecimal, which an extension may follow.
    private static func size(_ line: [UInt8]) throws(RequestError) -> Int {
        let digits = line.prefix { $0 != UInt8(ascii: ";") }
        let isHexadecimal = digits.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): true
            default: false
            }
        }
        let hasValidExtension = line.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == Byte.tab }
        guard isHexadecimal, hasValidExtension, (1...16).contains(digits.count) else {
            throw .malformed("Invalid chunk: expected its size in hexadecimal.")
        }
        return Int(String(decoding: digits, as: UTF8.self), radix: 16) ?? .max
    }
}
