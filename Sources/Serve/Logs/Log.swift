import Glibc
import JSON
package import Store
import Synchronization

/// The server's log: start, stop, errors, reloads, migrations. It must never contain messages, passwords, keys or tokens.
///
///     Log.configure(.json)
///     Log.info(.loaded, "loaded first.")       // {"time":"2026-11-21T12:00:00.123Z","level":"info","event":"loaded","message":…}
///
/// There is one for the process, like standard error, to which it writes by default.
package enum Log {
    package enum Level: String, Sendable { case info, error }

    package enum Event: String, Sendable, CaseIterable {
        case migrated, serving, loaded, stopping, stopped, note
        case startFailed = "start_failed", loadFailed = "load_failed"
        /// A request, or work that belongs to none, has failed.
        case failed
    }

    package enum Format: String, CaseIterable, Sendable {
        /// Sentences after the program's name, without the time, which journald adds.
        case plain
        case text, json
    }

    private struct Settings {
        var format = Format.plain
        var output: @Sendable ([UInt8]) -> Void = AccessLog.standardError
    }

    private static let settings = Mutex(Settings())

    /// - Parameter output: Receives whole lines with their ends.
    package static func configure(_ format: Format, output: @escaping @Sendable ([UInt8]) -> Void = AccessLog.standardError) {
        settings.withLock { $0 = Settings(format: format, output: output) }
    }

    package static func info(_ event: Event, _ message: String) { write(Line(level: .info, event: event, message: message)) }

    package static func error(_ event: Event, _ message: String) { write(Line(level: .error, event: event, message: message)) }

    static func error(_ message: String, request: String? = nil) {
        write(Line(level: .error, event: .failed, message: message, requestID: request))
    }

    private static func write(_ line: Line) {
        let settings = settings.withLock { $0 }
        settings.output(line.bytes(settings.format))
    }

    package struct Line: Sendable {
        package var time = Timestamp.now()
        package var level: Level
        package var event: Event
        package var message: String
        package var requestID: String?

        package init(time: Timestamp = .now(), level: Level, event: Event, message: String, requestID: String? = nil) {
            self.time = time
            self.level = level
            self.event = event
            self.message = message
            self.requestID = requestID
        }

        package func bytes(_ format: Format) -> [UInt8] {
            let request = requestID.map { " (request \($0))" } ?? ""
            switch format {
            case .plain: return Array("\(level == .error ? "slm serve: error" : "slm"): \(oneLine)\(request)\n".utf8)
            case .text: return Array("\(time) \(level.rawValue) \(event.rawValue) \(oneLine)\(request)\n".utf8)
            case .json:
                var writer = JSONWriter()
                writer.object {
                    $0["time"] = time.description
                    $0["level"] = level.rawValue
                    $0["event"] = event.rawValue
                    $0["message"] = message
                    if let requestID { $0["request_id"] = requestID }
                }
                writer.newline()
                return writer.bytes
            }
        }

        /// A line end in a message, such as in the name of a file, must not look like another line.
        private var oneLine: String { String(message.map { $0.isNewline ? " " : $0 }) }
    }
}
