import Foundation
import JSON
import Serve
import Store
import TestSupport
import Testing

/// Documents that accounts upload: from the upload to the answer.
@Suite struct LibraryRouteTests {
    /// A server with an account that has a library.
    private final class Fixture {
        let backend = RecordingBackend(context: 1_000)
        let server: TestServer
        let ada: [String: String]
        let id: String

        init(_ change: (inout ServeSettings) -> Void = { _ in }, store: StoreOptions = StoreOptions()) throws {
            server = try TestServer(backend, store: store, with: change)
            ada = try server.account("ada")
            id = try #require(try server.connect().post("/api/libraries", #"{"name":"Garden"}"#, ada)?.json()["id"]?.string)
        }

        func ask(_ method: String, _ path: String, _ headers: [String: String]? = nil, _ body: String? = nil) throws
            -> RawHTTPConnection.Answer {
            try server.ask(method, path, body, headers ?? ada)
        }

        @discardableResult
        func upload(_ name: String, _ text: String) throws -> RawHTTPConnection.Answer {
            let encoded = name.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? name
            return try ask("POST", "/api/libraries/\(id)/files?name=\(encoded)", nil, text)
        }

        /// The files of the library when all of them were read: name and state.
        func files() throws -> [String: String] {
            for _ in 0..<1_000 {
                let library = try ask("GET", "/api/libraries/\(id)").json()
                guard library["waiting"]?.integer == 0 else { usleep(20_000); continue }
                var states: [String: String] = [:]
                for file in library["files"]?.list ?? [] {
                    let passages = file["passages"]?.integer.map { "\($0)" }
                    states[file["name"]?.string ?? ""] = passages ?? file["message"]?.string
                }
                return states
            }
            Issue.record("the files were not read")
            return [:]
        }

        func search(_ query: String, _ headers: [String: String]? = nil) throws -> [JSONElement] {
            let answer = try ask("POST", "/api/documents/search", headers, #"{"query":"\#(query)"}"#)
            return try #require(try answer.json()["passages"]?.list, "\(answer.text)")
        }

        var fileID: String {
            get throws {
                let files = try #require(try ask("GET", "/api/libraries/\(id)").json()["files"]?.elements)
                return try #require(Array(files).first?["id"]?.string)
            }
        }
    }

    @Test func `an uploaded file is read, found and cited`() throws {
        let fixture = try Fixture()
        let added = try fixture.upload("notes/pump ü.md", "# Pump\n## Reset\nHold the red button.\n\n## Errors\nE2 is heat.\n")
        #expect(try added.status == 201 && added.json()["state"]?.string == "waiting" && added.json()["name"]?.string == "notes/pump ü.md")
        try fixture.upload("image.bin", "\u{0}\u{1}\u{2}")
        #expect(try fixture.files() == ["notes/pump ü.md": "2", "image.bin": "Not a text."])
        let listed = try fixture.ask("GET", "/api/documents").json()
        let entry = try #require(listed["documents"]?.list?.first)
        #expect(entry["id"]?.string == fixture.id && entry["name"]?.string == "Garden" && entry["is_own"]?.boolean == true)
        #expect(entry["files"]?.integer == 2 && entry["passages"]?.integer == 2 && entry["owner"]?.string == "ada")
        #expect(listed["uploads"]?["used_bytes"]?.integer ?? 0 > 50)
        let found = try fixture.search("how do I reset it?")
        #expect(found.first?["file"]?.string == "notes/pump ü.md" && found.first?["documents"]?.string == "Garden")
        #expect(found.first?["library_id"]?.string == fixture.id && found.first?["position"]?.integer == 0)
        let chat = try fixture.server.chat(#"{"message":"reset","documents":["\#(fixture.id)"]}"#, as: fixture.ada)
        #expect(fixture.backend.prompts.last?.last?.contains("Hold the red button.\n(notes/pump ü.md, Pump > Reset)") == true)
        let conversation = try #require(chat.start["conversation_id"]?.string)
        #expect(try fixture.ask("GET", "/api/conversations/\(conversation)").json()["documents"]?.elements.map { $0.map(\.string) }
            == [fixture.id])
        // Around the passage in its file.
        let file = try #require(found.first?["file_id"]?.string)
        let all = try fixture.ask("GET", "/api/libraries/\(fixture.id)/files/\(file)/passages").json()
        #expect(all["total"]?.integer == 2 && all.passageTexts == ["Hold the red button.", "E2 is heat."])
        let second = try fixture.ask("GET", "/api/libraries/\(fixture.id)/files/\(file)/passages?from=1&limit=1").json()
        #expect(second["total"]?.integer == 2 && second.passageTexts == ["E2 is heat."])
        let download = try fixture.ask("GET", "/api/libraries/\(fixture.id)/files/\(file)")
        #expect(download.text.hasPrefix("# Pump\n") && download.headers["content-type"] == "application/octet-stream")
        #expect(download.headers["content-disposition"] == "attachment; filename*=UTF-8''pump%20%C3%BC.md")
        #expect(download.headers["x-content-type-options"] == "nosniff")
    }

    @Test func `a file of 50 MB is stored, and one byte more is too much`() throws {
        let fixture = try Fixture()
        let added = try fixture.upload("large.bin", String(repeating: "\u{0}", count: 50_000_000))
        #expect(try added.status == 201 && added.json()["bytes"]?.integer == 50_000_000, "\(added.text.prefix(200))")
        #expect(try fixture.files() == ["large.bin": "Not a text."])
        let longer = try fixture.upload("longer.bin", String(repeating: "\u{0}", count: 50_000_001))
        #expect(longer.status == 413 && longer.text.contains("at most 50 MB"), "\(longer.text.prefix(200))")
    }

    @Test func `files that are replaced or deleted are not found any more`() throws {
        let fixture = try Fixture()
        try fixture.upload("a.txt", "The old gauge.")
        try fixture.upload("b.txt", "The valve.")
        #expect(try fixture.files().count == 2 && fixture.search("gauge").count == 1)
        try fixture.upload("a.txt", "The new meter.")
        #expect(try fixture.files() == ["a.txt": "1", "b.txt": "1"] && fixture.search("gauge").isEmpty)
        // The same bytes are not read again.
        let same = try fixture.upload("b.txt", "The valve.")
        #expect(try same.status == 201 && same.json()["state"]?.string == "ready" && same.json()["passages"]?.integer == 1, "\(same.text)")
        #expect(try fixture.search("meter").count == 1)
        let file = try fixture.fileID
        #expect(try fixture.ask("DELETE", "/api/libraries/\(fixture.id)/files/\(file)").status == 204)
        // At once, although the index still has it.
        #expect(try fixture.search("meter").isEmpty && fixture.ask("DELETE", "/api/libraries/\(fixture.id)/files/\(file)").status == 404)
        // Many as one change.
        let ids = try ["c.txt", "d.txt"].map { try #require(try fixture.upload($0, "The hose.").json()["id"]?.string) }
        let path = "/api/libraries/\(fixture.id)/files/delete"
        let deleted = try fixture.ask("POST", path, nil, #"{"files":["\#(ids[0])","\#(ids[1])","\#(file)"]}"#)
        #expect(try deleted.status == 200 && deleted.json()["deleted"]?.integer == 2, "\(deleted.text)")
        #expect(try fixture.files() == ["b.txt": "1"] && fixture.search("hose").isEmpty)
        let tooMany = "[" + Array(repeating: "\"\(file)\"", count: 1_001).joined(separator: ",") + "]"
        for files in ["[]", #"["x y"]"#, "[1]", "{}", "null", tooMany] {
            let refused = try fixture.ask("POST", path, nil, #"{"files":\#(files)}"#)
            #expect(refused.status == 422 && refused.error.field == "files", "\(files.prefix(20)): \(refused.text)")
        }
        #expect(try fixture.ask("DELETE", "/api/libraries/\(fixture.id)").status == 204 && fixture.search("valve").isEmpty)
        let folder = fixture.server.folder("documents/\(fixture.id)")
        for _ in 0..<500 where FileManager.default.fileExists(atPath: folder) { usleep(20_000) }
        #expect(!FileManager.default.fileExists(atPath: folder), "the folder of a deleted library stays")
    }

    @Test func `a file that crashes the program that reads it is left out, and the others are read`() throws {
        let fixture = try Fixture()
        try fixture.upload("first.txt", "The first.")
        #expect(try fixture.files() == ["first.txt": "1"])
        let new = ["bad.txt": "crash me", "good.txt": "The gauge.", "worse.txt": "crash me, too", "last.txt": "The valve."]
        for (name, text) in new { try fixture.upload(name, text) }
        let crashed = "The program that reads files crashed, took too long, or needed too much memory."
        let files = try fixture.files()
        #expect(files == ["first.txt": "1", "bad.txt": crashed, "good.txt": "1", "worse.txt": crashed, "last.txt": "1"])
        #expect(try fixture.search("gauge valve first").count == 3)
        // It is tried again when the owner asks for it.
        #expect(try fixture.ask("POST", "/api/libraries/\(fixture.id)/reindex", nil, "{}").status == 200)
        #expect(try fixture.files()["bad.txt"] == crashed && fixture.search("gauge").count == 1)
    }

    @Test func `one file is read again, without the others`() throws {
        let fixture = try Fixture()
        try fixture.upload("good.txt", "The gauge.")
        try fixture.upload("bad.txt", "crash me")
        let library = try #require(LibraryID(fixture.id)), store = fixture.server.store
        #expect(try fixture.files()["good.txt"] == "1")
        let before = try #require(try store.libraryRevisions().first)
        let bad = try #require(try store.files(of: library).first { $0.upload.name == "bad.txt" }).upload.id
        let path = "/api/libraries/\(fixture.id)/files/\(bad)/reindex"
        // The answer may come after the file was read.
        let answer = try fixture.ask("POST", path, nil, "{}"), file = try answer.json(), state = file["state"]?.string
        #expect(answer.status == 200 && file["id"]?.string == bad.description && (state == "waiting" || state == "skipped"))
        let crashed = "The program that reads files crashed, took too long, or needed too much memory."
        #expect(try fixture.files() == ["good.txt": "1", "bad.txt": crashed] && fixture.search("gauge").count == 1)
        let after = try #require(try store.libraryRevisions().first)
        #expect(after.revision > before.revision && after.rereadRevision == before.rereadRevision)
        let eve = try fixture.server.account("eve")
        #expect(try fixture.ask("POST", path, eve, "{}").status == 404 && fixture.ask("POST", path, [:], "{}").status == 401)
        let unknown = "/api/libraries/\(fixture.id)/files/\(UploadID())/reindex"
        #expect(try fixture.ask("POST", unknown, nil, "{}").error.message == "No such file.")
    }

    @Test func `files that need more memory than the program may have are left out`() throws {
        let fixture = try Fixture { $0.libraries?.readingMemory = 1 << 29 }
        try fixture.upload("large.txt", "fill memory")
        try fixture.upload("a.txt", "The gauge.")
        let tooLarge = "The program that reads files crashed, took too long, or needed too much memory."
        #expect(try fixture.files() == ["large.txt": tooLarge, "a.txt": "1"])
    }

    @Test func `a library is shared with no account, some or all`() throws {
        let fixture = try Fixture(), server = fixture.server
        let bob = try server.account("bob"), eve = try server.account("eve")
        try fixture.upload("a.txt", "The gauge.")
        #expect(try fixture.files().count == 1)
        let file = try fixture.fileID, path = "/api/libraries/\(fixture.id)"
        func readers() throws -> [String] {
            try [("ada", fixture.ada), ("bob", bob), ("eve", eve), ("guest", [:])].filter { name, headers in
                let isFound = try !fixture.search("gauge", headers).isEmpty
                for path in [path, "\(path)/files/\(file)", "\(path)/files/\(file)/passages"] {
                    let answer = try fixture.ask("GET", path, headers)
                    #expect((answer.status == 200) == isFound && [200, 404].contains(answer.status), "\(name) \(path): \(answer.text)")
                }
                let body = #"{"message":"gauge","documents":["\#(fixture.id)"]}"#, guest = name == "guest"
                let chat = try fixture.ask("POST", guest ? "/api/chat/guest" : "/api/chat", headers, body)
                #expect((chat.status == 200) == isFound && [200, 404].contains(chat.status), "\(name): \(chat.text)")
                return isFound
            }.map(\.0)
        }
        #expect(try readers() == ["ada"])
        let unknown = try fixture.ask("PATCH", path, nil, #"{"access":"chosen","readers":["bob","carol"]}"#)
        #expect(unknown.status == 422 && unknown.error.field == "readers" && unknown.text.contains("carol"))
        let shared = try fixture.ask("PATCH", path, nil, #"{"access":"chosen","readers":["BOB"]}"#).json()
        #expect(shared["access"]?.string == "chosen" && shared["readers"]?.elements.map { $0.map(\.string) } == ["bob"])
        #expect(try readers() == ["ada", "bob"])
        let seen = try fixture.ask("GET", path, bob).json()
        #expect(seen["is_own"]?.boolean == false && seen["readers"] == nil && seen["owner"]?.string == "ada")
        for (method, path, body) in [
            ("PATCH", path, #"{"access":"private"}"#), ("DELETE", path, nil), ("DELETE", "\(path)/files/\(file)", nil),
            ("POST", "\(path)/files/delete", #"{"files":["\#(file)"]}"#), ("POST", "\(path)/reindex", "{}"),
            ("POST", "\(path)/files?name=x", "text"),
        ] { #expect(try fixture.ask(method, path, bob, body).status == 404, "\(method) \(path)") }
        _ = try fixture.ask("PATCH", path, nil, #"{"access":"everyone"}"#)
        #expect(try readers() == ["ada", "bob", "eve", "guest"])
        _ = try fixture.ask("PATCH", path, nil, #"{"access":"private"}"#)
        #expect(try readers() == ["ada"])
    }

    @Test func `a guest opens a cited passage in its file, of a library for everyone`() throws {
        let fixture = try Fixture { $0.searchesPerMinute = 3 }, path = "/api/libraries/\(fixture.id)"
        try fixture.upload("manual.md", "# Pump\n## Reset\nHold the red button.\n\n## Errors\nE2 is heat.\n")
        #expect(try fixture.files() == ["manual.md": "2"])
        _ = try fixture.ask("PATCH", path, nil, #"{"access":"everyone"}"#)
        let cited = try #require(try fixture.search("heat", [:]).first)
        let file = try #require(cited["file_id"]?.string), position = try #require(cited["position"]?.integer)
        #expect(cited["library_id"]?.string == fixture.id && cited["heading"]?.string == "Pump > Errors")
        let found = try fixture.ask("GET", "\(path)/files/\(file)/passages?from=\(position)&limit=1", [:]).json()
        #expect(found["total"]?.integer == 2 && found.passageTexts == ["E2 is heat."])
        let library = try fixture.ask("GET", path, [:]).json()
        #expect(library["is_own"]?.boolean == false && library["readers"] == nil && library["files"]?.list?.count == 1)
        // Downloads count as searches.
        let statuses = try (0..<3).map { _ in try fixture.ask("GET", "\(path)/files/\(file)", [:]).status }
        #expect(statuses == [200, 200, 429])
        #expect(try fixture.ask("GET", "\(path)/files/\(file)").status == 200, "the downloads of guests limit an account")
        // A guest changes nothing, and has no libraries.
        for (method, path, body) in [
            ("PATCH", path, #"{"access":"private"}"#), ("DELETE", path, nil), ("DELETE", "\(path)/files/\(file)", nil),
            ("POST", "\(path)/files/delete", #"{"files":["\#(file)"]}"#), ("POST", "\(path)/reindex", "{}"),
            ("POST", "\(path)/files?name=x", "text"), ("POST", "/api/libraries", #"{"name":"x"}"#),
        ] { #expect(try fixture.ask(method, path, [:], body).status == 401, "\(method) \(path)") }
    }

    @Test func `where guests may not chat, they read no library`() throws {
        let fixture = try Fixture { $0.allowsGuests = false }, path = "/api/libraries/\(fixture.id)"
        try fixture.upload("a.txt", "The gauge.")
        _ = try fixture.ask("PATCH", path, nil, #"{"access":"everyone"}"#)
        let file = try fixture.fileID
        for path in [path, "\(path)/files/\(file)", "\(path)/files/\(file)/passages"] {
            #expect(try fixture.ask("GET", path, [:]).status == 401 && fixture.ask("GET", path).status == 200, "\(path)")
        }
    }

    @Test func `requests that are wrong say why`() throws {
        let fixture = try Fixture(store: .with { $0.maxUploadedBytes = 20; $0.maxLibraries = 1 })
        func path(_ lengths: [Int]) -> String { lengths.map { String(repeating: "x", count: $0) }.joined(separator: "/") }
        let parts = Array(repeating: 1, count: 16), long = [199, 199, 199, 199, 200]
        for name in [
            "", "/a", "a/", "a//b", "../a", "a/..", ".hidden", "a\u{0}b", "a\nb", "a\u{7f}", path([201]), path(parts + [1]),
            path(long) + "x", path([199, 199, 199, 200, 200]),
        ] {
            let answer = try fixture.upload(name, "x")
            // A path with NUL is refused before.
            let isRefused = answer.status == 422 && answer.error.field == "name" || name.contains("\u{0}") && answer.status == 400
            #expect(isRefused, "\(name): \(answer.status) \(answer.text)")
        }
        for lengths in [parts, [200], long] { #expect(try fixture.upload(path(lengths), "x").status == 201, "\(lengths)") }
        #expect(try fixture.upload("a", "").status == 400)
        let full = try fixture.upload("a", String(repeating: "x", count: 21))
        #expect(full.status == 403 && full.error.code == "quota_exceeded")
        let many = try fixture.ask("POST", "/api/libraries", nil, #"{"name":"x"}"#)
        #expect(many.status == 403 && many.error.code == "too_many_libraries")
        for body in [#"{}"#, #"{"name":" "}"#, #"{"name":1}"#] {
            #expect(try fixture.ask("POST", "/api/libraries", nil, body).status == 422)
            #expect(try fixture.ask("PATCH", "/api/libraries/\(fixture.id)", nil, body).status == 422)
        }
        for body in [#"{"access":"public"}"#, #"{"readers":"bob"}"#, #"{"owner":"bob"}"#] {
            #expect(try fixture.ask("PATCH", "/api/libraries/\(fixture.id)", nil, body).status == 422)
        }
        for id in ["x", LibraryID().description] { #expect(try fixture.ask("GET", "/api/libraries/\(id)").status == 404) }
        let names = (0...100).map { _ in "\"\(LibraryID())\"" }.joined(separator: ",")
        #expect(try fixture.ask("POST", "/api/chat", nil, #"{"message":"x","documents":[\#(names)]}"#).status == 422)
    }

    @Test func `a server without uploads has no libraries`() throws {
        let server = try TestServer { $0.libraries = nil }, ada = try server.account("ada")
        let answer = try #require(server.connect().post("/api/libraries", #"{"name":"x"}"#, ada))
        #expect(answer.status == 404 && answer.error.message == "Accounts cannot upload files to this server.")
        let listed = try #require(server.connect().ask("GET", "/api/documents", ada))
        #expect(listed.text == #"{"documents":[]}"#)
    }

    @Test func `indexes that are gone are made again from the database`() throws {
        let fixture = try Fixture()
        try fixture.upload("a.txt", "The gauge.")
        #expect(try fixture.files() == ["a.txt": "1"])
        try FileManager.default.removeItem(atPath: fixture.server.folder("documents"))
        for _ in 0..<1_000 { if try !fixture.search("gauge").isEmpty { return } else { usleep(20_000) } }
        Issue.record("the index was not made again")
    }
}
