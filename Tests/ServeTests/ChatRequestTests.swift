import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Tokenize

/// Chat requests, valid and invalid.
@Suite struct ChatRequestTests {
    @Test func `a guest's history with its system message is read, and nothing is stored`() throws {
        let backend = RecordingBackend(), server = try TestServer(backend)
        let history = #"[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#
        let stream = try server.openStream("/api/chat/guest", #"{"message":"c","history":\#(history)}"#)
        let start = try #require(try stream.next())
        #expect(start.name == "start" && start.data["conversation_id"] == nil && start.data["prompt_tokens"]?.integer == 8)
        let (text, end) = try stream.read()
        #expect(
            text == OneSentenceModel.sentence && end?.name == "done"
                && backend.prompts == [["system: S", "user: a", "assistant: b", "user: c"]])
        let totals = try server.store.admin.totals()
        #expect(totals.conversations == 0 && totals.messages == 0)
    }

    @Test func `nanogpt-chat's route answers with one object and adds the chat to the log`() throws {
        let server = try TestServer(collecting: true)
        #expect(
            try server.connect().ask("GET", "/stats")?.text
                == #"{"count":0,"ready":false,"collecting":true,"conversations":0,"file":true}"#)
        for i in 1...10 {
            let answer = try server.connect().post("/chat", #"{"message":"one","temperature":0}"#)
            #expect(try answer?.json()["response"]?.string == OneSentenceModel.sentence && answer?.json()["chat_count"]?.integer == i)
        }
        #expect(
            try server.connect().ask("GET", "/stats")?.text
                == #"{"count":10,"ready":true,"collecting":true,"conversations":10,"file":true}"#)
        let discreet = try TestServer()
        #expect(
            try discreet.connect().ask("GET", "/stats")?.text
                == #"{"count":0,"ready":false,"collecting":false,"conversations":0,"file":false}"#)
    }

    @Test func `the chat log keeps what came before an exchange`() throws {
        let server = try TestServer(collecting: true), ada = try server.account("ada")
        let history = #"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#
        _ = try server.openStream("/api/chat/guest", #"{"message":"one","history":\#(history),"stop":["y"]}"#).read()
        try eventually { try server.chatLines.count == 1 }
        let start = try server.chat(#"{"message":"two","stop":["y"]}"#, as: ada).start
        let id = try #require(start["conversation_id"]?.string)
        try eventually { try server.chatLines.count == 2 }
        try server.chat(#"{"message":"three","conversation_id":"\#(id)","stop":["y"]}"#, as: ada)
        try eventually { try server.chatLines.count == 3 }
        let lines = try server.chatLines
        #expect(lines.count == 3 && lines[0].contains(#""history":\#(history),"user":"one""#) && !lines[1].contains("history"))
        #expect(lines[2].contains(#""history":[{"role":"user","content":"two"},{"role":"assistant","content":"#), "\(lines[2])")
    }

    @Test func `a truncated answer is not added to the chat log`() throws {
        let server = try TestServer(collecting: true), ada = try server.account("ada")
        let end = try server.openStream("/api/chat/guest", #"{"message":"one","max_tokens":2}"#).read().last
        #expect(end?.data["reason"]?.string == "length")
        #expect(try server.chat(#"{"message":"one","max_tokens":2}"#, as: ada).text == "Hi")
        try server.chat(#"{"message":"one","stop":["y"]}"#, as: ada)
        try eventually { try server.chatLines.count == 1 }
    }

    static let wrong: [(field: String, json: String)] = [
        ("message", #""message":"""#), ("message", #""message":"  \n""#), ("message", #""message":5"#), ("message", #""message":null"#),
        ("message", ""),
        ("max_tokens", #""max_tokens":0"#), ("max_tokens", #""max_tokens":1.5"#), ("max_tokens", #""max_tokens":"5""#),
        ("max_tokens", #""max_tokens":1e99"#),
        ("temperature", #""temperature":-0.1"#), ("temperature", #""temperature":2.1"#), ("temperature", #""temperature":"hot""#),
        ("top_k", #""top_k":-1"#), ("top_k", #""top_k":true"#), ("top_p", #""top_p":-0.1"#), ("top_p", #""top_p":1.1"#),
        ("min_p", #""min_p":-0.1"#), ("min_p", #""min_p":1.1"#),
        ("repetition_penalty", #""repetition_penalty":0"#), ("frequency_penalty", #""frequency_penalty":2.5"#),
        ("presence_penalty", #""presence_penalty":-2.5"#),
        ("stop", #""stop":"""#), ("stop", #""stop":5"#), ("stop", #""stop":["a",5]"#), ("stop", #""stop":["a",""]"#),
        ("stop", #""stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]"#),
        ("seed", #""seed":-1.5"#), ("seed", #""seed":18446744073709551616"#), ("seed", #""seed":"x""#), ("ignore_eos", #""ignore_eos":1"#),
        ("temprature", #""temprature":1"#),
    ]

    @Test(arguments: ["/api/chat", "/api/chat/guest", "/chat"]) func `an error names the invalid field`(_ target: String) throws {
        let server = try TestServer()
        let ada = try server.account("ada")
        let connection = try server.connect()
        for (field, json) in Self.wrong {
            let body = field == "message" ? "{\(json)}" : #"{"message":"Hi",\#(json)}"#
            let answer = connection.post(target, body, ada)
            #expect(
                answer?.status == 422 && answer?.error.code == "invalid" && answer?.error.field == field,
                "\(body): \(answer?.text ?? "nothing")")
            #expect(answer?.error.message?.hasPrefix(field) ?? false, "\(answer?.text ?? "")")
        }
        let long = connection.post(target, #"{"message":"\#(String(repeating: "a", count: 100_001))"}"#, ada)
        #expect(long?.status == 422 && long?.error.field == "message")
        // null is the same as a missing field, and 3.0 is an integer.
        let fine = connection.post(
            target, #"{"message":"Hi","max_tokens":3.0,"temperature":null,"stop":null,"seed":18446744073709551615,"ignore_eos":false}"#, ada
        )
        #expect(fine?.status == 200)
    }

    @Test func `an error names the invalid message of a history`() throws {
        let server = try TestServer(), connection = try server.connect()
        for (field, history) in [
            ("history", #""x""#), ("history[0]", "[5]"), ("history[0].role", "[{}]"),
            ("history[0].role", #"[{"role":"tool","content":""}]"#),
            ("history[1].content", #"[{"role":"user","content":"a"},{"role":"user"}]"#),
            ("history[0].name", #"[{"role":"user","content":"a","name":"b"}]"#),
            ("history", "[" + Array(repeating: #"{"role":"user","content":""}"#, count: 1_001).joined(separator: ",") + "]"),
        ] {
            let answer = connection.post("/api/chat/guest", #"{"message":"Hi","history":\#(history)}"#)
            #expect(answer?.status == 422 && answer?.error.field == field, "\(answer?.text ?? "")")
        }
        #expect(connection.post("/api/chat", #"{"message":"Hi","history":[]}"#, try server.account("ada"))?.error.field == "history")
    }

    @Test func `a body that is not a JSON object, or not declared as JSON, is rejected`() throws {
        let server = try TestServer(), connection = try server.connect()
        for body in [
            "", "{", "[]", "5", #""x""#, "null", #"{"message":"a"} x"#, #"{"message":"\xff"}"#, #"{"message":"\ud800"}"#,
            String(repeating: "[", count: 100_000),
        ] {
            #expect(connection.post("/api/chat/guest", body)?.status == 400, "\(body.prefix(20))")
        }
        for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""] {
            let answer = connection.ask("POST", "/api/chat/guest", ["Content-Type": type], body: #"{"message":"Hi"}"#)
            #expect(answer?.status == 415 && answer?.error.code == "unsupported_media_type")
        }
        #expect(connection.ask("POST", "/api/chat/guest", body: #"{"message":"Hi"}"#)?.status == 415)
        #expect(
            connection.ask(
                "POST", "/api/chat/guest", ["Content-Type": "Application/JSON ; charset=utf-8"], body: #"{"message":"Hi"}"#)?.status
                == 200)
    }

    @Test func `unknown paths and methods are rejected`() throws {
        let server = try TestServer(), connection = try server.connect()
        #expect(connection.ask("GET", "/api/nothing")?.error.code == "not_found")
        let other = connection.ask("PUT", "/api/chat", body: "{}")
        #expect(other?.status == 405 && other?.headers["allow"] == "POST" && other?.error.code == "method_not_allowed")
        let head = connection.ask("HEAD", "/api/health")
        #expect(head?.status == 200 && head?.body.isEmpty ?? false)
    }

    @Test func `a request with variables of the template is not answered from the cache`() throws {
        let tokenizer = try Tokenizer(SampleCheckpoint.vocabulary), backend = RecordingBackend()
        let info = ModelInfo(name: "local", context: 64, tokenizer, try ChatRenderer(.specialTokens, for: tokenizer))
        let server = try TestServer(backend, modelInfo: info) { $0.cachedAnswers = 8 }, connection = try server.connect()
        for (fields, starts) in [("", 1), (#","chat_template_kwargs":{"enable_thinking":false}"#, 3)] {
            for _ in 0..<2 {
                let body = #"{"temperature":0,"messages":[{"role":"user","content":"Hi"}]\#(fields)}"#
                #expect(connection.post("/v1/chat/completions", body)?.status == 200)
            }
            #expect(backend.prompts.count == starts, "\(fields)")
        }
    }

    @Test func `a greedy request is answered from the cache`() throws {
        let backend = RecordingBackend(), server = try TestServer(backend) { $0.cachedAnswers = 8 }
        func ask(_ rest: String) throws -> (text: String, cached: Int?) {
            let (text, end) = try server.openStream("/api/chat/guest", #"{"message":"Hi",\#(rest)}"#).read()
            #expect(end?.name == "done")
            return (text, end?.data["cached_tokens"]?.integer)
        }
        #expect(try ask(#""temperature":0"#) == (OneSentenceModel.sentence, 0))
        #expect(try ask(#""temperature":0"#) == (OneSentenceModel.sentence, 3) && backend.prompts.count == 1)
        #expect(try ask(#""temperature":0,"top_k":7,"seed":5"#).cached == 3 && backend.prompts.count == 1)
        #expect(try ask(#""temperature":0,"max_tokens":2"#) == ("Hi", 0) && backend.prompts.count == 2)
        _ = try ask(#""temperature":0.5,"seed":1"#)
        _ = try ask(#""temperature":0.5,"seed":1"#)
        #expect(backend.prompts.count == 4)
        #expect(try ask(#""temperature":0,"ignore_eos":true"#).cached == 0 && backend.prompts.count == 5)
        // Large prompts are not cached.
        let long = #""history":[{"role":"user","content":"\#(String(repeating: "long ", count: 4_000))"}],"temperature":0"#
        _ = try ask(long)
        #expect(try ask(long).cached == 0 && backend.prompts.count == 7)
        server.load()
        #expect(try ask(#""temperature":0"#).cached == 0 && backend.prompts.count == 8)
    }
}
