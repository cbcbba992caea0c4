import CMicroHTTPD
import Glibc
import Synchronization

/// A running MHD_Daemon of libmicrohttpd.
final class Daemon: Sendable {
    private struct Handles {
        /// The address of the MHD_Daemon; nil once it is stopped.
        var daemon: UInt?
        /// The listening socket; nil once it no longer listens.
        var listening: Int32?
    }

    private let state: HTTPServerState
    private let handles: Mutex<Handles>

    init(_ listening: ListeningSocket, _ state: HTTPServerState) throws(HTTPServerError) {
        let limits = state.settings.limits
        var settings = slm_http_settings()
        settings.listening = listening.descriptor
        settings.threads = UInt32(state.settings.threads)
        settings.connections = UInt32(FileDescriptorLimit.raise(forConnections: limits.connections))
        settings.idle_seconds = UInt32(limits.idleTimeout.components.seconds)
        settings.connection_memory = limits.head
        settings.context = Unmanaged.passUnretained(state).toOpaque()
        settings.admit = { context, address, _ in
            guard let state = Daemon.state(context) else { return .NO }
            return state.connections.admits(PeerAddress(address)) ? .YES : .NO
        }
        settings.notify = { context, connection, socketContext, event in
            guard let state = Daemon.state(context), let connection, let socketContext else { return }
            if event == .CONNECTION_NOTIFY_STARTED {
                state.connections.add(ConnectionReference(pointer: connection), socketContext)
            } else {
                state.connections.remove(socketContext)
            }
        }
        settings.begin = { context, target, connection in
            guard let state = Daemon.state(context), let connection, let target else { return nil }
            let entry = Connections.entry(of: ConnectionReference(pointer: connection))
            return Unmanaged.passRetained(IncomingRequest(String(cString: target), state, entry)).toOpaque()
        }
        settings.handle = { _, connection, _, method, _, part, size, requestContext in
            guard let connection, let method, let size, let request = requestContext?.pointee else { return .NO }
            let count = size.pointee
            size.pointee = 0
            let isOpen = Unmanaged<IncomingRequest>.fromOpaque(request).takeUnretainedValue().proceed(
                ConnectionReference(pointer: connection),
                method: method,
                part: UnsafeRawBufferPointer(start: count > 0 ? part : nil, count: count))
            return isOpen ? .YES : .NO
        }
        settings.complete = { _, _, requestContext, _ in
            guard let pointer = requestContext?.pointee else { return }
            requestContext?.pointee = nil
            let request = Unmanaged<IncomingRequest>.fromOpaque(pointer)
            request.takeUnretainedValue().end()
            request.release()
        }
        guard let daemon = slm_http_start(&settings) else {
            close(listening.descriptor)
            throw .system(call: "MHD_start_daemon", reason: String(cString: strerror(errno)))
        }
        self.state = state
        handles = Mutex(Handles(daemon: UInt(bitPattern: daemon), listening: listening.descriptor))
    }

    deinit { stop() }

    private static func state(_ context: UnsafeMutableRawPointer?) -> HTTPServerState? {
        context.map { Unmanaged<HTTPServerState>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Accepts no more connections.
    ///
    /// `MHD_quiesce_daemon` races with libmicrohttpd's threads: both may remove the socket from the epoll set, and the second one aborts
    /// the process. So the descriptor is replaced by a socket that does not listen.
    func stopAccepting() {
        handles.withLock { handles in
            if let listening = handles.listening, ListeningSocket.stopListening(listening) { handles.listening = nil }
        }
    }

    func stop() {
        let daemon = handles.withLock { handles in
            defer { handles = Handles() }
            return handles.daemon
        }
        // This closes the listening socket, too.
        if let daemon = daemon.flatMap(OpaquePointer.init(bitPattern:)) { MHD_stop_daemon(daemon) }
    }
}
