import Infer
import JSON
import Serve
import TestSupport
import Testing
import Tokenize

/// A model that is served with two LoRA adapters, which requests choose by name.
@Suite struct ServedAdapterTests {
    private func server(with change: (inout ServeSettings) -> Void = { _ in }) throws -> TestServer {
        try TestServer(
            ScriptedBackend("base"), adapters: [("red", ScriptedBackend("red")), ("blue", ScriptedBackend("blue"))], with: change)
    }

    @Test func `the list of models has the model and its adapters`() throws {
        let server = try server(), connection = try server.connect()
        let names = ["test-model", "test-model:red", "test-model:blue"]
        let list = try #require(connection.ask("GET", "/v1/models")).json()
        #expect(list["data"]?.elements?.map { $0["id"]?.string } == names)
        for target in ["/v1/models/test-model:red", "/v1/models/test-model%3Ared"] {
            #expect(try connection.ask("GET", target)?.json()["id"]?.string == "test-model:red")
        }
        #expect(connection.ask("GET", "/v1/models/test-model:green")?.status == 404)
        let health = try #require(connection.ask("GET", "/api/health")).json()
        #expect(health["models"]?.elements?.map(\.string) == names && health["model"]?.string == "test-model")
    }

    @Test(
        "a request chooses by the model's name",
        arguments: [
            (#""model":"test-model:red","#, "red", "test-model:red"), (#""model":"default:blue","#, "blue", "test-model:blue"),
            (#""model":"test-model","#, "base", "test-model"), (#""model":"default","#, "base", "test-model"), ("", "base", "test-model"),
        ])
    func choice(field: String, text: String, name: String) throws {
        let server = try server(), connection = try server.connect()
        let chat = try #require(connection.post(
            "/v1/chat/completions", #"{\#(field)"messages":[{"role":"user","content":"Hello"}]}"#)).json()
        #expect(chat["choices"]?.list?.first?["message"]?["content"]?.string == text && chat["model"]?.string == name)
        let completion = try #require(connection.post("/v1/completions", #"{\#(field)"prompt":"Hello"}"#)).json()
        #expect(completion["choices"]?.list?.first?["text"]?.string == text && completion["model"]?.string == name)
        #expect(try connection.post("/chat", #"{\#(field)"message":"Hello"}"#)?.json()["response"]?.string == text)
        #expect(try server.openStream("/api/chat/guest", #"{\#(field)"message":"Hello"}"#).read().text == text)
        let ada = try server.account("ada")
        #expect(try server.chat(#"{\#(field)"message":"Hello"}"#, as: ada).text == text)
        let metrics = try #require(connection.ask("GET", "/metrics")).text
        #expect(metrics.contains("slm_model_answers_total{model=\"\(name)\"} 5\n"))
        #expect(metrics.contains("slm_model_tokens_generated_total{model=\"\(name)\"} \(5 * text.count)\n"))
    }

    @Test func `an unknown name is an error that lists the known ones`() throws {
        let server = try server(), connection = try server.connect(), model = #""model":"test-model:green""#
        let requests = [
            ("/v1/chat/completions", #"{\#(model),"messages":[{"role":"user","content":"Hello"}]}"#),
            ("/v1/completions", #"{\#(model),"prompt":"Hello"}"#), ("/api/chat/guest", #"{\#(model),"message":"Hello"}"#),
            ("/chat", #"{\#(model),"message":"Hello"}"#), ("/tokenize", #"{\#(model),"text":"Hello"}"#),
        ]
        for (target, body) in requests {
            let answer = try #require(connection.post(target, body))
            let error = try answer.json()["error"]
            #expect(answer.status == 404 && error?["code"]?.string == "model_not_found", "\(target): \(answer.text)")
            let expected = "Unknown model: expected test-model, test-model:red or test-model:blue."
            #expect(error?["message"]?.string == expected, "\(target)")
        }
    }

    @Test func `cached answers belong to one model`() throws {
        let server = try server { $0.cachedAnswers = 10 }, connection = try server.connect()
        func text(_ name: String) throws -> String? {
            try connection.post("/chat", #"{"model":"\#(name)","message":"Hello","temperature":0}"#)?.json()["response"]?.string
        }
        let names = ["test-model", "test-model:red", "test-model:blue"]
        for _ in 0..<2 { #expect(try names.map { try text($0) } == ["base", "red", "blue"]) }
    }
}
