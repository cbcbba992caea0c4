import Glibc
import HTTPServer
import JSON
import Store
import Synchronization
import Threads

/// Writes a line for each response: when, which request, which route, how it ended. No paths, no queries, no addresses, no texts.
///
///     2026-11-21T12:00:00.123Z 8f03a1c2-1d POST /api/chat 200 1.532s 2311B
///     {"time":"2026-11-21T12:00:00.123Z","request_id":"8f03a1c2-1d","method":"POST","route":"/api/chat","status":200,…}
///
/// The lines are written by a thread of its own, because the other end of a pipe may be slow. If more than 10,000 lines wait, further
/// ones are dropped and counted.
package final class AccessLog: Sendable {
    package enum Format: String, CaseIterable, Sendable { case text, json }

    package struct Settings: Sendable {
        package var format: Format
        /// Receives whole lines with their ends.
        package var output: @Sendable ([UInt8]) -> Void

        package init(_ format: Format, output: @escaping @Sendable ([UInt8]) -> Void = AccessLog.standardError) {
            self.format = format
            self.output = output
        }
    }

    private static let maxWaiting = 10_000
    private let format: Format
    private let lines = Mailbox<[UInt8]?>()
    private let waiting = Atomic(0)
    private let dropped = Atomic(0)

    init(_ settings: Settings) throws(ThreadError) {
        format = settings.format
        try BackgroundThread.run { [lines, weak self] in
            while let line = lines.take() {
                self?.waiting.subtract(1, ordering: .relaxed)
                settings.output(line)
                if let count = self?.dropped.exchange(0, ordering: .relaxed), count > 0 {
                    Log.error("the access log is too slow: \(count) lines are missing")
                }
            }
        }
    }

    deinit { lines.put(nil) }

    /// - Parameter route: The pattern of the route, such as "/api/keys/{id}"; nil if there is none.
    func write(_ completed: HTTPServer.CompletedRequest, route: String?) {
        if waiting.add(1, ordering: .relaxed).newValue > Self.maxWaiting {
            waiting.subtract(1, ordering: .relaxed)
            dropped.add(1, ordering: .relaxed)
            return
        }
        lines.put(line(completed, route))
    }

    private func line(_ completed: HTTPServer.CompletedRequest, _ route: String?) -> [UInt8] {
        let time = Timestamp.now().description
        // A method is any word of the client's choice.
        let method = RequestMetrics.knownMethod(completed.method)
        let route = route ?? RequestMetrics.noRoute
        let seconds = completed.seconds.rounded(toPlaces: 4)
        switch format {
        case .text:
            let end = completed.isDisconnected ? " disconnected" : ""
            return Array(
                "\(time) \(completed.id) \(method) \(route) \(completed.status.rawValue) \(seconds)s \(completed.bytes)B\(end)\n".utf8)
        case .json:
            var writer = JSONWriter()
            writer.object {
                $0["time"] = time
                $0["request_id"] = completed.id
                $0["method"] = method
                $0["route"] = route
                $0["status"] = completed.status.rawValue
                $0["seconds"] = seconds
                $0["bytes"] = completed.bytes
                $0["disconnected"] = completed.isDisconnected
            }
            writer.newline()
            return writer.bytes
        }
    }

    /// Writes to standard error in one call, so that lines of several threads do not mix.
    package static let standardError: @Sendable ([UInt8]) -> Void = { line in
        _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
