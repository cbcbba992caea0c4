import Documents
import Glibc
import JSON
import Serve
import TestSupport
import Testing

/// The routes of documents: who may use them, and indexes that change while the server runs.
@Suite struct DocumentRouteTests {
    private func names(_ server: TestServer, _ headers: [String: String] = [:]) throws -> [String] {
        let answer = try #require(server.connect().ask("GET", "/api/documents", headers))
        return try answer.json()["documents"]?.elements.map { $0.compactMap { $0["name"]?.string } } ?? ["status \(answer.status)"]
    }

    private func search(_ server: TestServer, _ body: String, _ headers: [String: String] = [:]) throws -> RawHTTPConnection.Answer {
        try #require(server.connect().post("/api/documents/search", body, headers))
    }

    @Test func `documents are listed and searched`() throws {
        let documents = try DocumentServer(), server = documents.server
        let listed = try #require(server.connect().ask("GET", "/api/documents"))
        #expect(listed.text == #"{"documents":[{"id":"notes","name":"notes","files":2,"passages":2}]}"#)
        let found = try search(server, #"{"query":"how do I reset the pump?"}"#)
        #expect(try found.status == 200 && found.json().passageTexts == ["Hold the red button."])
        #expect(try search(server, #"{"query":"pump valve"}"#).json().passageTexts.count == 2)
        #expect(try search(server, #"{"query":"pump valve","limit":1,"documents":["notes"]}"#).json().passageTexts.count == 1)
        #expect(try search(server, #"{"query":"zither"}"#).json().passageTexts == [])
        for (body, field) in [
            (#"{}"#, "query"), (#"{"query":" "}"#, "query"),
            (#"{"query":"x","limit":51}"#, "limit"), (#"{"query":"x","limit":0}"#, "limit"),
            (#"{"query":"x","documents":{}}"#, "documents"), (#"{"query":"x","index":"notes"}"#, "index"),
        ] {
            let answer = try search(server, body)
            #expect(answer.status == 422 && answer.error.field == field, "\(body): \(answer.text)")
        }
        #expect(try search(server, #"{"query":"x","documents":["notes","x"]}"#).status == 404)
        let none = try TestServer()
        #expect(try names(none) == [] && search(none, #"{"query":"x"}"#).json().passageTexts == [])
    }

    @Test func `documents are for those who may chat`() throws {
        let documents = try DocumentServer { $0.allowsGuests = false }, server = documents.server
        let ada = try server.account("ada"), bad = ["Authorization": "Bearer x"]
        #expect(try names(server) == ["status 401"] && names(server, bad) == ["status 401"] && names(server, ada) == ["notes"])
        #expect(try search(server, #"{"query":"pump"}"#).status == 401 && search(server, #"{"query":"pump"}"#, ada).status == 200)
        // Where guests may chat, a session that has ended does not make its owner a guest.
        let open = try DocumentServer().server
        #expect(try names(open) == ["notes"] && names(open, bad) == ["status 401"])
        let key = try #require(try server.connect().post("/api/keys", #"{"name":"k"}"#, ada)?.json()["key"]?.string)
        #expect(try names(server, ["Authorization": "Bearer \(key)"]) == ["status 403"])
    }

    @Test func `searches are limited`() throws {
        let documents = try DocumentServer { $0.searchesPerMinute = 2 }, server = documents.server
        let chat = #"{"messages":[{"role":"user","content":"pump"}],"documents":["notes"]}"#
        #expect(try search(server, #"{"query":"pump"}"#).status == 200 && documents.post("/v1/chat/completions", chat).status == 200)
        #expect(try server.ask("GET", "/api/documents/notes/passages?file=pump.md").status == 429)
        #expect(try search(server, #"{"query":"pump"}"#).status == 429 && documents.post("/v1/chat/completions", chat).status == 429)
        // The tool `file_search` searches before the model answers.
        let tools = #""tools":[{"type":"file_search","vector_store_ids":["notes"]}]"#
        #expect(try documents.post("/v1/responses", #"{"input":"pump",\#(tools)}"#).status == 429)
        #expect(try documents.post("/v1/responses", #"{"input":"pump"}"#).status == 200)
    }

    @Test func `an index that is updated or replaced is searched without a restart`() throws {
        let documents = try DocumentServer(), server = documents.server
        func found() throws -> [String] { try search(server, #"{"query":"gauge"}"#).json().passageTexts }
        #expect(try found() == [])
        documents.folder.write("The gauge.\n", to: "notes/gauge.txt")
        try IndexBuilder(reader: DocumentReader(programs: "")).update(documents.index)
        #expect(try found() == ["The gauge."])
        documents.folder.write("The new gauge.\n", to: "notes/gauge.txt")
        try DocumentServer.build(documents.folder("notes"), at: documents.index)
        #expect(try found() == ["The new gauge."])
    }

    @Test func `an index that disappears is an error of the requests that need it`() throws {
        let documents = try DocumentServer(), server = documents.server, ada = try server.account("ada")
        try DocumentServer.build(documents.folder("notes/pump.md"), at: documents.folder("moved.index"))
        unlink(documents.index)
        let chat = try documents.post("/api/chat", #"{"message":"pump","documents":["notes"]}"#, ada)
        #expect(chat.status == 503 && chat.error.code == "documents_unavailable")
        #expect(chat.error.message == "The documents notes cannot be read at the moment." && !chat.text.contains(documents.folder.path))
        let listed = try #require(server.connect().ask("GET", "/api/conversations", ada))
        #expect(listed.text.contains(#""conversations":[]"#), "a message that is not answered was stored: \(listed.text)")
        #expect(try documents.post("/api/chat", #"{"message":"pump"}"#, ada).status == 200)
        #expect(try #require(server.connect().ask("GET", "/api/documents")).text
            == #"{"documents":[{"id":"notes","name":"notes","files":null,"passages":null}]}"#)
        documents.folder.write("no index", to: "notes.index")
        #expect(try search(server, #"{"query":"pump"}"#).status == 503)
        rename(documents.folder("moved.index"), documents.index)
        #expect(try search(server, #"{"query":"pump"}"#).json().passageTexts == ["Hold the red button."])
    }

    @Test func `no route shows folders of the server's machine`() throws {
        let documents = try DocumentServer(), server = documents.server, ada = try server.account("ada")
        documents.folder.write("The gauge.\n", to: "gauge.txt")
        try IndexBuilder(reader: DocumentReader(programs: "")).build(
            [documents.folder("notes"), documents.folder("gauge.txt")], at: documents.index)
        let found = try search(server, #"{"query":"gauge valve pump"}"#)
        #expect(try found.json()["passages"]?.elements.map { $0.compactMap { $0["file"]?.string } }.map(Set.init)
            == ["gauge.txt", "valve.txt", "pump.md"])
        let start = try server.chat(#"{"message":"gauge valve","documents":["notes"]}"#, as: ada).start
        let id = try #require(start["conversation_id"]?.string)
        let stored = try #require(server.connect().ask("GET", "/api/conversations/\(id)", ada))
        #expect(stored.text.contains("valve.txt") && documents.lastPrompt.contains("(gauge.txt)"))
        for text in [found.text, stored.text, documents.lastPrompt] { #expect(!text.contains(documents.folder.path), "\(text)") }
    }

    @Test func `a cited passage is shown in its file, with what has become of the file`() throws {
        let documents = try DocumentServer(), server = documents.server
        func show(_ query: String, _ id: String = "notes") throws -> RawHTTPConnection.Answer {
            try #require(server.connect().ask("GET", "/api/documents/\(id)/passages?\(query)"))
        }
        let found = try show("file=pump.md&from=0&limit=5").json()
        #expect(found["total"]?.integer == 1 && found.passageTexts == ["Hold the red button."])
        #expect(found["file_state"]?.string == "unchanged")
        documents.folder.write("# Pump\n## Reset\nHold the blue button, for longer.\n", to: "notes/pump.md")
        #expect(try show("file=pump.md").json()["file_state"]?.string == "changed")
        unlink(documents.folder("notes/pump.md"))
        // The passages are those that were indexed.
        let old = try show("file=pump.md").json()
        #expect(old["file_state"]?.string == "missing" && old.passageTexts == ["Hold the red button."])
        try IndexBuilder(reader: DocumentReader(programs: "")).update(documents.index)
        let gone = try show("file=pump.md")
        #expect(gone.status == 404 && gone.error.code == "file_not_found" && gone.error.field == "file")
        #expect(gone.text.contains("have no file 'pump.md': it was deleted or renamed") && !gone.text.contains(documents.folder.path))
        for (query, field) in [
            ("from=0", "file"), ("file=", "file"), ("file=valve.txt&limit=201", "limit"), ("file=valve.txt&from=-1", "from"),
        ] {
            let answer = try show(query)
            #expect(answer.status == 422 && answer.error.field == field, "\(query): \(answer.text)")
        }
        #expect(try show("file=valve.txt", "manuals").error.code == "documents_not_found")
        unlink(documents.index)
        let unavailable = try show("file=valve.txt")
        #expect(unavailable.status == 503 && unavailable.error.code == "documents_unavailable")
    }

    @Test func `files of one name in different folders are an error that says what to do`() throws {
        let documents = try DocumentServer(), folder = documents.folder
        mkdir(folder("more"), 0o755)
        folder.write("The gauge.\n", to: "more/pump.md")
        try IndexBuilder(reader: DocumentReader(programs: "")).build([folder("notes"), folder("more")], at: documents.index)
        let answer = try #require(documents.server.connect().ask("GET", "/api/documents/notes/passages?file=pump.md"))
        #expect(answer.status == 409 && answer.error.code == "ambiguous_file")
        #expect(answer.text.contains("have 2 files 'pump.md', expected one."))
    }

    @Test func `files of libraries are found by their ids only`() throws {
        let server = try TestServer(), ada = try server.account("ada")
        let id = try #require(try server.connect().post("/api/libraries", #"{"name":"Garden"}"#, ada)?.json()["id"]?.string)
        let own = try server.ask("GET", "/api/documents/\(id)/passages?file=a.md", nil, ada)
        #expect(own.status == 422 && own.error.field == "id")
        #expect(try server.ask("GET", "/api/documents/\(id)/passages?file=a.md").status == 404)
    }

    @Test func `another account sees neither the sources nor the choice`() throws {
        let documents = try DocumentServer(), server = documents.server
        let ada = try server.account("ada"), eve = try server.account("eve")
        let id = try #require(try server.chat(#"{"message":"pump","documents":["notes"]}"#, as: ada).start["conversation_id"]?.string)
        for (method, body) in [("GET", nil), ("PATCH", #"{"documents":[]}"#)] {
            let answer = try server.ask(method, "/api/conversations/\(id)", body, eve)
            #expect(answer.status == 404 && !answer.text.contains("button"))
        }
        #expect(try documents.post("/api/chat", #"{"message":"pump","conversation_id":"\#(id)"}"#, eve).status == 404)
    }
}
