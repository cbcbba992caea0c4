import CMicroHTTPD
import Glibc
import Synchronization

/// libmicrohttpd at work.
final class Daemon: Sendable {
    private let core: Core
    /// The address of libmicrohttpd's own, until it is stopped; and the socket that it listens at, until it no longer does.
    private let state: Mutex<(daemon: UInt?, listening: Int32?)>

    init(_ listening: ListeningSocket, _ core: Core) throws(HTTPServerError) {
        let limits = core.settings.limits
        var settings = slm_http_settings()
        settings.listening = listening.descriptor
        settings.threads = UInt32(core.settings.threads)
        settings.connections = UInt32(OpenFiles.room(forConnections: limits.connections))
        settings.idle_seconds = UInt32(limits.silence.components.seconds)
        settings.connection_memory = limits.head
        settings.context = Unmanaged.passUnretained(core).toOpaque()
        settings.admit = { context, address, _ in
            guard let core = Daemon.core(context) else { return .NO }
            return core.connections.mayEnter(PeerAddress(address)) ? .YES : .NO
        }
        settings.notify = { context, connection, place, event in
            guard let core = Daemon.core(context), let connection, let place else { return }
            core.connections.note(ConnectionReference(pointer: connection), place, isNew: event == .CONNECTION_NOTIFY_STARTED)
        }
        settings.begin = { context, target, connection in
            guard let core = Daemon.core(context), let connection, let target else { return nil }
            let reception = Reception(String(cString: target), core, Connections.entry(of: ConnectionReference(pointer: connection)))
            return Unmanaged.passRetained(reception).toOpaque()
        }
        settings.handle = { _, connection, _, method, _, part, size, place in
            guard let connection, let method, let size, let reception = place?.pointee else { return .NO }
            let count = size.pointee
            size.pointee = 0
            let isGoing = Unmanaged<Reception>.fromOpaque(reception).takeUnretainedValue()
                .proceed(
                    ConnectionReference(pointer: connection), method: method,
                    part: UnsafeRawBufferPointer(start: count > 0 ? part : nil, count: count))
            return isGoing ? .YES : .NO
        }
        settings.complete = { _, _, place, _ in
            guard let reception = place?.pointee else { return }
            place?.pointee = nil
            let whole = Unmanaged<Reception>.fromOpaque(reception)
            whole.takeUnretainedValue().end()
            whole.release()
        }
        guard let daemon = slm_http_start(&settings) else {
            close(listening.descriptor)
            throw .system(what: "libmicrohttpd does not start", reason: String(cString: strerror(errno)))
        }
        self.core = core
        state = Mutex((UInt(bitPattern: daemon), listening.descriptor))
    }

    deinit { stop() }

    private static func core(_ context: UnsafeMutableRawPointer?) -> Core? {
        context.map { Unmanaged<Core>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Takes no more connections.
    ///
    /// libmicrohttpd's own way (`MHD_quiesce_daemon`) and its threads may both want to take the socket off their list, and whoever comes
    /// second ends the program.
    /// So a socket that hears nothing takes its number.
    func quiesce() {
        state.withLock { state in
            if let listening = state.listening, ListeningSocket.deafen(listening) { state.listening = nil }
        }
    }

    func stop() {
        let daemon = state.withLock { state in
            defer { state = (nil, nil) }
            return state.daemon
        }
        if let daemon = daemon.flatMap(OpaquePointer.init(bitPattern:)) { MHD_stop_daemon(daemon) }      // it closes the socket, too
    }
}
