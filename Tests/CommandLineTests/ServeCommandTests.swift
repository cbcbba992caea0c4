import Checkpoint
import Files
import Formats
import Foundation
import JSON
import Kernels
import Testing
import TestSupport

/// `slm serve` as a process.
@Suite struct ServeCommandTests {
    private let folder = TemporaryFolder()

    private func writeRun(_ name: String, _ text: String, log: String) throws {
        try FileManager.default.createDirectory(atPath: folder("checkpoints/\(name)"), withIntermediateDirectories: true)
        try OneSentenceModel.checkpoint(saying: text).write(to: folder("checkpoints/\(name)/best.h5"))
        folder.write(log, to: "checkpoints/\(name)/log.jsonl")
    }

    @Test func `a model that cannot be read is reported before any address`() throws {
        folder.write("no model", to: "damaged.h5")
        let outcome = try slm(["serve", "damaged.h5", "--port", "0", "--database", "sqlite:chats.db"], in: folder(""))
        #expect(outcome.status == 1 && outcome.output == "" && outcome.errors.contains("damaged.h5"))
    }

    @Test func `a run in progress is served when it has finished`() throws {
        try writeRun("first", "one", log: #"{"event":"finished","step":1}"# + "\n")
        let unfinished = #"{"event":"evaluated","step":1,"tokens":1,"seconds":1,"best":1}"# + "\n"
        try writeRun("finetuned_second", "two", log: unfinished)
        let server = try ServerProcess(["--reload"], in: folder(""))
        #expect(server.waits(for: "serving first "))
        folder.write(unfinished + #"{"event":"finished","step":2}"# + "\n", to: "checkpoints/finetuned_second/log.jsonl")
        #expect(server.waits(for: "loaded finetuned_second."))
    }

    @Test func `a run in progress is served if it is named`() throws {
        try writeRun("first", "one", log: #"{"event":"step","step":1,"loss":1,"gradient_norm":1,"lr":1,"tokens":1,"seconds":1}"# + "\n")
        #expect(try ServerProcess(["checkpoints/first/best.h5", "--reload"], in: folder("")).waits(for: "serving first "))
    }

    @Test func `a Hugging Face folder and a GGUF file are served, and reloaded when they change`() throws {
        func write(_ seed: Float) throws {
            let model = try SampleFamily.qwen2.checkpoint()
            model.weights["norm.weight"]?.values.write { $0[0] = seed }
            try HuggingFace.write(model, to: folder("Qwen2.5-tiny"), as: .bf16)
            try model.writeGGUF(to: folder("tiny.gguf"), as: .q4_0)
        }
        try write(1)
        for (path, name) in [("Qwen2.5-tiny/", "Qwen2.5-tiny"), ("tiny.gguf", "tiny")] {
            let server = try ServerProcess([path], in: folder(""))
            #expect(server.waits(for: "serving \(name) "))
            try write(2)
            kill(server.process.processIdentifier, SIGHUP)
            #expect(server.waits(for: "loaded \(name)."))
            // A file that cannot be read leaves the model that is served in place.
            try FileManager.default.removeItem(atPath: folder(path == "tiny.gguf" ? path : path + "model.safetensors"))
            kill(server.process.processIdentifier, SIGHUP)
            #expect(server.waits(for: "cannot be read"))
            #expect(server.process.isRunning)
            try write(1)
        }
    }

    @Test func `the logs are JSON lines in a file, without texts of chats`() throws {
        try writeRun("first", "one", log: "")
        let options = ["--log-format", "json", "--access-log", "json", "--log-file", folder("server.log")]
        let server = try ServerProcess(options, in: folder(""))
        let port = try server.port()
        let connection = try #require(RawHTTPConnection(to: port))
        #expect(connection.ask("GET", "/api/conversations/a-secret")?.status == 401)
        let headers = ["Content-Type": "application/json"]
        #expect(connection.ask("POST", "/api/chat/guest", headers, body: #"{"message":"a secret"}"#)?.status == 200)
        // The address, which was read above, is printed before it is logged.
        for _ in 0..<3_000 where try !InputFile.contents(of: folder("server.log")).contains(Array("serving".utf8)) { usleep(10_000) }
        server.process.terminate()
        server.process.waitUntilExit()
        var parser = JSONParser()
        var events: [String] = [], routes: [String] = []
        for line in try LineBlocks.nonEmptyLines(of: folder("server.log")) {
            let entry = try parser.parse(line)
            #expect(entry["time"]?.string?.hasSuffix("Z") == true && !line.contains("secret"), "\(line)")
            if let event = entry["event"]?.string, entry["level"]?.string == "info" { events.append(event) }
            if let route = entry["route"]?.string, entry["request_id"]?.string != nil { routes.append(route) }
        }
        // The first start of a database also notes the new signing key.
        #expect(events.filter { $0 != "note" } == ["serving", "stopping", "stopped"])
        #expect(routes == ["/api/conversations/{id}", "/api/chat/guest"])
        let failed = try slm(["serve", "none.h5", "--port", "0", "--log-format", "json"], in: folder(""))
        let event = try parser.parse(failed.errors.split(separator: "\n").last.map(String.init) ?? "")["event"]?.string
        #expect(failed.status == 1 && event == "start_failed", "\(failed.errors)")
    }

    @Test func `the server survives when the reader of its output goes away`() throws {
        try writeRun("first", "one", log: "")
        let server = try ServerProcess(["--access-log", "text"], in: folder(""))
        let port = try server.port()
        #expect(server.waits(for: "serving first "))
        try server.stopReading()
        for _ in 0..<3 { #expect(try #require(RawHTTPConnection(to: port)).ask("GET", "/api/health")?.status == 200) }
        // A client that goes away while its answer is being sent.
        for _ in 0..<20 {
            let connection = try #require(RawHTTPConnection(to: port))
            connection.send("GET /web/main.js HTTP/1.1\r\nHost: localhost\r\n\r\nGET /web/main.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        }
        #expect(try #require(RawHTTPConnection(to: port)).ask("GET", "/api/ready")?.status == 200)
        #expect(server.process.isRunning)
    }
}
