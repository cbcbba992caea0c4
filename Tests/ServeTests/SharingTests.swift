import Glibc
import HTTPServer
import Infer
import JSON
import Serve
import Synchronization
import TestSupport
import Testing

/// What one client can find out about others, or take from them.
@Suite struct SharingTests {
    @Test func `cached answers belong to one account or address, unless the operator shares them`() throws {
        for isShared in [false, true] {
            let backend = RecordingBackend()
            let server = try TestServer(backend) {
                $0.cachedAnswers = 8
                $0.sharesCachedAnswers = isShared
            }
            let ada = try server.account("ada")
            let eve = try server.account("eve")
            func cachedTokens(_ account: [String: String]) throws -> Int? {
                try server.chat(#"{"message":"Hi","temperature":0}"#, as: account).end.data["cached_tokens"]?.integer
            }
            #expect(try cachedTokens(ada) == 0)
            // Even if the answer is shared, a user does not see whether another user has asked before.
            #expect(try cachedTokens(eve) == 0 && backend.prompts.count == (isShared ? 1 : 2))
            #expect(try cachedTokens(ada) == (isShared ? 0 : 3) && backend.prompts.count == (isShared ? 1 : 2))
        }
    }

    @Test func `a prompt belongs to the account or the address that sends it`() throws {
        let owners = Mutex<[String]>([]), script = ScriptedBackend()
        let backend = ClosureBackend(context: 64) { request, deliver throws(GenerationError) in
            owners.withLock { $0.append(request.owner) }
            return try script.start(request, deliver: deliver)
        }
        let server = try TestServer(backend) { $0.trustsProxy = true }
        let ada = try server.account("ada")
        try server.chat(#"{"message":"Hi"}"#, as: ada)
        _ = try server.connect().post("/v1/chat/completions", #"{"messages":[{"role":"user","content":"Hi"}]}"#, ada)
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"] {
            #expect(try server.connect().post("/api/chat/guest", #"{"message":"Hi"}"#, ["X-Forwarded-For": address])?.status == 200)
        }
        let seen = owners.withLock { $0 }
        #expect(seen.count == 6 && seen[0] == seen[1] && seen[4] == seen[5] && Set(seen).count == 4)
    }

    @Test func `one client gets at most half of the slots of a backend that cannot pause`() throws {
        let gate = GenerationGate(beforeCharacter: 0)
        let server = try TestServer(RecordingBackend(gate: gate)) { $0.slots = 4 }
        let ada = try server.account("ada")
        let bob = try server.account("bob")
        let streams = try (0..<4).map { try server.openStream("/api/chat", #"{"message":"ada \#($0)"}"#, ada) }
        #expect(try server.waitForLoad(running: 2, waiting: 2))
        let other = try server.openStream("/api/chat", #"{"message":"bob"}"#, bob)
        #expect(try server.waitForLoad(running: 3, waiting: 2))
        gate.open()
        for stream in streams + [other] { #expect(try stream.read().last?.name == "done") }
    }

    @Test func `errors of a model on another server do not show its address`() throws {
        let server = try TestServer(ClosureBackend(name: "model at http://internal.example") { _, _ throws(GenerationError) in
            throw .remote(.unreachable(address: "http://internal.example/v1", reason: "connection refused"))
        })
        let answer = try #require(try server.connect().post("/api/chat/guest", #"{"message":"Hi"}"#))
        let health = try #require(try server.connect().ask("GET", "/api/health"))
        #expect(answer.text.contains(#""code":"backend""#) && !answer.text.contains("internal.example"))
        #expect(try health.json()["remote"]?.boolean == true && !health.text.contains("internal.example"))
    }

    @Test func `long bodies of many guests do not keep others from chatting`() throws {
        let gate = GenerationGate(beforeCharacter: 0)
        let server = try TestServer(RecordingBackend(gate: gate)) { $0.http.limits.bodies.all = 4 << 20 }
        // Each of them is accepted: the memory is free again when the body is parsed, long before the answer ends.
        let text = String(repeating: "a", count: 90_000)
        let history = (0..<10).map { _ in #"{"role":"user","content":"\#(text)"}"# }.joined(separator: ",")
        let streams = try (0..<16).map { _ in try server.openStream("/api/chat/guest", #"{"message":"Hi","history":[\#(history)]}"#) }
        for stream in streams { #expect(stream.head.status == 200) }
        gate.open()
    }

    @Test func `each route limits its body`() throws {
        let server = try TestServer()
        func post(_ target: String, _ count: Int) throws -> Int? {
            try server.connect().post(target, #"{"message":"\#(String(repeating: "a", count: count))"}"#)?.status
        }
        #expect(try post("/api/chat/guest", 1_100_000) == 413 && post("/api/chat/guest", 200_000) == 422)
        #expect(try post("/api/auth/login", 70_000) == 413 && post("/api/nothing", 70_000) == 413)
        #expect(try post("/v1/completions", 1_100_000) == 400)
    }
}
