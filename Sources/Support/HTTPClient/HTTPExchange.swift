import CCurl
import Synchronization

/// A request and its answer, which is given on as it comes. HTTP and HTTPS, over libcurl; redirections are not followed, so that a key goes nowhere else.
///
///     let exchange = HTTPExchange()
///     try exchange.run(request) { head, bytes in … }           // on this thread
///     exchange.cancel()                                        // from any other: the connection is closed at once
package final class HTTPExchange: Sendable {
    private struct State {
        /// curl's handle, while it runs.
        var multi: UInt?
        var isCancelled = false
    }

    private let state = Mutex(State())

    package init() {}

    package func cancel() {
        state.withLock { state in
            state.isCancelled = true
            if let multi = state.multi.flatMap({ UnsafeMutableRawPointer(bitPattern: $0) }) { curl_multi_wakeup(multi) }
        }
    }

    /// Returns when the answer is over. `receive` is lent each part of its body with its head; the first time it may be empty, and then there is a head at least.
    package func run(_ request: HTTPRequest, receive: (HTTPHead, Span<UInt8>) -> Void) throws(HTTPError) {
        _ = Self.libraryIsReady
        guard let multi = curl_multi_init(), let easy = curl_easy_init() else { throw .broken(reason: "no memory for a connection") }
        defer {
            state.withLock { $0.multi = nil }
            curl_multi_remove_handle(multi, easy)
            curl_easy_cleanup(easy)
            curl_multi_cleanup(multi)
        }
        let number = UInt(bitPattern: multi)
        state.withLock { $0.multi = number }
        let result: Result<Void, HTTPError> = withoutActuallyEscaping(receive) { receive in
            let receiver = Receiver(receive), settings = Settings(request, easy, receiver)
            defer { withExtendedLifetime((receiver, settings)) {} }
            return Result { () throws(HTTPError) in try perform(multi, easy, settings, request) }
        }
        try result.get()
    }

    private func perform(_ multi: UnsafeMutableRawPointer, _ easy: UnsafeMutableRawPointer, _ settings: Settings, _ request: HTTPRequest) throws(HTTPError) {
        curl_multi_add_handle(multi, easy)
        var running: Int32 = 1
        while running > 0 {
            if state.withLock(\.isCancelled) { throw .cancelled }
            guard curl_multi_perform(multi, &running) == CURLM_OK else { throw .broken(reason: "libcurl gave up") }
            if running > 0 { curl_multi_poll(multi, nil, 0, 1_000, nil) }
        }
        var left: Int32 = 0
        guard let message = curl_multi_info_read(multi, &left) else { throw .broken(reason: "libcurl said nothing") }
        let code = message.pointee.data.result
        guard code == CURLE_OK else { throw settings.error(code) }
        settings.receiver.finish()
    }

    private static let libraryIsReady = slm_curl_global_init()
}

/// All that curl is told, for as long as it reads it.
private final class Settings {
    let receiver: Receiver
    private var list: UnsafeMutablePointer<curl_slist>?
    private let reason = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(_ request: HTTPRequest, _ easy: UnsafeMutableRawPointer, _ receiver: Receiver) {
        self.receiver = receiver
        reason.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        for (name, value) in request.headers { list = curl_slist_append(list, "\(name): \(value)") }
        slm_curl_set_text(easy, CURLOPT_URL, request.url)
        slm_curl_set_pointer(easy, CURLOPT_HTTPHEADER, list)
        slm_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, reason)
        slm_curl_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        slm_curl_set_text(easy, CURLOPT_USERAGENT, "slm")
        slm_curl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        slm_curl_set_long(easy, CURLOPT_CONNECTTIMEOUT, request.connectSeconds)
        slm_curl_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, 1)
        slm_curl_set_long(easy, CURLOPT_LOW_SPEED_TIME, request.idleSeconds)
        if let body = request.body {
            slm_curl_set_long(easy, CURLOPT_POSTFIELDSIZE, body.count)
            body.withUnsafeBytes { _ = slm_curl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: $0.baseAddress)) }
        }
        let context = Unmanaged.passUnretained(receiver).toOpaque()
        slm_curl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        slm_curl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        slm_curl_set_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Receiver>.fromOpaque(context).takeUnretainedValue().takeHeader(line) ? size * count : 0
        }
        slm_curl_set_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            Unmanaged<Receiver>.fromOpaque(context).takeUnretainedValue().take(UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
    }

    deinit {
        curl_slist_free_all(list)
        reason.deallocate()
    }

    func error(_ code: CURLcode) -> HTTPError {
        let told = String(cString: reason), text = told.isEmpty ? String(cString: curl_easy_strerror(code)) : told
        return switch code {
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .badAddress(reason: text)
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION:
            .unreachable(reason: text)
        default: .broken(reason: text)
        }
    }
}

/// Takes what curl brings.
private final class Receiver {
    private let receive: (HTTPHead, Span<UInt8>) -> Void
    private var head = HTTPHead()
    private var headBytes = 0, hasBegun = false
    private static let mostHeadBytes = 1 << 16

    init(_ receive: @escaping (HTTPHead, Span<UInt8>) -> Void) { self.receive = receive }

    /// False if there are too many.
    func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        headBytes += line.count
        guard headBytes <= Self.mostHeadBytes else { return false }
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {                           // also "100 Continue", which another follows
            head = HTTPHead()
            head.status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        } else if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) {
            head.headers[text[..<colon].lowercased()] = String(decoding: Array(text.utf8[text.utf8.index(after: colon)...]).trimmedHeader, as: UTF8.self)
        }
        return true
    }

    func take(_ bytes: UnsafeRawBufferPointer) {
        hasBegun = true
        receive(head, bytes.bindMemory(to: UInt8.self).span)
    }

    /// An answer without a body has a head, too.
    func finish() {
        if !hasBegun { receive(head, [UInt8]().span) }
    }
}

extension [UInt8] {
    fileprivate var trimmedHeader: ArraySlice<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || 9...13 ~= byte }
        let rest = drop(while: isSpace)
        return rest.dropLast(rest.reversed().prefix(while: isSpace).count)
    }
}
