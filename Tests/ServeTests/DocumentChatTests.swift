import Documents
import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing

/// Chats of accounts, guests and programs that answer from documents.
@Suite struct DocumentChatTests {
    private let documents: DocumentServer
    private var server: TestServer { documents.server }

    init() throws { documents = try DocumentServer() }

    /// The events of a chat by their names, and the whole answer.
    private func events(_ path: String, _ body: String, _ account: [String: String] = [:]) throws -> [String: JSONElement] {
        let stream = try server.openStream(path, body, account)
        var events: [String: JSONElement] = [:], names: [String] = []
        while let event = try stream.next() {
            names.append(event.name)
            events[event.name] = event.data
        }
        #expect(names.first == "start" && (events["sources"] == nil || names[1] == "sources"), "\(names)")
        return events
    }

    private func messages(_ id: String, _ account: [String: String]) throws -> [JSONElement] {
        let found = try #require(server.connect().ask("GET", "/api/conversations/\(id)", account))
        return try #require(found.json()["messages"]?.list)
    }

    @Test func `the passages are in the prompt of the current question, and stored with the answer`() throws {
        let ada = try server.account("ada")
        let first = try events("/api/chat", #"{"message":"How do I reset the pump?","documents":["notes"]}"#, ada)
        let sources = try #require(first["sources"]), id = try #require(first["start"]?["conversation_id"]?.string)
        #expect(documents.backend.prompts == [[DocumentServer.prompt("How do I reset the pump?")]])
        #expect("user: " + (sources["prompt"]?.string ?? "") == documents.lastPrompt && sources["note"] == nil)
        let passage = try #require(sources["passages"]?.list?.first)
        #expect(passage["documents"]?.string == "notes" && passage["file"]?.string == "pump.md" && passage["line"]?.integer == 3)
        #expect(passage["heading"]?.string == "Pump > Reset" && passage["text"]?.string == "Hold the red button.")
        #expect(try #require(sources["words"]?.list).map(\.string) == ["reset", "pump"])
        // The next question has its own passages, and the history none.
        let second = try events("/api/chat", #"{"message":"Where does the valve turn?","conversation_id":"\#(id)"}"#, ada)
        #expect(second["sources"]?.passageTexts == ["The valve turns left."])
        #expect(documents.backend.prompts[1].prefix(2) == ["user: How do I reset the pump?", "assistant: \(OneSentenceModel.sentence)"])
        let third = try events("/api/chat", #"{"message":"Thanks","conversation_id":"\#(id)"}"#, ada)
        #expect(third["sources"]?.passageTexts == [] && documents.lastPrompt == "user: Thanks")
        let note = "No passage fits the question: this answer is not from the documents."
        #expect(third["sources"]?["note"]?.string == note)
        // As they were, when the conversation is opened later.
        let stored = try messages(id, ada)
        let contents = stored.prefix(3).map { $0["content"]?.string }
        #expect(contents == ["How do I reset the pump?", OneSentenceModel.sentence, "Where does the valve turn?"])
        #expect(stored[0]["sources"] == nil && stored[1]["sources"]?.json == sources.json)
        #expect(stored[3]["sources"]?.passageTexts == ["The valve turns left."] && stored[5]["sources"]?["note"]?.string == note)
        let export = try #require(server.connect().ask("GET", "/api/me/export", ada)?.text)
        #expect(export.contains("Hold the red button.") && export.contains(note))
    }

    @Test func `a question that refers to an earlier one is searched together with it`() throws {
        let ada = try server.account("ada")
        let start = try #require(try events("/api/chat", #"{"message":"Reset the pump","documents":["notes"]}"#, ada)["start"])
        let id = try #require(start["conversation_id"]?.string), first = try #require(start["message_id"]?.string)
        func sources(_ members: String) throws -> JSONElement? {
            try events("/api/chat", #"{"conversation_id":"\#(id)",\#(members)}"#, ada)["sources"]
        }
        #expect(try sources(#""message":"Which valve?""#)?.passageTexts == ["The valve turns left.", "Hold the red button."])
        let why = try events("/api/chat", #"{"conversation_id":"\#(id)","message":"And why?"}"#, ada)
        let words = ["valve", "reset", "pump"], question = try #require(why["start"]?["message_id"]?.string)
        #expect(why["sources"]?["words"]?.elements.map { Set($0.compactMap(\.string)) }?.isSuperset(of: words) == true)
        #expect(why["sources"]?.passageTexts.count == 2)
        // Only the questions before it count.
        #expect(try sources(#""regenerate":"\#(question)""#)?.passageTexts == why["sources"]?.passageTexts)
        #expect(try sources(#""regenerate":"\#(first)""#)?.passageTexts == ["Hold the red button."])
        let edited = try sources(#""message":"And why?","replace_from":"\#(first)""#)
        #expect(edited?.passageTexts == [] && edited?["words"]?.elements.map { $0.compactMap(\.string) } == ["and", "why"])

        let history = #"[{"role":"user","content":"Reset the pump"},{"role":"assistant","content":"Done."}]"#
        let guest = try events("/api/chat/guest", #"{"message":"And why?","documents":["notes"],"history":\#(history)}"#)
        #expect(guest["sources"]?.passageTexts == ["Hold the red button."])
        let asked = #"{"messages":\#(history.dropLast()),{"role":"user","content":"And why?"}],"documents":["notes"]}"#
        let completion = try documents.post("/v1/chat/completions", asked)
        #expect(try completion.json()["sources"]?.passageTexts == ["Hold the red button."], "\(completion.text)")
    }

    @Test func `another answer and an edited question keep the documents`() throws {
        let ada = try server.account("ada")
        let start = try #require(try events("/api/chat", #"{"message":"Reset the pump","documents":["notes"]}"#, ada)["start"])
        let id = try #require(start["conversation_id"]?.string), question = try #require(start["message_id"]?.string)
        let again = try events("/api/chat", #"{"conversation_id":"\#(id)","regenerate":"\#(question)"}"#, ada)
        #expect(again["sources"]?.passageTexts == ["Hold the red button."])
        #expect(documents.backend.prompts == Array(repeating: [DocumentServer.prompt("Reset the pump")], count: 2))
        let answers = try messages(id, ada)
        #expect(answers.count == 2 && answers[1]["sources"]?.passageTexts == ["Hold the red button."])
        let edited = try events(
            "/api/chat", #"{"conversation_id":"\#(id)","message":"Turn the valve","replace_from":"\#(question)"}"#, ada)
        #expect(edited["sources"]?.passageTexts == ["The valve turns left."])
        let missing = try documents.post("/api/chat", #"{"conversation_id":"\#(id)","regenerate":"\#(id)"}"#, ada)
        #expect(missing.status == 422 && missing.error.field == "regenerate")
    }

    @Test func `a conversation's documents are chosen, changed and given up`() throws {
        let ada = try server.account("ada"), connection = try server.connect()
        let made = try #require(connection.post("/api/conversations", #"{"documents":["notes"]}"#, ada))
        #expect(try made.status == 201 && made.json()["documents"]?.elements.map { $0.compactMap(\.string) } == ["notes"])
        let id = try #require(try made.json()["id"]?.string)
        #expect(try events("/api/chat", #"{"message":"valve","conversation_id":"\#(id)"}"#, ada)["sources"] != nil)
        func change(_ body: String) throws -> RawHTTPConnection.Answer { try server.ask("PATCH", "/api/conversations/\(id)", body, ada) }
        #expect(try change(#"{"documents":[]}"#).status == 200)
        #expect(try events("/api/chat", #"{"message":"valve","conversation_id":"\#(id)"}"#, ada)["sources"] == nil)
        for (body, status) in [(#"{"documents":["other"]}"#, 404), (#"{"documents":"notes"}"#, 422), (#"{"documents":[1]}"#, 422)] {
            let answer = try change(body)
            #expect(answer.status == status && answer.error.field == "documents", "\(answer.text)")
        }
        let known = try documents.post("/api/chat", #"{"message":"x","conversation_id":"\#(id)","documents":["notes"]}"#, ada)
        #expect(known.status == 422 && known.error.field == "documents", "only a new conversation's are chosen with a message")
    }

    @Test func `a conversation whose documents are gone says so, and nothing is stored`() throws {
        let ada = try server.account("ada")
        let start = try events("/api/chat", #"{"message":"valve","documents":["notes"]}"#, ada)["start"]
        let id = try #require(start?["conversation_id"]?.string)
        let later = try TestServer(database: "sqlite:" + server.folder("chats.db"), signingKey: server.signingKey)
        let answer = try #require(try later.connect().post("/api/chat", #"{"message":"pump","conversation_id":"\#(id)"}"#, ada))
        #expect(answer.status == 404 && answer.error.code == "documents_not_found")
        #expect(answer.error.message == "Unknown documents 'notes': this server has none.")
        let library = LibraryID().description, body = #"{"message":"x","documents":["\#(library)"]}"#
        let unknown = try later.ask("POST", "/api/chat", body, ada)
        #expect(unknown.status == 404 && unknown.error.code == "documents_not_found" && unknown.error.field == "documents")
        #expect(unknown.error.message == "Unknown documents '\(library)': they were deleted, or are not shared with you.")
        #expect(try messages(id, ada).count == 2)
    }

    @Test func `guests choose documents for each message`() throws {
        let found = try events("/api/chat/guest", #"{"message":"Reset the pump","documents":["notes"]}"#)
        #expect(found["sources"]?.passageTexts == ["Hold the red button."])
        #expect(documents.lastPrompt == DocumentServer.prompt("Reset the pump"))
        #expect(try events("/api/chat/guest", #"{"message":"Reset the pump"}"#)["sources"] == nil)
        #expect(try events("/api/chat/guest", #"{"message":"Reset the pump","documents":[]}"#)["sources"] == nil)
        #expect(documents.lastPrompt == "user: Reset the pump")
        #expect(try documents.post("/api/chat/guest", #"{"message":"x","documents":["other"]}"#).status == 404)
    }

    @Test func `answers from passages are not collected, because the chat log has no passages`() throws {
        let documents = try DocumentServer(collecting: true), ada = try documents.server.account("ada")
        for question in ["Reset the pump", "Thanks"] {
            let body = #"{"message":"\#(question)","documents":["notes"]}"#
            for stream in [
                try documents.server.openStream("/api/chat", body, ada), try documents.server.openStream("/api/chat/guest", body, [:]),
            ] { while try stream.next() != nil {} }
        }
        try eventually { try documents.server.chatLines.count == 2 }
        #expect(try documents.server.chatLines.allSatisfy { $0.contains("Thanks") })
    }

    @Test func `programs get the sources with the answer`() throws {
        let question = #""messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Reset the pump"}]"#
        let whole = try documents.post("/v1/chat/completions", #"{\#(question),"documents":["notes"],"n":2}"#)
        #expect(try whole.status == 200 && whole.json()["sources"]?.passageTexts == ["Hold the red button."], "\(whole.text)")
        #expect(documents.backend.prompts.map { $0 } == Array(
            repeating: ["system: Be kind.", DocumentServer.prompt("Reset the pump")], count: 2))
        let stream = try documents.post("/v1/chat/completions", #"{\#(question),"documents":["notes"],"stream":true}"#)
        let chunks = try stream.data.dropLast().map { try JSONElement(parsing: $0) }
        #expect(chunks.last?["sources"]?.passageTexts == ["Hold the red button."] && chunks.dropLast().allSatisfy { $0["sources"] == nil })
        #expect(try documents.post("/v1/chat/completions", "{\(question)}").json()["sources"] == nil)
        let unknown = try documents.post("/v1/chat/completions", #"{\#(question),"documents":["other"]}"#)
        #expect(try unknown.status == 404 && unknown.json()["error"]?["param"]?.string == "documents")
        let answered = #"{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}],"documents":["notes"]}"#
        #expect(try documents.post("/v1/chat/completions", answered).status == 400)
    }

    /// Each byte of the test's tokenizer is a token, and so is each special token.
    @Test func `special tokens in passages are text for the model of a server`() throws {
        let folder = TemporaryFolder()
        let backend = try LocalBackend(of: OneSentenceModel.checkpoint(context: 2_000))
        func promptTokens(_ text: String) throws -> Int {
            folder.write("The pump says \(text) to all.\n", to: "a.txt")
            try DocumentServer.build(folder("a.txt"), at: folder("a.index"))
            let index = try SharedIndex(folder("a.index"), named: "a")
            let server = try TestServer(backend, modelInfo: backend.model) { $0.documents = ServedDocuments([index]) }
            let body = #"{"messages":[{"role":"user","content":"pump"}],"documents":["a"],"max_tokens":1}"#
            let answer = try #require(server.connect().post("/v1/chat/completions", body))
            #expect(try answer.json()["sources"]?.passageTexts == ["The pump says \(text) to all."], "\(answer.text)")
            return try #require(answer.json()["usage"]?["prompt_tokens"]?.integer)
        }
        let usual = try promptTokens("xxxxxxxxxxxxx")
        #expect(usual > 200)
        for token in ["<|eos|>xxxxxx", "<|user|>xxxxx", "<|assistant|>"] { #expect(try promptTokens(token) == usual, "\(token)") }
    }
}
