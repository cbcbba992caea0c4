import Foundation
import Store
import TestSupport
import Testing

/// `slm health` and `slm database`.
@Suite struct ServerCommandTests {
    private let folder = TemporaryFolder()

    @Test func `a database is created, and then has the latest schema`() throws {
        let url = "sqlite:" + folder("chats.db"), path = folder("chats.db"), latest = Store.schemaVersion
        let empty = try slm("database", "status", url)
        #expect(empty.status == 0 && empty.output == "\(path): empty; slm will create schema version \(latest)\n")
        #expect(!FileManager.default.fileExists(atPath: path))
        let checked = try slm("database", "status", "--database", url, "--check", "--json")
        #expect(checked.status == 1 && checked.output.contains(#""version":0,"latest":\#(latest),"pending":\#(latest)"#))
        #expect(checked.errors.contains("this slm needs \(latest). Migrate it: slm database migrate"))
        #expect(try slm("database", "migrate", url).output == "\(path): migrated from schema version 0 to \(latest)\n")
        let current = try slm(["database", "status", "--check"], ["SLM_DATABASE": url])
        #expect(current.status == 0 && current.output == "\(path): schema version \(latest), the latest\n")
        #expect(try slm("database", "migrate", url, "--json").output.contains(#""pending":0,"migrated_from":\#(latest)"#))
    }

    @Test func `a database of a later version is not changed`() throws {
        let url = "sqlite:" + folder("chats.db")
        let store = try Store(url)
        _ = try store.database.write("INSERT INTO slm_schema (version, applied_at) VALUES (900, 1)")
        store.close()
        for command in ["status", "migrate"] {
            let outcome = try slm("database", command, url)
            #expect(outcome.status == 1 && outcome.errors.contains("has schema version 900"))
        }
    }

    @Test func `a password in a database URL is not printed`() throws {
        let outcome = try slm("database", "status", "postgresql://slm:notforlogs@127.0.0.1:1/chats")
        #expect(outcome.status == 1 && !outcome.errors.contains("notforlogs") && outcome.errors.contains("does not respond"))
    }

    @Test func `chats for training are written page by page`() throws {
        let server = ScriptedServer { request, connection in
            let isSecond = request.line.hasSuffix("format=pairs&passages=false&after=one")
            guard isSecond || request.line.hasSuffix("format=pairs&passages=false"), request.headers["x-admin-key"] == "key" else {
                let body = #"{"error":{"message":"No."}}"#
                connection.send("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
                return
            }
            let body = isSecond ? "{\"b\":2}\n" : "{\"a\":1}\n"
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\(isSecond ? "" : "X-Next-After: one\r\n")")
            connection.send("Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }
        func export(_ arguments: String..., key: String = "key") throws -> Outcome {
            try slm(["admin", "export-chats", "--url", server.address, "--format", "pairs"] + arguments, ["SLM_ADMIN_KEY": key])
        }
        let printed = try export()
        #expect(printed.status == 0 && printed.output == "{\"a\":1}\n{\"b\":2}\n", "\(printed.errors)")
        let path = folder("pairs.jsonl"), written = try export("--out", path)
        #expect(written.status == 0 && written.errors == "slm: \(path): 2 pairs.\n")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == printed.output)
        let refused = try export("--out", folder("none.jsonl"), key: "other")
        #expect(refused.status == 1 && refused.errors.contains("key") && !FileManager.default.fileExists(atPath: folder("none.jsonl")))
    }

    @Test func `health reports a server that is not there, and a URL that is none`() throws {
        let missing = try slm("health", "http://127.0.0.1:1", "--timeout", "2s")
        #expect(missing.status == 1 && missing.output.isEmpty && missing.errors.hasPrefix("slm: http://127.0.0.1:1: no server answers: "))
        let invalid = try slm("health", "--url", "ftp://127.0.0.1")
        #expect(invalid.status == 1 && invalid.errors.contains("expected a URL such as http://127.0.0.1:8000"))
    }
}
