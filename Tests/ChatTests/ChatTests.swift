import Chat
import Files
import Infer
import Testing
import TestSupport
import Tokenize

@Suite struct ChatTests {
    @Test func `a line is said, or is a command`() throws {
        let lines: [(String, ChatCommand)] = [
            ("Hi", .say("Hi")), (" a /b", .say(" a /b")), ("//etc", .say("/etc")), ("  ", .nothing), ("", .nothing), ("/reset", .reset),
            ("/retry ", .retry), ("/undo", .undo),
            ("/stats", .stats), ("/help", .help), ("/?", .help), ("/quit", .quit), ("/exit", .quit),
            ("/save a b.jsonl ", .save("a b.jsonl")), ("/load x", .load("x")),
            ("/system", .system(nil)), ("/system be kind", .system("be kind")), ("/system -", .system("-")),
            ("/temperature", .temperature(nil)), ("/temperature 0.5", .temperature(0.5)),
        ]
        for (line, command) in lines { #expect(try ChatCommand(line) == command, "\(line)") }
    }

    @Test(arguments: [
        ("/stat", "unknown command '/stat'; did you mean /stats? /help shows all; // begins a line that is said with a slash."),
        ("/frobnicate x", "unknown command '/frobnicate'. /help shows all; // begins a line that is said with a slash."),
        ("/temperature hot", "/temperature: expected a number from 0 to 2, found 'hot'."),
        ("/save", "/save needs the name of a file: /save chats.jsonl"),
        ("/reset now", "/reset takes nothing behind it, found 'now'."),
    ])
    func `what is not understood is answered with what would be`(line: String, sentence: String) {
        let error = #expect(throws: ChatCommand.Unknown.self) { try ChatCommand(line) }
        #expect(error?.description == sentence)
    }

    private func answer(_ text: String, _ reason: FinishReason = .stop) -> GenerationResult {
        var answer = GenerationResult()
        answer.text = text
        answer.end = GenerationEnd(reason, promptTokens: 3, answerTokens: 2)
        return answer
    }

    private func asked(_ request: GenerationRequest?) -> [String] {
        guard case .chat(let messages)? = request?.prompt else { return [] }
        return messages.map { "\($0.role.rawValue): " + String(decoding: $0.text, as: UTF8.self) }
    }

    @Test func `a session knows what was said`() throws {
        var session = ChatSession(config: try GenerationConfig(seed: 7), system: "Be kind.")
        #expect(asked(session.ask("Hi")) == ["system: Be kind.", "user: Hi"])
        session.take(answer("Yo"))
        #expect(asked(session.ask("And?")) == ["system: Be kind.", "user: Hi", "assistant: Yo", "user: And?"])
        session.take(answer("Half", .cancelled))
        #expect(session.messages.count == 4)
        // Once more: the same question, drawn with another seed.
        let again = session.askAgain()
        #expect(asked(again) == ["system: Be kind.", "user: Hi", "assistant: Yo", "user: And?"] && again?.config.seed == 8)
        session.take(answer("", .error(.invalidLogits)))
        #expect(session.messages.count == 2, "a question without an answer is forgotten")
        #expect(session.undo() && session.messages.isEmpty && !session.undo() && session.askAgain() == nil)
        #expect(session.totals.answers == 3 && session.totals.promptTokens == 9 && session.totals.answerTokens == 6)
    }

    @Test func `what was saved is loaded, also with what the system says`() throws {
        let folder = TemporaryFolder(), path = folder("chats.jsonl")
        var session = ChatSession(system: "Be \"kind\".\n")
        _ = session.ask("日本\n\\")
        session.take(answer("é"))
        try SavedChat.add(Conversation([.init(.user, "old"), .init(.assistant, "one")]), to: path)
        try SavedChat.add(session.conversation, to: path)
        let text = String(decoding: try InputFile.contents(of: path), as: UTF8.self)
        #expect(
            text.hasSuffix(
                #"{"messages":[{"role":"system","content":"Be \"kind\".\n"},{"role":"user","content":"日本\n\\"},{"role":"assistant","content":"é"}]}"#
                    + "\n"))
        var other = ChatSession()
        other.resume(try #require(try SavedChat.last(in: path)))
        #expect(other.messages == session.messages && other.system == "Be \"kind\".")
        #expect(throws: (any Error).self) { try SavedChat.last(in: folder("none")) }
    }

    @Test func `a summary says how long it took and what of the context is used`() {
        var session = ChatSession()
        #expect(ChatSummary(session, context: 64).line == nil)
        _ = session.ask("Hi")
        session.take(answer("Yo", .length))
        #expect(
            ChatSummary(session, context: 64).line == "2 tokens in 0.00 s · cut: no more tokens were asked for, or fit · context 5 of 64")
    }
}
