import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing

/// What is asked, and what is wrong with it.
@Suite struct RequestTests {
    @Test func `a guest's history is read, what the system says with it, and nothing is stored`() throws {
        let backend = HeardBackend(), stage = try ServeStage(backend)
        let history = #"[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#
        let listener = try stage.listen("/api/chat/guest", #"{"message":"c","history":\#(history)}"#)
        let start = try #require(try listener.next())
        #expect(start.name == "start" && start.data["conversation_id"] == nil && start.data["prompt_tokens"]?.integer == 8)
        let (text, end) = try listener.hears()
        #expect(
            text == OneSentenceModel.sentence && end?.name == "done"
                && backend.prompts == [["system: S", "user: a", "assistant: b", "user: c"]])
        let totals = try stage.store.admin.totals()
        #expect(totals.conversations == 0 && totals.messages == 0)
    }

    @Test func `nanogpt-chat's answer is one object, and is collected`() throws {
        let stage = try ServeStage(collecting: true)
        #expect(try stage.wire().ask("GET", "/stats")?.text == #"{"count":0,"ready":false,"collecting":true}"#)
        for i in 1...10 {
            let answer = try stage.wire().post("/chat", #"{"message":"one","temperature":0}"#)
            #expect(try answer?.json()["response"]?.string == OneSentenceModel.sentence && answer?.json()["chat_count"]?.integer == i)
        }
        #expect(try stage.wire().ask("GET", "/stats")?.text == #"{"count":10,"ready":true,"collecting":true}"#)
        let discreet = try ServeStage()
        #expect(try discreet.wire().ask("GET", "/stats")?.text == #"{"count":0,"ready":false,"collecting":false}"#)
    }

    @Test func `an answer that was cut is not collected`() throws {
        let stage = try ServeStage(collecting: true), ada = try stage.account("ada")
        #expect(try stage.listen("/api/chat/guest", #"{"message":"one","max_tokens":2}"#).hears().last?.data["reason"]?.string == "length")
        #expect(try stage.chat(#"{"message":"one","max_tokens":2}"#, as: ada).text == "Hi")
        try stage.chat(#"{"message":"one","stop":["y"]}"#, as: ada)
        try eventually { stage.chatLog?.count == 1 }
    }

    static let wrong: [(field: String, json: String)] = [
        ("message", #""message":"""#), ("message", #""message":"  \n""#), ("message", #""message":5"#), ("message", #""message":null"#),
        ("message", ""),
        ("max_tokens", #""max_tokens":0"#), ("max_tokens", #""max_tokens":1.5"#), ("max_tokens", #""max_tokens":"5""#),
        ("max_tokens", #""max_tokens":1e99"#),
        ("temperature", #""temperature":-0.1"#), ("temperature", #""temperature":2.1"#), ("temperature", #""temperature":"hot""#),
        ("top_k", #""top_k":-1"#), ("top_k", #""top_k":true"#), ("top_p", #""top_p":0"#), ("top_p", #""top_p":1.1"#),
        ("min_p", #""min_p":-0.1"#), ("min_p", #""min_p":1.1"#),
        ("repetition_penalty", #""repetition_penalty":0"#), ("frequency_penalty", #""frequency_penalty":2.5"#),
        ("presence_penalty", #""presence_penalty":-2.5"#),
        ("stop", #""stop":"""#), ("stop", #""stop":5"#), ("stop", #""stop":["a",5]"#), ("stop", #""stop":["a",""]"#),
        ("stop", #""stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]"#),
        ("seed", #""seed":-1"#), ("seed", #""seed":18446744073709551616"#), ("seed", #""seed":"x""#), ("ignore_eos", #""ignore_eos":1"#),
        ("temprature", #""temprature":1"#),
    ]

    @Test(arguments: ["/api/chat", "/api/chat/guest", "/chat"]) func `a wrong field is named`(_ target: String) throws {
        let stage = try ServeStage(), ada = try stage.account("ada"), wire = try stage.wire()
        for (field, json) in Self.wrong {
            let body = field == "message" ? "{\(json)}" : #"{"message":"Hi",\#(json)}"#, answer = wire.post(target, body, ada)
            #expect(
                answer?.status == 422 && answer?.error.code == "invalid" && answer?.error.field == field,
                "\(body): \(answer?.text ?? "nothing")")
            #expect(answer?.error.message?.hasPrefix(field) ?? false, "\(answer?.text ?? "")")
        }
        let long = wire.post(target, #"{"message":"\#(String(repeating: "a", count: 100_001))"}"#, ada)
        #expect(long?.status == 422 && long?.error.field == "message")
        // null says nothing, and a whole number may be written with a point.
        let fine = wire.post(
            target, #"{"message":"Hi","max_tokens":3.0,"temperature":null,"stop":null,"seed":18446744073709551615,"ignore_eos":false}"#, ada
        )
        #expect(fine?.status == 200)
    }

    @Test func `wrong turns of a history are named by their place`() throws {
        let stage = try ServeStage(), wire = try stage.wire()
        for (field, history) in [
            ("history", #""x""#), ("history[0]", "[5]"), ("history[0].role", "[{}]"),
            ("history[0].role", #"[{"role":"tool","content":""}]"#),
            ("history[1].content", #"[{"role":"user","content":"a"},{"role":"user"}]"#),
            ("history[0].name", #"[{"role":"user","content":"a","name":"b"}]"#),
            ("history", "[" + Array(repeating: #"{"role":"user","content":""}"#, count: 1_001).joined(separator: ",") + "]"),
        ] {
            let answer = wire.post("/api/chat/guest", #"{"message":"Hi","history":\#(history)}"#)
            #expect(answer?.status == 422 && answer?.error.field == field, "\(answer?.text ?? "")")
        }
        #expect(wire.post("/api/chat", #"{"message":"Hi","history":[]}"#, try stage.account("ada"))?.error.field == "history")
    }

    @Test func `what is no JSON object, or does not say so, is refused`() throws {
        let stage = try ServeStage(), wire = try stage.wire()
        for body in [
            "", "{", "[]", "5", #""x""#, "null", #"{"message":"a"} x"#, #"{"message":"\xff"}"#, #"{"message":"\ud800"}"#,
            String(repeating: "[", count: 100_000),
        ] {
            #expect(wire.post("/api/chat/guest", body)?.status == 400, "\(body.prefix(20))")
        }
        for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""] {
            let answer = wire.ask("POST", "/api/chat/guest", ["Content-Type": type], body: #"{"message":"Hi"}"#)
            #expect(answer?.status == 415 && answer?.error.code == "unsupported_media_type")
        }
        #expect(wire.ask("POST", "/api/chat/guest", body: #"{"message":"Hi"}"#)?.status == 415)
        #expect(
            wire.ask("POST", "/api/chat/guest", ["Content-Type": "Application/JSON ; charset=utf-8"], body: #"{"message":"Hi"}"#)?.status
                == 200)
    }

    @Test func `other paths and methods`() throws {
        let stage = try ServeStage(), wire = try stage.wire()
        #expect(wire.ask("GET", "/api/nothing")?.error.code == "not_found")
        let other = wire.ask("PUT", "/api/chat", body: "{}")
        #expect(other?.status == 405 && other?.headers["allow"] == "POST" && other?.error.code == "method_not_allowed")
        let head = wire.ask("HEAD", "/api/health")
        #expect(head?.status == 200 && head?.body.isEmpty ?? false)
    }

    @Test func `the same question drawn without chance is answered from memory`() throws {
        let backend = HeardBackend(), stage = try ServeStage(backend) { $0.rememberedAnswers = 8 }
        func ask(_ rest: String) throws -> (text: String, cached: Int?) {
            let (text, end) = try stage.listen("/api/chat/guest", #"{"message":"Hi",\#(rest)}"#).hears()
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
        // What would take much memory is not kept.
        let long = #""history":[{"role":"user","content":"\#(String(repeating: "long ", count: 4_000))"}],"temperature":0"#
        _ = try ask(long)
        #expect(try ask(long).cached == 0 && backend.prompts.count == 7)
        stage.load()
        #expect(try ask(#""temperature":0"#).cached == 0 && backend.prompts.count == 8)
    }
}
