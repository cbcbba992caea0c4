import Foundation
import JSON
import Serve
import Store
import TestSupport
import Testing

/// OpenAI's files and vector stores, and the tool `file_search` of its Responses API. The openai client uses them in check_libraries.py.
@Suite struct VectorStoreTests {
    private let backend = RecordingBackend(context: 1_000)
    private let server: TestServer
    private let key: [String: String]

    init() throws {
        server = try TestServer(backend)
        let ada = try server.account("ada")
        let text = try #require(try server.connect().post("/api/keys", #"{"name":"k"}"#, ada)?.json()["key"]?.string)
        key = ["Authorization": "Bearer \(text)"]
    }

    private func ask(_ method: String, _ path: String, _ body: String? = nil, _ headers: [String: String] = [:]) throws
        -> RawHTTPConnection.Answer {
        try server.ask(method, path, body, key.merging(headers) { $1 })
    }

    private static let form = ["Content-Type": "multipart/form-data; boundary=\"--b\""]

    private static func form(_ name: String, _ text: String) -> String {
        """
        ignored\r\n----b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n----b\r\n\
        Content-Type: text/plain\r\ncontent-disposition: form-data; name="file"; filename="\(name)"\r\n\r\n\(text)\r\n----b--\r\n
        """
    }

    private func upload(_ name: String, _ text: String) throws -> String {
        let answer = try ask("POST", "/v1/files", Self.form(name, text), Self.form)
        return try #require(try answer.json()["id"]?.string, "\(answer.text)")
    }

    private func items(_ path: String) throws -> [JSONElement] { try #require(try ask("GET", path).json()["data"]?.list) }

    /// A store whose files were read.
    private func makeStore(_ files: [String]) throws -> String {
        let ids = files.map { "\"\($0)\"" }.joined(separator: ",")
        let id = try #require(try ask("POST", "/v1/vector_stores", #"{"name":"Garden","file_ids":[\#(ids)]}"#).json()["id"]?.string)
        for _ in 0..<1_000 {
            if try ask("GET", "/v1/vector_stores/\(id)").json()["status"]?.string == "completed" { return id }
            usleep(20_000)
        }
        Issue.record("the files were not read")
        return id
    }

    @Test func `files are stored, listed, read and deleted`() throws {
        let first = try upload("notes/a \\\"b%22.md", "# A\r\n--text\r\n")
        usleep(2_000)        // files of the same millisecond have no order
        let second = try upload("b.md", "B")
        let shown = try ask("GET", "/v1/files/\(first)").json()
        #expect(shown["filename"]?.string == "a \"b\".md" && shown["bytes"]?.integer == 13 && shown["object"]?.string == "file")
        #expect(try ask("GET", "/v1/files/\(first)/content").text == "# A\r\n--text\r\n")
        #expect(try items("/v1/files").map { $0["id"]?.string } == [second, first])
        let quoted = try upload("\\\"x\\\".md", "C")
        #expect(try ask("GET", "/v1/files/\(quoted)").json()["filename"]?.string == #""x".md"#)
        #expect(try ask("DELETE", "/v1/files/\(quoted)").status == 200)
        #expect(try items("/v1/files?order=asc&limit=1").map { $0["id"]?.string } == [first])
        #expect(try items("/v1/files?order=asc&after=\(first)").map { $0["id"]?.string } == [second])
        #expect(try ask("DELETE", "/v1/files/\(first)").json()["deleted"]?.boolean == true)
        #expect(try ask("GET", "/v1/files/\(first)").status == 404 && ask("DELETE", "/v1/files/\(first)").status == 404)
        // Without an account, there are no files.
        #expect(try #require(server.connect().ask("GET", "/v1/files")).status == 401)
    }

    @Test func `a vector store finds passages of its files`() throws {
        let pump = try upload("pump.md", "# Pump\n## Reset\nHold the red button.\n"), noise = try upload("x.bin", "\u{0}\u{1}")
        let store = try makeStore([pump, noise]), path = "/v1/vector_stores/\(store)"
        let counts = try ask("GET", path).json()["file_counts"]
        #expect(counts?["completed"]?.integer == 1 && counts?["failed"]?.integer == 1 && counts?["total"]?.integer == 2)
        let failed = try ask("GET", "\(path)/files/\(noise)").json()
        #expect(failed["status"]?.string == "failed" && failed["last_error"]?["message"]?.string == "Not a text.")
        let found = try ask("POST", "\(path)/search", #"{"query":"reset","max_num_results":3}"#).json()
        let result = try #require(found["data"]?.list?.first)
        #expect(result["file_id"]?.string == pump && result["filename"]?.string == "pump.md" && result["score"]?.number == 1)
        #expect(result["content"]?.list?.first?["text"]?.string == "Hold the red button.")
        #expect(try items("\(path)/files/\(pump)/content").map { $0["text"]?.string } == ["Hold the red button."])
        #expect(try items("\(path)/files").count == 2 && items("/v1/vector_stores").map { $0["name"]?.string } == ["Garden"])
        #expect(try ask("POST", path, #"{"name":"Yard"}"#).json()["name"]?.string == "Yard")
        #expect(try ask("DELETE", "\(path)/files/\(noise)").json()["deleted"]?.boolean == true)
        #expect(try ask("DELETE", path).json()["object"]?.string == "vector_store.deleted" && ask("GET", path).status == 404)
        #expect(try ask("GET", "/v1/files/\(pump)").status == 200)
        for (path, body) in [
            ("/v1/vector_stores", #"{"expires_after":{"days":1}}"#), ("/v1/vector_stores", #"{"file_ids":["x"]}"#),
            ("\(path)/search", #"{"query":"x","filters":{}}"#), ("\(path)/search", #"{"query":"x","max_num_results":51}"#),
        ] { #expect(try [400, 404].contains(ask("POST", path, body).status), "\(path) \(body)") }
    }

    @Test func `a batch adds files to a vector store, and says which have been read`() throws {
        let pump = try upload("pump.md", "Hold the red button.\n"), noise = try upload("x.bin", "\u{0}\u{1}")
        let store = try makeStore([pump]), path = "/v1/vector_stores/\(store)/file_batches"
        usleep(2_000)
        let added = try ask("POST", path, #"{"file_ids":["\#(noise)","\#(pump)"]}"#)
        let id = try #require(try added.json()["id"]?.string, "\(added.text)")
        var batch = try added.json()
        for _ in 0..<1_000 where batch["status"]?.string == "in_progress" {
            usleep(20_000)
            batch = try ask("GET", "\(path)/\(id)").json()
        }
        #expect(batch["status"]?.string == "completed" && batch["vector_store_id"]?.string == store)
        let counts = batch["file_counts"]
        #expect(counts?["completed"]?.integer == 1 && counts?["failed"]?.integer == 1 && counts?["total"]?.integer == 2)
        #expect(try Set(items("\(path)/\(id)/files").map { $0["id"]?.string }) == [pump, noise])
        #expect(try ask("GET", "/v1/vector_stores/\(store)").json()["file_counts"]?["total"]?.integer == 2)
        // All files of a batch are added, or none.
        let other = try makeStore([]), wrong = "/v1/vector_stores/\(other)/file_batches"
        for body in [#"{"file_ids":["\#(pump)","file-0123456789abcdefghjkmnpqrs"]}"#, #"{"file_ids":[]}"#, "{}", #"{"file_ids":[7]}"#] {
            #expect(try [400, 404].contains(ask("POST", wrong, body).status), "\(body)")
        }
        for batch in [id, "vsfb_", "vsfb_x", "vsfb_99999999999999999999", pump] {
            #expect(try ask("GET", "\(wrong)/\(batch)").status == 404 && ask("GET", "\(wrong)/\(batch)/files").status == 404, "\(batch)")
        }
        #expect(try items("/v1/vector_stores/\(other)/files").isEmpty)
    }

    @Test func `the tool file_search puts passages into the prompt and cites them`() throws {
        let store = try makeStore([try upload("pump.md", "# Pump\n## Reset\nHold the red button.\n")])
        let tools = #""tools":[{"type":"file_search","vector_store_ids":["\#(store)"]}]"#
        let answer = try ask("POST", "/v1/responses", #"{"input":"How do I reset it?","include":["file_search_call.results"],\#(tools)}"#)
        let output = try #require(try answer.json()["output"]?.list, "\(answer.text)")
        #expect(output.count == 2 && output[0]["type"]?.string == "file_search_call" && output[0]["status"]?.string == "completed")
        #expect(output[0]["results"]?.list?.first?["text"]?.string == "Hold the red button.")
        #expect(backend.prompts.last?.last?.contains("[1] Hold the red button.\n(pump.md, Pump > Reset)") == true)
        // The next request of the conversation repeats the items.
        let previous = try #require(try answer.json()["id"]?.string)
        let next = try ask("POST", "/v1/responses", #"{"input":"And now?","previous_response_id":"\#(previous)"}"#)
        #expect(next.status == 200 && backend.prompts.last?.last == "user: And now?", "\(next.text)")
        // The result of a tool is no question.
        let items = #"{"role":"user","content":"reset"},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"}"#
            + #",{"type":"function_call_output","call_id":"1","output":"done"}"#
        let continued = try ask("POST", "/v1/responses", #"{"input":[\#(items)],\#(tools)}"#).json()
        #expect(continued["output"]?.elements.map { $0.map { $0["type"]?.string } } == ["message"], "\(continued)")
        let stream = try ask("POST", "/v1/responses", #"{"input":"reset","stream":true,\#(tools)}"#)
        let types = try stream.data.map { try JSONElement(parsing: $0)["type"]?.string ?? "" }
        #expect(types.prefix(7) == [
            "response.created", "response.in_progress", "response.output_item.added", "response.file_search_call.in_progress",
            "response.file_search_call.searching", "response.file_search_call.completed", "response.output_item.done",
        ])
        #expect(types.last == "response.completed")
        for body in [
            #"{"input":"x","tools":[{"type":"file_search","vector_store_ids":[]}]}"#,
            #"{"input":"x","tools":[{"type":"file_search","vector_store_ids":["vs_x"]}]}"#,
            #"{"input":"x","tools":[{"type":"web_search"}]}"#,
            #"{"input":"x","tools":[{"type":"file_search","vector_store_ids":["\#(store)"],"max_num_results":0}]}"#,
        ] { #expect(try [400, 404].contains(ask("POST", "/v1/responses", body).status), "\(body)") }
        let none = try ask("POST", "/v1/responses", #"{"input":"reset","tool_choice":"none",\#(tools)}"#)
        #expect(try none.status == 200 && none.json()["output"]?.list?.count == 1)
    }

    @Test func `a request says how many passages are put into the prompt`() throws {
        let text = (1...8).map { "# Part \($0)\nTo reset part \($0), hold button \($0).\n" }.joined(separator: "\n")
        let store = try makeStore([try upload("parts.md", text)])
        let result = #""include":["file_search_call.results"],"input":"How do I reset a part?""#
        for (limit, count) in [("", 4), (#","max_num_results":2"#, 2), (#","max_num_results":6"#, 6)] {
            let tools = #""tools":[{"type":"file_search","vector_store_ids":["\#(store)"]\#(limit)}]"#
            let answer = try ask("POST", "/v1/responses", "{\(result),\(tools)}")
            let search = try answer.json()["output"]?.list?.first
            #expect(search?["results"]?.list?.count == count, "\(answer.text)")
        }
        let question = #""messages":[{"role":"user","content":"How do I reset a part?"}]"#
        let body = #"{\#(question),"documents":["\#(store.dropFirst(3))"],"max_passages":1}"#
        let sources = try ask("POST", "/v1/chat/completions", body).json()["sources"]
        #expect(sources?["passages"]?.list?.count == 1)
        // Of all stores that were chosen.
        let other = try makeStore([upload("valve.md", "Reset the part of the valve.\n")])
        let both = [store, other, store].map { "\"\($0.dropFirst(3))\"" }.joined(separator: ",")
        let found = try ask("POST", "/v1/chat/completions", #"{\#(question),"documents":[\#(both)],"max_passages":20}"#).json()["sources"]
        let files = found?["passages"]?.elements.map { $0.compactMap { $0["file"]?.string } } ?? []
        #expect(files.contains("valve.md") && Set(files).count > 1, "\(files)")
    }

    @Test func `damaged forms are refused or stored whole`() throws {
        let seed = Array(Self.form("a.md", "text\r\n--b\r\n----c").utf8)
        let words = ["\r\n", "----b", "--", "\"", ";", "name=", "filename=", "\\", "\r\n\r\n", "%22", "file", "\0", "é"]
        var mutator = Mutator(seed: 7, words: words), stored = 0
        for round in 0..<fuzzRounds(default: 500) {
            var bytes = seed
            for _ in 0...mutator.random.below(3) { mutator.damage(&bytes) }
            let answer = try ask("POST", "/v1/files", String(decoding: bytes, as: UTF8.self), Self.form)
            #expect([200, 400].contains(answer.status), "round \(round): \(answer.status) \(answer.text)")
            guard answer.status == 200 else { continue }
            stored += 1
            let id = try #require(try answer.json()["id"]?.string)
            #expect(try ask("GET", "/v1/files/\(id)/content").body.count == answer.json()["bytes"]?.integer)
        }
        #expect(stored > 10)
    }

    @Test(arguments: ["text/plain", "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\""])
    func `a body that is no form is refused`(_ type: String) throws {
        #expect(try ask("POST", "/v1/files", Self.form("a", "b"), ["Content-Type": type]).status == 415)
    }
}
