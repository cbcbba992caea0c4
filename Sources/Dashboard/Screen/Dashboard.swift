package import AdminAPI
import Files
import Glibc
import Terminal
import Threads

/// The dashboard in the terminal. Requests run on threads of their own, so that keys are handled while the network waits.
///
///     try Dashboard(client).run()                               // until `q` or a signal
package struct Dashboard {
    private let client: AdminClient
    private let inbox: Inbox
    private let refreshInterval: Int
    private let usesColor: Bool
    private let usesMouse: Bool

    /// - Parameter refreshInterval: In milliseconds.
    package init(_ client: AdminClient, refreshInterval: Int, usesColor: Bool, usesMouse: Bool) throws {
        self.client = client
        self.refreshInterval = refreshInterval
        self.usesColor = usesColor
        self.usesMouse = usesMouse
        inbox = try Inbox()
    }

    package func run() throws {
        // Before curses starts, which installs its own handlers only for signals without one. With its own for SIGTSTP it ignores that
        // signal while it draws, and a Ctrl-Z in this moment would be lost.
        let signals = SignalListener([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH])
        var screen = try CursesScreen(usesColor: usesColor, usesMouse: usesMouse)
        let size = screen.resize()
        var state = DashboardState(
            host: client.address.host, refreshInterval: refreshInterval, rows: size.rows, columns: size.columns)
        state.usesMouse = usesMouse
        let fatal = loop(&state, &screen, signals)
        screen.close()
        if let fatal {
            // The shell reports the signal, as if it had not been handled.
            signal(fatal, SIG_DFL)
            raise(fatal)
        }
    }

    /// - Returns: The signal that ended it; nil after `q`.
    private func loop(_ state: inout DashboardState, _ screen: inout CursesScreen, _ signals: SignalListener) -> Int32? {
        var events: [DashboardEvent] = [.tick]
        while true {
            for event in events {
                for effect in state.handle(event, at: UTCTime.millisecondsNow) {
                    switch effect {
                    case .quit: return nil
                    case .redraw: screen.redraw()
                    case .useMouse(let isOn): screen.useMouse(isOn)
                    case .load(let query): load(query)
                    case .perform(let action): perform(action)
                    }
                }
            }
            screen.show(state.grid())
            var sources = [STDIN_FILENO, signals.descriptor, inbox.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            _ = poll(&sources, nfds_t(sources.count), Int32(state.timeToNextEvent(at: UTCTime.millisecondsNow)))
            events = inbox.takeAll()
            while let number = signals.next(within: .zero) {
                switch number {
                case SIGWINCH: break
                case SIGTSTP: screen.suspend()
                case SIGCONT: screen.resume()
                default: return number
                }
                let size = screen.resize()
                events.append(.resized(rows: size.rows, columns: size.columns))
            }
            let keys = screen.keys()
            // The terminal is gone.
            if keys.isEmpty, Int32(sources[0].revents) & (POLLHUP | POLLERR | POLLNVAL) != 0 { return SIGHUP }
            events += keys.map { .key($0) }
            if events.isEmpty { events = [.tick] }
        }
    }

    private func load(_ query: AdminQuery) {
        run { client in
            do throws(AdminError) { return .loaded(query, .success(try client.answer(to: query))) } catch {
                return .loaded(query, .failure(error))
            }
        } otherwise: { .loaded(query, .failure($0)) }
    }

    private func perform(_ action: AdminAction) {
        run { client in
            do throws(AdminError) { return .acted(action, .success(try client.perform(action))) } catch {
                return .acted(action, .failure(error))
            }
        } otherwise: { .acted(action, .failure($0)) }
    }

    private func run(_ work: @escaping @Sendable (AdminClient) -> DashboardEvent, otherwise: (AdminError) -> DashboardEvent) {
        do throws(ThreadError) {
            try BackgroundThread.run { [client, inbox] in inbox.put(work(client)) }
        } catch {
            inbox.put(otherwise(.unreachable(address: client.address.base, reason: "\(error)")))
        }
    }
}

/// Events from other threads. Its descriptor is readable when there are some.
private final class Inbox: Sendable {
    private let events = Mailbox<DashboardEvent>()
    let descriptor: Int32
    private let writeEnd: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw DashboardError.noPipe(reason: systemErrorMessage()) }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(descriptor)
        close(writeEnd)
    }

    func put(_ event: DashboardEvent) {
        events.put(event)
        // A full pipe is readable, too.
        var byte: UInt8 = 1
        _ = write(writeEnd, &byte, 1)
    }

    func takeAll() -> [DashboardEvent] {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(descriptor, &bytes, bytes.count) > 0 {}
        var taken: [DashboardEvent] = []
        while let event = events.takeIfAvailable() { taken.append(event) }
        return taken
    }
}
