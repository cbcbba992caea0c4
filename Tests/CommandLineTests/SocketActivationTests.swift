import Checkpoint
import Foundation
import Glibc
import TestSupport
import Testing

/// `slm serve` started as systemd starts it: with a listening socket as descriptor 3 and a socket for notifications.
@Suite struct SocketActivationTests {
    private let folder = TemporaryFolder()

    /// Starts the server and returns its process id.
    private func start(_ held: TestSocket, notify: String) throws -> pid_t {
        // LISTEN_PID has to be the id of the server itself.
        let script = #"cd "$FOLDER"; LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$0" serve "$@" < /dev/null > /dev/null 2> log"#
        let arguments = ["sh", "-c", script, builtProgram("slm"), folder("model.h5")]
            + ["--database", "sqlite:chats.db", "--threads", "1", "--handover", "0.5s"]
        let variables = ["LISTEN_FDS=1", "LISTEN_FDNAMES=http", "NOTIFY_SOCKET=\(notify)", "WATCHDOG_USEC=200000"]
            + ["PATH=/usr/bin:/bin", "FOLDER=\(folder.path)"]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, held.descriptor, 3)
        var process = pid_t()
        let pointers = { (texts: [String]) in texts.map { strdup($0) } + [nil] }
        let argv = pointers(arguments), envp = pointers(variables)
        defer { for pointer in argv + envp { free(pointer) } }
        try #require(posix_spawn(&process, "/bin/sh", &actions, nil, argv, envp) == 0)
        return process
    }

    /// Returns the exit status.
    private func wait(for process: pid_t) -> Int32 {
        var status: Int32 = 0
        waitpid(process, &status, 0)
        return status
    }

    /// The next message other than those for the watchdog.
    private func message(_ manager: TestSocket) -> String? {
        while let message = manager.message() { if message != "WATCHDOG=1" { return message } }
        return nil
    }

    @Test func `a restarted server answers the connections that waited, and reports its state`() throws {
        try OneSentenceModel.checkpoint().write(to: folder("model.h5"))
        let held = TestSocket.listening(), manager = TestSocket.unixDatagram(folder("notify"))
        // Connects before the first server runs.
        var waiting = try #require(RawHTTPConnection(to: held.port))
        for _ in 0..<2 {
            let body = #"{"message":"Hi"}"#
            let headers = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)"
            waiting.send("POST /chat HTTP/1.1\r\n\(headers)\r\n\r\n\(body)")
            let process = try start(held, notify: folder("notify"))
            #expect(message(manager) == "READY=1\nSTATUS=serving model (context 64 tokens)")
            #expect(waiting.answer()?.status == 200)
            let health = try slm("health", "http://127.0.0.1:\(held.port)", "--wait", "20s")
            #expect(health.status == 0 && health.output == "ready (model: ok, engine: ok, database: ok)\n", "\(health.errors)")
            #expect(manager.message() == "WATCHDOG=1")
            kill(process, SIGTERM)
            #expect(message(manager) == "STOPPING=1\nSTATUS=running answers have 30s to finish")
            #expect(wait(for: process) == 0)
            waiting = try #require(RawHTTPConnection(to: held.port))
        }
    }

    @Test func `a descriptor that is no listening socket stops the start`() throws {
        try OneSentenceModel.checkpoint().write(to: folder("model.h5"))
        let process = try start(.datagram(), notify: folder("notify"))
        #expect(wait(for: process) >> 8 == 1)
        let log = try String(contentsOfFile: folder("log"), encoding: .utf8)
        #expect(log.contains("descriptor 3 (http): expected a stream socket"), "\(log)")
    }
}
