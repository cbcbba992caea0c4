import Foundation
import Glibc
import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Tests that read the log take turns, because there is one for the process.
@Suite(.serialized) struct LogTests {
    private let line = Log.Line(
        time: Timestamp(milliseconds: 1_763_726_400_123), level: .error, event: .failed, message: "disk full:\n\"chat.db\"",
        requestID: "8f-1")

    private func text(_ format: Log.Format) -> String { String(decoding: line.bytes(format), as: UTF8.self) }

    @Test func `a line has the time, the level, the event and the id of the request, and is one line`() throws {
        #expect(text(.plain) == "slm serve: error: disk full: \"chat.db\" (request 8f-1)\n")
        #expect(text(.text) == "2025-11-21T12:00:00.123Z error failed disk full: \"chat.db\" (request 8f-1)\n")
        #expect(text(.json) == #"{"time":"2025-11-21T12:00:00.123Z","level":"error","event":"failed","message":"disk full:\n\"chat.db\"","#
            + #""request_id":"8f-1"}"# + "\n")
        let info = Log.Line(level: .info, event: .serving, message: "serving first.")
        #expect(String(decoding: info.bytes(.plain), as: UTF8.self) == "slm: serving first.\n")
        #expect(try JSONElement(parsing: info.bytes(.json))["request_id"] == nil)
    }

    @Test func `a log file that was moved away is continued in a new one`() throws {
        let folder = TemporaryFolder()
        let file = try LogFile(folder("server.log"))
        file.write(Array("one\n".utf8))
        rename(folder("server.log"), folder("server.log.1"))
        file.write(Array("two\n".utf8))
        unlink(folder("server.log"))
        file.write(Array("three\n".utf8))
        // copytruncate of logrotate
        truncate(folder("server.log"), 0)
        file.write(Array("four\n".utf8))
        #expect(try String(contentsOfFile: folder("server.log.1"), encoding: .utf8) == "one\n")
        #expect(try String(contentsOfFile: folder("server.log"), encoding: .utf8) == "four\n")
        #expect(throws: (any Error).self) { try LogFile(folder("none/server.log")) }
    }

    /// The lines of other tests may come in between.
    @Test func `internal errors are logged with the id of their request, and other requests log nothing`() throws {
        let lines = Mailbox<String>(), accesses = Mailbox<String>()
        Log.configure(.text) { lines.put(String(decoding: $0, as: UTF8.self)) }
        defer { Log.configure(.plain) }
        let server = try TestServer {
            $0.accessLog = AccessLog.Settings(.text) { accesses.put(String(decoding: $0, as: UTF8.self)) }
        }
        let ada = try server.account("ada"), connection = try server.connect()
        try server.store.database.write("DROP TABLE api_keys")
        let failed = try #require(connection.ask("GET", "/api/keys", ada)), id = try #require(failed.headers["x-request-id"])
        #expect(failed.status == 500 || failed.status == 503)
        #expect(connection.ask("GET", "/api/health")?.status == 200)
        // Both answers fail; the client gets one response.
        let prompts = ["x", "y"].map { "\"\(String(repeating: $0, count: 70))\"" }.joined(separator: ",")
        #expect(connection.post("/v1/completions", #"{"prompt":[\#(prompts)],"truncation":"disabled"}"#)?.status == 400)
        server.server.stop(within: .zero)
        for _ in 0..<4 { #expect(accesses.take(within: .seconds(20)) != nil) }
        var found: [String] = []
        while let line = lines.take(within: .zero) { found.append(line) }
        let line = found.first { $0.hasSuffix("(request \(id))\n") }
        #expect(line?.contains(" error failed ") == true && line?.contains("api_keys") == true, "\(found)")
        #expect(!found.contains { $0.contains("the access log is too slow") || $0.contains("POST /v1/completions") }, "\(found)")
    }

    @Test func `a promotion is logged with the model that it replaces`() throws {
        let lines = Mailbox<String>()
        Log.configure(.text) { lines.put(String(decoding: $0, as: UTF8.self)) }
        defer { Log.configure(.plain) }
        let models = try RegistryModels("logged-1", "logged-2"), server = try models.server("logged-1")
        try models.promote(models.register("logged-2", on: server), on: server)
        var found: [String] = []
        try eventually {
            while let line = lines.take(within: .zero) { found.append(line) }
            return found.contains { $0.contains("serving logged-2 instead of logged-1") }
        }
        // Without a change, nothing is logged.
        #expect(found.count { $0.contains("instead of logged-1") } == 1, "\(found)")
    }

    @Test func `a reload that fails is logged by its caller alone`() throws {
        let lines = Mailbox<String>(), results = Mailbox<String>()
        Log.configure(.text) { lines.put(String(decoding: $0, as: UTF8.self)) }
        defer { Log.configure(.plain) }
        let models = try RegistryModels("first"), server = try models.server()
        unlink(models.path("first"))
        server.server.load { result in
            switch result {
            case .success(let model): results.put("loaded \(model.name)")
            case .failure(let error): results.put("\(error)")
            }
        }
        let error = try #require(results.take(within: .seconds(20)))
        #expect(error.contains(models.path("first")))
        #expect(try models.answer(server) == "first")
        var found: [String] = []
        while let line = lines.take(within: .zero) { found.append(line) }
        #expect(!found.contains { $0.contains(models.path("first")) }, "\(found)")
    }
}
