import CCurl
import Glibc
import Synchronization

/// Sends a request and streams the response, over HTTP or HTTPS (libcurl). Redirects are not followed, so that an API key is not
/// sent to another host.
///
///     let exchange = HTTPExchange()
///     try exchange.run(request) { head, bytes in … }           // blocks
///     exchange.cancel()                                        // from any thread: closes the connection
package final class HTTPExchange: Sendable {
    private struct State {
        /// The address of curl's multi handle while `run` is running.
        var multi: UInt?
        var isCancelled = false
    }

    private let state = Mutex(State())

    package init() {}

    package func cancel() {
        state.withLock { state in
            state.isCancelled = true
            if let multi = state.multi.flatMap({ UnsafeMutableRawPointer(bitPattern: $0) }), let curl = try? CurlLibrary.functions {
                _ = curl.multi_wakeup(multi)
            }
        }
    }

    /// Returns after the whole response was received.
    ///
    /// - Parameter receive: Called with the head and each part of the body; once with an empty part if there is no body.
    package func run(_ request: HTTPRequest, receive: (HTTPHead, Span<UInt8>) -> Void) throws(HTTPError) {
        let curl = try CurlLibrary.functions
        guard let multi = curl.multi_init(), let easy = curl.easy_init() else { throw .failed(reason: "out of memory") }
        defer {
            state.withLock { $0.multi = nil }
            _ = curl.multi_remove_handle(multi, easy)
            curl.easy_cleanup(easy)
            _ = curl.multi_cleanup(multi)
        }
        let number = UInt(bitPattern: multi)
        state.withLock { $0.multi = number }
        let result: Result<Void, HTTPError> = withoutActuallyEscaping(receive) { receive in
            let receiver = ResponseReceiver(receive), transfer = CurlTransfer(request, curl, easy, receiver)
            defer { withExtendedLifetime((receiver, transfer)) {} }
            return Result { () throws(HTTPError) in try perform(curl, multi, easy, transfer) }
        }
        try result.get()
    }

    private func perform(
        _ curl: slm_curl_functions,
        _ multi: UnsafeMutableRawPointer,
        _ easy: UnsafeMutableRawPointer,
        _ transfer: CurlTransfer
    ) throws(HTTPError) {
        _ = curl.multi_add_handle(multi, easy)
        var running: Int32 = 1
        while running > 0 {
            if state.withLock(\.isCancelled) { throw .canceled }
            guard curl.multi_perform(multi, &running) == CURLM_OK else { throw .failed(reason: "libcurl failed") }
            if running > 0 { _ = curl.multi_poll(multi, nil, 0, 1_000, nil) }
        }
        var left: Int32 = 0
        guard let message = curl.multi_info_read(multi, &left) else { throw .failed(reason: "libcurl returned no result") }
        let code = message.pointee.data.result
        guard code == CURLE_OK else { throw transfer.error(code) }
        transfer.receiver.finish()
    }
}

/// The options of a curl handle, and the memory that they point to. Must outlive the transfer.
private final class CurlTransfer {
    let receiver: ResponseReceiver
    private let curl: slm_curl_functions
    private var headers: UnsafeMutablePointer<curl_slist>?
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(_ request: HTTPRequest, _ curl: slm_curl_functions, _ easy: UnsafeMutableRawPointer, _ receiver: ResponseReceiver) {
        self.receiver = receiver
        self.curl = curl
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        for (name, value) in request.headers { headers = curl.slist_append(headers, "\(name): \(value)") }
        func setNumber(_ option: CURLoption, _ number: Int) { slm_curl_set_long(curl, easy, option, number) }
        func setText(_ option: CURLoption, _ text: UnsafePointer<CChar>) { slm_curl_set_text(curl, easy, option, text) }
        func setPointer(_ option: CURLoption, _ pointer: UnsafeMutableRawPointer?) { slm_curl_set_pointer(curl, easy, option, pointer) }
        setText(CURLOPT_URL, request.url)
        setPointer(CURLOPT_HTTPHEADER, headers)
        setPointer(CURLOPT_ERRORBUFFER, errorText)
        setText(CURLOPT_PROTOCOLS_STR, "http,https")
        setText(CURLOPT_USERAGENT, "slm")
        // As other programs with OpenSSL; libcurl itself does not read it.
        if let file = getenv("SSL_CERT_FILE"), file.pointee != 0 { setText(CURLOPT_CAINFO, file) }
        setNumber(CURLOPT_NOSIGNAL, 1)
        setNumber(CURLOPT_CONNECTTIMEOUT, request.connectSeconds)
        setNumber(CURLOPT_LOW_SPEED_LIMIT, 1)
        setNumber(CURLOPT_LOW_SPEED_TIME, request.idleSeconds)
        if let body = request.body {
            setNumber(CURLOPT_POSTFIELDSIZE, body.count)
            body.withUnsafeBytes {
                setPointer(CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: $0.baseAddress))
            }
        }
        if let method = request.method { setText(CURLOPT_CUSTOMREQUEST, method) }
        let context = Unmanaged.passUnretained(receiver).toOpaque()
        setPointer(CURLOPT_HEADERDATA, context)
        setPointer(CURLOPT_WRITEDATA, context)
        slm_curl_set_callback(curl, easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<ResponseReceiver>.fromOpaque(context).takeUnretainedValue().receiveHeader(line) ? size * count : 0
        }
        slm_curl_set_callback(curl, easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let part = UnsafeRawBufferPointer(start: bytes, count: size * count)
            Unmanaged<ResponseReceiver>.fromOpaque(context).takeUnretainedValue().receiveBody(part)
            return size * count
        }
    }

    deinit {
        curl.slist_free_all(headers)
        errorText.deallocate()
    }

    func error(_ code: CURLcode) -> HTTPError {
        let details = String(cString: errorText)
        let text = details.isEmpty ? curl.easy_strerror(code).map { String(cString: $0) } ?? "error \(code.rawValue)" : details
        return switch code {
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .invalidURL(reason: text)
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR,
            CURLE_PEER_FAILED_VERIFICATION:
            .unreachable(reason: text)
        default: .failed(reason: text)
        }
    }
}

/// Receives the headers and the body from curl.
private final class ResponseReceiver {
    private let receive: (HTTPHead, Span<UInt8>) -> Void
    private var head = HTTPHead()
    private var headBytes = 0
    private var hasBody = false
    private static let maxHeadBytes = 1 << 16

    init(_ receive: @escaping (HTTPHead, Span<UInt8>) -> Void) { self.receive = receive }

    /// Returns false if the headers are too large.
    func receiveHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        headBytes += line.count
        guard headBytes <= Self.maxHeadBytes else { return false }
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {                           // again after "100 Continue"
            head = HTTPHead()
            head.status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        } else if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) {
            let value = Array(text.utf8[text.utf8.index(after: colon)...]).trimmedHeader
            head.headers[text[..<colon].lowercased()] = String(decoding: value, as: UTF8.self)
        }
        return true
    }

    func receiveBody(_ bytes: UnsafeRawBufferPointer) {
        hasBody = true
        receive(head, bytes.bindMemory(to: UInt8.self).span)
    }

    /// Delivers the head of a response without a body.
    func finish() {
        if !hasBody { receive(head, [UInt8]().span) }
    }
}

extension [UInt8] {
    fileprivate var trimmedHeader: ArraySlice<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || 9...13 ~= byte }
        let rest = drop(while: isSpace)
        return rest.dropLast(rest.reversed().prefix(while: isSpace).count)
    }
}
