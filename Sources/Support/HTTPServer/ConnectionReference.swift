import CMicroHTTPD

/// A connection of libmicrohttpd. It is valid until its request is completed.
///
/// It may be sent between threads: `MHD_resume_connection` may be called from any thread, and the rest is called on the thread of the
/// connection.
struct ConnectionReference: @unchecked Sendable {
    let pointer: OpaquePointer

    func suspend() { MHD_suspend_connection(pointer) }
    func resume() { MHD_resume_connection(pointer) }

    /// What a body reader returns instead of a byte count.
    static let readerFinished = -1
    static let readerFailed = -2

    var descriptor: Int32 { slm_http_descriptor(pointer) }
    var address: PeerAddress { PeerAddress(slm_http_address(pointer)) }

    /// With lowercase names.
    var headers: [(name: String, value: String)] {
        var list: [(name: String, value: String)] = []
        withUnsafeMutablePointer(to: &list) { list in
            _ = MHD_get_connection_values(pointer, .HEADER_KIND, { context, _, name, value in
                guard let name, let list = context?.assumingMemoryBound(to: [(name: String, value: String)].self) else { return .YES }
                list.pointee.append((String(cString: name).lowercased(), value.map { String(cString: $0) } ?? ""))
                return .YES
            }, list)
        }
        return list
    }

    func send(_ response: Response, closing: Bool) -> Bool {
        let mhdResponse: OpaquePointer? = switch response.body {
        case .bytes(let bytes):
            bytes.withUnsafeBytes {
                MHD_create_response_from_buffer($0.count, UnsafeMutableRawPointer(mutating: $0.baseAddress), .RESPMEM_MUST_COPY)
            }
        case .stream(let stream): Self.mhdResponse(reading: stream, for: self)
        }
        guard let mhdResponse else { return false }
        defer { MHD_destroy_response(mhdResponse) }
        for header in response.headers { MHD_add_response_header(mhdResponse, header.name, header.value) }
        if closing { MHD_add_response_header(mhdResponse, "Connection", "close") }
        return MHD_queue_response(pointer, UInt32(response.status.rawValue), mhdResponse) == .YES
    }

    /// The context of libmicrohttpd's callback for a streamed body.
    private final class Reader {
        let stream: ResponseStream
        let connection: ConnectionReference

        init(_ stream: ResponseStream, _ connection: ConnectionReference) {
            self.stream = stream
            self.connection = connection
        }
    }

    private static func mhdResponse(reading stream: ResponseStream, for connection: ConnectionReference) -> OpaquePointer? {
        let reader = Unmanaged.passRetained(Reader(stream, connection))
        let response = MHD_create_response_from_callback(slm_http_unknown_size, 4_096, { context, _, memory, capacity in
            guard let context, let memory else { return ConnectionReference.readerFailed }
            let reader = Unmanaged<Reader>.fromOpaque(context).takeUnretainedValue()
            return reader.stream.read(into: UnsafeMutableRawBufferPointer(start: memory, count: capacity), for: reader.connection)
        }, reader.toOpaque(), { context in
            if let context { Unmanaged<Reader>.fromOpaque(context).release() }
        })
        if response == nil { reader.release() }
        return response
    }
}
