import Chat
import Files
import Infer
import Testing
import TestSupport
import Tokenize

@Suite struct ChatTests {
    @Test(arguments: [
        ("Hi", .send("Hi")), (" a /b", .send(" a /b")), ("//etc", .send("/etc")), ("  ", .nothing), ("", .nothing),
        ("/reset", .reset), ("/retry ", .retry), ("/undo", .undo), ("/stats", .stats), ("/help", .help), ("/?", .help),
        ("/quit", .quit), ("/exit", .quit), ("/save a b.jsonl ", .save("a b.jsonl")), ("/load x", .load("x")),
        ("/system", .system(nil)), ("/system be kind", .system("be kind")), ("/system -", .system("-")),
        ("/temperature", .temperature(nil)), ("/temperature 0.5", .temperature(0.5)),
    ] as [(String, ChatCommand)])
    func `a line is a message or a command`(line: String, command: ChatCommand) throws {
        #expect(try ChatCommand(line) == command)
    }

    @Test(arguments: [
        ("/stat", "unknown command '/stat'; did you mean /stats? /help lists all commands; // sends a message that begins with a slash."),
        ("/frobnicate x", "unknown command '/frobnicate'. /help lists all commands; // sends a message that begins with a slash."),
        ("/temperature hot", "/temperature: expected a number from 0 to 2, found 'hot'."),
        ("/save", "/save: expected a file name, such as /save chats.jsonl."),
        ("/reset now", "/reset: expected no argument, found 'now'."),
    ])
    func `an invalid command says what was expected`(line: String, message: String) {
        let error = #expect(throws: ChatCommand.Invalid.self) { try ChatCommand(line) }
        #expect(error?.description == message)
    }

    private func answer(_ text: String, _ reason: FinishReason = .stop) -> GenerationResult {
        var result = GenerationResult()
        result.text = text
        result.end = GenerationEnd(reason, promptTokens: 3, answerTokens: 2)
        return result
    }

    private func messages(of request: GenerationRequest?) -> [String] {
        guard case .chat(let messages)? = request?.prompt else { return [] }
        return messages.map { "\($0.role.rawValue): " + String(decoding: $0.text, as: UTF8.self) }
    }

    @Test func `a session keeps the history`() throws {
        var session = ChatSession(config: try GenerationConfig(seed: 7), system: "Be kind.")
        #expect(messages(of: session.request(sending: "Hi")) == ["system: Be kind.", "user: Hi"])
        session.add(answer("Yo"))
        let history = ["system: Be kind.", "user: Hi", "assistant: Yo", "user: And?"]
        #expect(messages(of: session.request(sending: "And?")) == history)
        session.add(answer("Half", .canceled))
        #expect(session.messages.count == 4)
        // A retry has the same messages and another seed.
        let retry = session.requestForRetry()
        #expect(messages(of: retry) == history && retry?.config.seed == 8)
        session.add(answer("", .error(.invalidLogits)))
        #expect(session.messages.count == 2, "a message without an answer is removed")
        #expect(session.undo() && session.messages.isEmpty && !session.undo() && session.requestForRetry() == nil)
        #expect(session.totals.answers == 3 && session.totals.promptTokens == 9 && session.totals.answerTokens == 6)
    }

    @Test func `a saved conversation is loaded with its system message`() throws {
        let folder = TemporaryFolder(), path = folder("chats.jsonl")
        var session = ChatSession(system: "Be \"kind\".\n")
        _ = session.request(sending: "日本\n\\")
        session.add(answer("é"))
        try SavedChat.append(Conversation([.init(.user, "old"), .init(.assistant, "one")]), to: path)
        try SavedChat.append(session.conversation, to: path)
        let text = String(decoding: try InputFile.contents(of: path), as: UTF8.self)
        let messages = #"{"role":"system","content":"Be \"kind\".\n"},{"role":"user","content":"日本\n\\"},"#
            + #"{"role":"assistant","content":"é"}"#
        #expect(text.hasSuffix(#"{"messages":[\#(messages)]}"# + "\n"))
        var other = ChatSession()
        other.resume(try #require(try SavedChat.last(in: path)))
        #expect(other.messages == session.messages && other.system == "Be \"kind\".")
        #expect(throws: (any Error).self) { try SavedChat.last(in: folder("none")) }
    }

    @Test func `a summary has the time and the context use`() {
        var session = ChatSession()
        #expect(ChatSummary(session, context: 64).line == nil)
        _ = session.request(sending: "Hi")
        session.add(answer("Yo", .length))
        #expect(
            ChatSummary(session, context: 64).line
                == "2 tokens in under 1 ms · cut off: token limit or end of context · context 5 of 64")
    }
}
