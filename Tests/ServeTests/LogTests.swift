import Foundation
import Glibc
import JSON
import Serve
import Store
import TestSupport
import Testing

@Suite struct LogTests {
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
        var parser = JSONParser()
        #expect(try parser.parse(info.bytes(.json))["request_id"] == nil)
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
}
