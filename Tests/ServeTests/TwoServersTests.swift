import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Two servers that share a database and a signing key, as behind a load balancer.
@Suite struct TwoServersTests {
    @Test(arguments: [true, false]) func `an account, its session and its conversations are the same on both`(_ isSQLite: Bool) throws {
        let servers = try ServerPair(isSQLite), ada = try servers.first.account("ada")
        #expect(try servers.second.connect().post("/api/auth/register", #"{"username":"Ada","password":"correct horse"}"#)?.status == 409)
        let start = try servers.second.chat(#"{"message":"one"}"#, as: ada).start
        let id = try #require(start["conversation_id"]?.string)
        try servers.first.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada)
        let answer = "assistant: \(OneSentenceModel.sentence)"
        for server in [servers.first, servers.second] {
            #expect(try server.messages(of: id, as: ada) == ["user: one", answer, "user: two", answer])
        }
        #expect(try servers.first.connect().ask("DELETE", "/api/conversations/\(id)", ada)?.status == 204)
        #expect(try servers.second.connect().ask("GET", "/api/conversations/\(id)", ada)?.status == 404)
        // A session that ended on one server has ended on the other.
        #expect(try servers.first.connect().post("/api/auth/logout", "{}", ada)?.status == 204)
        #expect(try servers.second.connect().ask("GET", "/api/me", ada)?.status == 401)
    }

    @Test(arguments: [true, false]) func `alternatives, ratings and switches are the same on both`(_ isSQLite: Bool) throws {
        let gate = GenerationGate(beforeCharacter: 3)
        gate.open()
        let servers = try ServerPair(isSQLite, RecordingBackend(gate: gate)), ada = try servers.first.account("ada")
        let start = try servers.first.chat(#"{"message":"one"}"#, as: ada).start
        let id = try #require(start["conversation_id"]?.string), question = try #require(start["message_id"]?.string)
        let first = try #require(start["answer_id"]?.string), path = "/api/conversations/\(id)"
        let again = #"{"conversation_id":"\#(id)","regenerate":"\#(question)"}"#
        let second = try #require(try servers.second.chat(again, as: ada).start["answer_id"]?.string)
        let rating = "\(path)/messages/\(first)/rating", switching = "\(path)/messages/\(first)/activate"
        #expect(try servers.second.ask("PUT", rating, #"{"rating":"good"}"#, ada).status == 204)
        // The second server may not change the path while the first one generates an answer.
        gate.close()
        let stream = try servers.first.openStream("/api/chat", again, ada)
        let third = try #require(try stream.next()?.data["answer_id"]?.string)
        #expect(try servers.second.connect().post(switching, "{}", ada)?.status == 409)
        #expect(try servers.second.connect().post("/api/chat", again, ada)?.status == 409)
        gate.open()
        _ = try stream.read()
        #expect(try servers.second.connect().post(switching, "{}", ada)?.status == 200)
        for server in [servers.first, servers.second] {
            let last = try #require(try server.connect().ask("GET", path, ada)?.json()["messages"]?.list?.last)
            #expect(last["id"]?.string == first && last["rating"]?["rating"]?.string == "good")
            #expect(last["alternatives"]?.elements.map { $0.compactMap(\.string) }.map(Set.init) == [first, second, third])
        }
    }

    @Test(arguments: [true, false]) func `messages sent through both at once are all stored, once and in order`(_ isSQLite: Bool) throws {
        let servers = try ServerPair(isSQLite), ada = try servers.first.account("ada")
        let id = try #require(try servers.first.chat(#"{"message":"start"}"#, as: ada).start["conversation_id"]?.string)
        let ends = Mailbox<Bool>(), rounds = 8
        let ports = [servers.first.port, servers.second.port]
        for (index, port) in ports.enumerated() {
            try BackgroundThread.run {
                var isStored = true
                for round in 0..<rounds {
                    let body = #"{"message":"m\#(index)-\#(round)","conversation_id":"\#(id)"}"#
                    var answer = RawHTTPConnection(to: port)?.post("/api/chat", body, ada)
                    // One answer at a time, on whichever server.
                    while answer?.status == 409 {
                        usleep(1_000)
                        answer = RawHTTPConnection(to: port)?.post("/api/chat", body, ada)
                    }
                    isStored = isStored && answer?.status == 200 && answer?.text.contains("event: done") == true
                }
                ends.put(isStored)
            }
        }
        for _ in ports { #expect(ends.take(within: .seconds(60)) == true) }
        let messages = try servers.second.messages(of: id, as: ada)
        #expect(messages.count == 2 + 4 * rounds)
        for index in ports.indices {
            let sent = messages.filter { $0.hasPrefix("user: m\(index)-") }
            #expect(sent == (0..<rounds).map { "user: m\(index)-\($0)" })
        }
        #expect(try servers.first.messages(of: id, as: ada) == messages)
    }
}
