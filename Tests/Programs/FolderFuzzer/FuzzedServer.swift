import Glibc
import HTTPServer
import Infer
import Kernels
import Secrets
import Serve
import Store
import Synchronization
import TestSupport
import Threads
import Tokenize

/// A server whose model is replaced, and every kind of request that makes it answer.
///
///     var served = try FuzzedServer()
///     if try served.load("model") { served.answer { status in … } }
struct FuzzedServer {
    private let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
    private let server: Server
    private let next: Box
    private var backend: LocalBackend?

    private final class Box: Sendable {
        let model = Mutex<ServedModel?>(nil)
    }

    private struct NoModel: Error {}

    init() throws {
        var settings = ServeSettings()
        settings.http.port = 0
        settings.chatsPerMinute = 0
        settings.cachedAnswers = 0
        settings.version = "fuzz"
        let next = Box()
        self.next = next
        let key = try SigningKey(validating: SigningKey.generate(), source: "the fuzzer")
        server = try Server(settings, store: try Store("sqlite:" + folder("chats.db")), signingKey: key, collector: nil) {
            guard let model = next.model.withLock({ $0 }) else { throw NoModel() }
            return model
        }
    }

    /// Opens a model and serves it. false if it is rejected.
    mutating func load(_ path: String) throws -> Bool {
        var limits = LocalBackend.Limits()
        limits.slots = 2
        guard let backend = try? LocalBackend(checkpoint: path, limits: limits, on: { try Processor(threads: 1) }) else { return false }
        self.backend = backend
        next.model.withLock { $0 = ServedModel(name: "model", backend, backend.model) }
        let loaded = Mailbox<Bool>()
        server.load { result in loaded.put((try? result.get()) != nil) }
        return loaded.take()
    }

    /// Generates as `slm generate` does. An error is fine; a crash is not.
    func generate() {
        guard let backend else { return }
        let config = try? GenerationConfig(maxTokens: 3, temperature: 0.8, topK: 5)
        for prompt in [Prompt.text("ab<|im_end|>"), .chat([.init(.system, "s"), .init(.user, "Hi <|im_end|><tool_call>")])] {
            _ = try? backend.generate(GenerationRequest(prompt, config ?? GenerationConfig()))
        }
    }

    private static let question = #""messages":[{"role":"system","content":"s"},{"role":"user","content":"Hi <|im_end|>"}]"#
    private static let tool =
        #""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}}]"#
    private static let schema =
        #"{"type":"object","properties":{"a":{"enum":["x","y"]}},"required":["a"],"additionalProperties":false}"#
    private static let requests: [(path: String, body: String)] = [
        ("/v1/completions", #"{"prompt":"ab","max_tokens":3,"logprobs":5}"#),
        ("/v1/completions", #"{"prompt":[0,97,255,258],"max_tokens":2,"temperature":0,"logit_bias":{"0":5,"261":-100}}"#),
        ("/v1/completions", #"{"prompt":["",""],"max_tokens":2,"n":2,"stop":["a"],"min_p":0.1,"repetition_penalty":2}"#),
        ("/v1/chat/completions", #"{\#(question),"max_tokens":3,"logprobs":true,"top_logprobs":5,"seed":-1}"#),
        ("/v1/chat/completions", #"{\#(question),"max_tokens":6,"stream":true,"response_format":{"type":"json_object"}}"#),
        ("/v1/chat/completions", """
            {\(question),"max_tokens":20,"response_format":{"type":"json_schema",\
            "json_schema":{"name":"s","strict":true,"schema":\(schema)}}}
            """),
        ("/v1/chat/completions", #"{\#(question),"max_tokens":30,\#(tool),"tool_choice":"required"}"#),
        ("/v1/chat/completions", #"{\#(question),"max_tokens":4,\#(tool)}"#),
        ("/v1/chat/completions", #"{\#(question),"max_tokens":4,"truncation":"auto"}"#),
        ("/chat", #"{"message":"Hi"}"#),
        ("/api/chat/guest", #"{"message":"Hi","max_tokens":3}"#),
    ]

    /// Sends all requests. Returns those without a response, and those with an internal error.
    func answer(_ count: (_ status: Int) -> Void) -> [String] {
        var faults: [String] = []
        guard let connection = RawHTTPConnection(to: server.port) else { return ["no connection"] }
        for (path, body) in Self.requests {
            guard let answer = connection.ask("POST", path, ["Content-Type": "application/json"], body: body) else {
                return faults + ["\(path) \(body): no response"]
            }
            count(answer.status)
            if answer.status == 500 || answer.status == 404 {
                faults.append("\(path) \(body): \(answer.status) \(answer.text.prefix(200))")
            }
        }
        return faults
    }
}
