import Glibc

/// Reports the state of this process to the service manager that started it, with systemd's protocol sd_notify(3). Does nothing if the
/// process was started otherwise.
///
///     let notifier = ServiceNotifier(environment)
///     notifier.ready("serving first")
package struct ServiceNotifier: Sendable {
    /// The address of the manager's datagram socket: a path, or a name that begins with NUL in the abstract namespace. nil for none.
    private let address: [UInt8]?
    /// The service manager stops a process that does not send `alive` within this time; nil for any time.
    package let watchdogTimeout: Duration?

    /// - Parameter environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read.
    package init(_ environment: [String: String], process: Int32 = getpid()) {
        address = Self.address(environment["NOTIFY_SOCKET"] ?? "")
        let isWatched = environment["WATCHDOG_PID"].map { $0 == "\(process)" } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        watchdogTimeout = isWatched && microseconds > 0 && address != nil ? .microseconds(microseconds) : nil
    }

    /// - Parameter status: One line for the administrator, shown by `systemctl status`.
    /// - Returns: Whether the manager has received it.
    @discardableResult
    package func ready(_ status: String) -> Bool { send("READY=1\n" + Self.line(status)) }

    @discardableResult
    package func stopping(_ status: String) -> Bool { send("STOPPING=1\n" + Self.line(status)) }

    @discardableResult
    package func status(_ status: String) -> Bool { send(Self.line(status)) }

    /// Must be called more often than `watchdogTimeout`; half of it is usual.
    @discardableResult
    package func alive() -> Bool { watchdogTimeout != nil && send("WATCHDOG=1", waitsFor: .zero) }

    private static func line(_ status: String) -> String { "STATUS=" + status.split(whereSeparator: \.isNewline).joined(separator: " ") }

    private static func address(_ text: String) -> [UInt8]? {
        var bytes = Array(text.utf8)
        guard let first = bytes.first, [UInt8(ascii: "/"), UInt8(ascii: "@")].contains(first), bytes.count > 1 else { return nil }
        if first == UInt8(ascii: "@") { bytes[0] = 0 }
        return bytes.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) ? bytes : nil
    }

    /// - Parameter time: How long to wait for a manager that has many messages to read. A server must not hang because its manager does.
    private func send(_ message: String, waitsFor time: Duration = .seconds(1)) -> Bool {
        guard let address else { return false }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: Int(time.components.seconds), tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let flags = Int32(MSG_NOSIGNAL) | (time == .zero ? Int32(MSG_DONTWAIT) : 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: address) }
        // The length of an abstract name is that of the address. A path ends with NUL, too.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + address.count + (address[0] == 0 ? 0 : 1))
        let bytes = Array(message.utf8)
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, flags, $0, length) == bytes.count
            }
        }
    }
}
