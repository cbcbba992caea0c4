import Checkpoint
import Files
import Foundation
import Infer
import Testing
import TestSupport
import Threads

/// The output of `slm generate` and `slm chat`, with a model that generates one sentence.
@Suite struct GenerationCommandTests {
    private let folder = TemporaryFolder()
    private let model: String

    init() throws {
        model = folder("parrot.h5")
        try OneSentenceModel.checkpoint().write(to: model)
    }

    private func generate(_ arguments: String..., input: String? = nil) throws -> Outcome {
        try slm(["generate", "--checkpoint", model, "--temperature", "0"] + arguments, input: input.map { Data($0.utf8) })
    }

    @Test func `a text is completed, a message is answered`() throws {
        #expect(try generate("--user", "Hello").output == OneSentenceModel.sentence + "\n")
        #expect(try generate("--prompt", "Hi").output == ", you!é日\n")
        #expect(try generate("--prompt", "Hi", "--echo", "--max-tokens", "3").output == "Hi, y\n")
        #expect(try generate(input: "Hi,\n").output == " you!é日\n")
        for empty in ["", "\n", " \n"] {
            let refused = try generate(input: empty)
            #expect(refused.status == 2 && refused.errors.contains("expected a prompt on standard input, found an empty text"))
        }
        #expect(try generate("--chat", input: "What?\n").output == OneSentenceModel.sentence + "\n")
        #expect(try generate("--user", "Hello", "--stop", "ou", "xyz").output == "Hi, y\n")
    }

    @Test func `a draft model guesses tokens of the same answer`() throws {
        let drafted = try generate("--user", "Hello", "--draft", model, "--speculate", "always", "--json")
        let line = try #require(try objects(drafted).first), guesses = try #require(line["guesses"] as? [String: Int])
        #expect(line["text"] as? String == OneSentenceModel.sentence && (guesses["right"] ?? 0) > 5)
        let missing = try generate("--user", "Hello", "--draft", folder("none.h5"))
        #expect(missing.status == 1 && missing.errors.contains(folder("none.h5")))
        let remote = try slm("generate", "--backend", "openai:http://127.0.0.1:1", "--user", "Hello", "--draft", model)
        #expect(remote.status == 2 && remote.errors.contains("--draft: expected with a checkpoint, found with --backend"))
    }

    @Test func `a text that the model ends at once comes with a note`() throws {
        for (options, isNoted) in [([], true), (["--quiet"], false)] {
            let ended = try slm(["generate", model, "--temperature", "0", "--prompt", OneSentenceModel.sentence] + options)
            #expect(ended.output == "\n" && ended.errors.contains("ended the text at once") == isNoted, "\(ended.errors)")
        }
    }

    @Test func `prompts are answered in their order`() throws {
        folder.write("H\nHi\n\nyou\n", to: "prompts.txt")
        #expect(try generate("--prompts", folder("prompts.txt")).output == "i, you!é日\n, you!é日\n!é日\n")
        let several = try objects(
            generate("--prompts", "-", "--chat", "--json", "--max-tokens", "2", input: (0..<40).map { "\($0)\n" }.joined()))
        #expect(several.count == 40 && several.allSatisfy { $0["text"] as? String == "Hi" && $0["finish_reason"] as? String == "length" })
    }

    @Test func `answers are JSON of a schema`() throws {
        folder.write(#"{"type": "array", "prefixItems": [{"enum": ["Hi", 7]}], "minItems": 1}"#, to: "schema.json")
        for prompt in [["--user", "Hello"], ["--prompt", "Hi"], ["--prompts", "-", "--chat"]] {
            let arguments = ["--json-schema", folder("schema.json"), "--checkpoint", model, "--temperature", "0"]
            let output = try slm(["generate"] + prompt + arguments, input: Data("Hello\n".utf8)).output
            #expect([#"["Hi"]"#, "[7]"].contains(output.filter { !$0.isWhitespace }), "\(output)")
        }
    }

    @Test(arguments: [
        (#"{"uniqueItems": true}"#, ".uniqueItems: not supported in a strict schema."),
        (#"{"type": "#, "found text that is not JSON: at byte 9"),
        ("7", "the whole schema: expected a schema, found a number."),
    ])
    func `an invalid schema is an error that names its file`(schema: String, message: String) throws {
        folder.write(schema, to: "schema.json")
        let outcome = try generate("--user", "Hello", "--json-schema", folder("schema.json"))
        #expect(outcome.status == 1 && outcome.errors.hasPrefix("slm: \(folder("schema.json"))") && outcome.errors.contains(message),
                "\(outcome.errors)")
    }

    @Test func `a JSON object has the documented keys`() throws {
        let line = try #require(try objects(generate("--user", "Hello", "--json", "--logprobs", "1")).first)
        #expect(line.keys.sorted() == ["answer_tokens", "finish_reason", "logprobs", "prompt_tokens", "text", "timings", "tokens"])
        #expect(
            line["text"] as? String == OneSentenceModel.sentence && line["prompt_tokens"] as? Int == 7
                && line["finish_reason"] as? String == "stop")
        #expect(line["tokens"] as? [Int] == OneSentenceModel.sentence.utf8.map { Int($0) } && line["answer_tokens"] as? Int == 13)
        let first = try #require((line["logprobs"] as? [[String: Any]])?.first)
        #expect(first["token"] as? String == "H" && first["id"] as? Int == 72 && (first["top"] as? [[String: Any]])?.count == 1)
        #expect((line["timings"] as? [String: Double])?.keys.sorted() == ["answer_s", "prompt_s", "waited_s"])
    }

    /// 0xC3 is the first byte of "é".
    @Test(arguments: [["--user", "Hello"], ["--prompt", "H"]])
    func `a JSON object lists every token, also at the end in the middle of a character`(prompt: [String]) throws {
        let answer = prompt[0] == "--user" ? "Hi, you!" : "i, you!", count = answer.utf8.count + 1
        let options = ["--temperature", "0", "--json", "--logprobs", "1", "--max-tokens", "\(count)"]
        let line = try #require(try objects(slm(["generate", "--checkpoint", model] + options + prompt)).first)
        #expect(line["text"] as? String == answer && line["finish_reason"] as? String == "length")
        #expect(line["tokens"] as? [Int] == answer.utf8.map { Int($0) } + [0xC3] && line["answer_tokens"] as? Int == count)
        let last = try #require((line["logprobs"] as? [[String: Any]])?.last)
        #expect(last["id"] as? Int == 0xC3 && last["bytes"] as? [Int] == [0xC3] && (last["logprob"] as? Double ?? -1) > -0.01)
    }

    @Test func `a shorter context limits prompt and answer together`() throws {
        let long = String(repeating: "Hi, you! ", count: 3)
        func counts(_ options: String...) throws -> [Int] {
            let arguments = ["generate", "--checkpoint", model, "--temperature", "0", "--json", "--prompt", long] + options
            let line = try #require(try objects(slm(arguments)).first)
            return try ["prompt_tokens", "answer_tokens"].map { try #require(line[$0] as? Int) }
        }
        #expect(try counts("--max-tokens", "2")[0] == long.utf8.count)
        for context in [16, 20] {
            let limited = try counts("--context", "\(context)")
            #expect(limited[0] == context * 3 / 4 && limited[0] + limited[1] <= context, "\(limited)")
        }
        // More than the model has.
        #expect(try counts("--context", "100000", "--max-tokens", "2")[0] == long.utf8.count)
    }

    @Test func `the same seed gives the same text`() throws {
        let outputs = try ["1", "1", "2", "3", "4"].map {
            try slm(
                "generate", "--checkpoint", model, "--user", "Hello", "--temperature", "2", "--top-k", "0", "--top-p", "1", "--seed", $0
            ).output
        }
        #expect(outputs[0] == outputs[1] && Set(outputs).count > 1)
    }

    @Test(arguments: [
        (["--prompt", "a", "--temperature", "3"], "slm: --temperature: expected a number from 0 to 2, found 3.0.\n"),
        (["--prompt", "a", "--top-p", "1.5"], "slm: --top-p: expected a number from 0 to 1, found 1.5.\n"),
        (["--prompt", "a", "--max-tokens", "0"], "slm: --max-tokens: expected at least 1, found 0.\n"),
        (
            ["--prompt", "a", "--logit-bias", "7"],
            "slm: --logit-bias: expected a token id and its bias, such as 17=-100, found '7'.\n"
        ),
        (["--prompt", "a", "--user", "b"], "slm generate: expected one of --prompt, --user and --prompts, found several.\n"),
        (["--prompt", "a", "--logprobs", "1"], "slm generate: --logprobs needs --json.\n"),
        (["--prompt", "a", "--system", "b"], "slm generate: --system needs a chat: --user TEXT or --chat.\n"),
        (["--prompt", "a", "--backend", "gguf:x"], "slm generate: --backend: expected openai:URL, found 'gguf:x'.\n"),
        (["--prompt", "a", "--context", "15"], "slm: --context: expected a whole number from 16 to 16777216, found '15'.\n"),
        (
            ["--prompt", "a", "--context", "16", "--backend", "openai:http://127.0.0.1:1"],
            "slm generate: --context limits a checkpoint, and --backend has a limit of its own.\n"
        ),
        (
            ["--prompt", "a", "--backend", "openai:x", "--checkpoint", "y"],
            "slm generate: expected --checkpoint or --backend, found both.\n"
        ),
    ])
    func `invalid options are reported before anything is read`(arguments: [String], sentence: String) throws {
        let outcome = try slm(["generate"] + arguments)
        #expect(outcome.errors == sentence && outcome.output.isEmpty && outcome.status == 2)
    }

    @Test func `without a checkpoint, the newest under checkpoints is used and named`() throws {
        let none = try slm(["generate", "--prompt", "a"], in: folder.path)
        #expect(none.status == 2 && none.output.isEmpty)
        #expect(
            none.errors
                == "slm generate: no model found under checkpoints/. Give one: slm generate CHECKPOINT, or --backend openai:URL.\n"
        )
        try Folder.create(folder("checkpoints/finetuned_20260101_000000"))
        try Folder.create(folder("checkpoints/other"))
        try OneSentenceModel.checkpoint(saying: "Tuned").write(to: folder("checkpoints/finetuned_20260101_000000/best.h5"))
        try OneSentenceModel.checkpoint(saying: "Other").write(to: folder("checkpoints/other/best.h5"))
        let named = "slm: using checkpoints/finetuned_20260101_000000/best.h5, the newest model under checkpoints/.\n"
        for (command, input) in [(["generate", "--chat"], "Hello"), (["chat"], "Hello\n")] {
            let outcome = try slm(command + ["--temperature", "0"], input: Data(input.utf8), in: folder.path)
            #expect(outcome.status == 0 && outcome.output == "Tuned\n" && outcome.errors == named, "\(outcome)")
        }
    }

    @Test func `a remote backend answers, and its errors are reported`() throws {
        let server = ScriptedServer(serving: ScriptedBackend("It works."))
        #expect(try slm("generate", "--backend", "openai:" + server.address, "--user", "Hello").output == "It works.\n")
        let outcome = try slm("generate", "--backend", "openai:http://127.0.0.1:1", "--user", "Hello", "--backend-model", "m")
        #expect(outcome.status == 1 && outcome.errors.hasPrefix("slm: http://127.0.0.1:1/v1 cannot be reached: "), "\(outcome.errors)")
        #expect(
            try slm("generate", "--checkpoint", folder("none.h5"), "--user", "Hello").errors
                == "slm: \(folder("none.h5")): cannot be read: No such file or directory.\n")
    }

    @Test func `a chat from a pipe is plain lines`() throws {
        let file = folder("saved.jsonl")
        let lines =
            "Hello\n/retry\n/nonsense\n/save \(file)\n/reset\n/load \(file)\n/undo\nlong \\\nquestion\n"
            + "/temperature\n/temperature 0.5\n/temperature\n/system\n/stats\n/quit\nnever\n"
        let outcome = try slm(["chat", "--checkpoint", model, "--temperature", "0", "--system", "Be a bird."], input: Data(lines.utf8))
        let said = outcome.output.split(separator: "\n").map(String.init), notes = outcome.errors.split(separator: "\n").map(String.init)
        #expect(
            outcome.status == 0
                && Array(said.prefix(6)) == [
                    OneSentenceModel.sentence, OneSentenceModel.sentence, OneSentenceModel.sentence, "0.0", "0.5", "Be a bird.",
                ], "\(said)")
        #expect(said.count == 9 && said[6] == "2 messages, 3 answers at temperature 0.5" && !outcome.output.contains("\u{1B}"), "\(said)")
        #expect(
            notes.count == 5 && notes[0].hasPrefix("slm: unknown command '/nonsense'") && notes[1] == "slm: added to \(file)."
                && notes[3] == "slm: loaded 2 messages from \(file).", "\(notes)")
        let filled = try slm(
            ["chat", "--checkpoint", model],
            input: Data((String(repeating: "x", count: 40) + "\n" + String(repeating: "y", count: 40) + "\n").utf8))
        #expect(
            filled.errors.contains("slm: the 2 oldest messages no longer fit into the context of 64 tokens: the model does not see them."))
    }
}

/// `slm chat` at a terminal.
@Suite struct ChatTerminalTests {
    private struct Running {
        let process = Process()
        let terminal = PseudoTerminal(columns: 100, rows: 30)

        init(_ arguments: [String], _ environment: [String: String] = [:]) throws {
            let handle = FileHandle(fileDescriptor: terminal.slave, closeOnDealloc: false)
            process.executableURL = URL(filePath: builtProgram("slm"))
            process.arguments = arguments
            process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SLM_") && $0.key != "NO_COLOR" }
                .merging(["TERM": "xterm"]) { $1 }.merging(environment) { $1 }
            process.standardInput = handle
            process.standardOutput = handle
            process.standardError = handle
            try process.run()
        }

        /// Types a text and returns the output up to `end`.
        func type(_ text: String, until end: String) -> String {
            terminal.type(text)
            return terminal.read(until: end)
        }

        /// Sends a signal, and kills the process if it does not end within ten seconds.
        func end(by signal: Int32) {
            kill(process.processIdentifier, signal)
            for _ in 0..<1_000 where process.isRunning { usleep(10_000) }
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
        }

        func leave() -> Int32 {
            terminal.type("\u{4}")
            process.waitUntilExit()
            return process.terminationStatus
        }
    }

    @Test func `lines are edited, answers are printed, and Ctrl-D quits`() throws {
        let folder = TemporaryFolder(), model = folder("parrot.h5")
        try OneSentenceModel.checkpoint().write(to: model)
        let chat = try Running(["chat", "--checkpoint", model, "--temperature", "0"])
        #expect(chat.terminal.read(until: "\u{1B}[7C").contains("64 tokens of context"))
        // Reads until the next line is edited: before that, Ctrl-C would be a signal, which this terminal sends to no process.
        let answer = chat.type("Hullo\u{1B}[D\u{1B}[D\u{1B}[D\u{7F}e\r", until: "context 20 of 64\u{1B}[0m\r\n\r\n\u{1B}[?2004h")
        #expect(
            answer.contains("Hello") && answer.contains("\u{1B}[1mmodel  \u{1B}[0m") && answer.contains(OneSentenceModel.sentence),
            "\(answer.debugDescription)")
        #expect(chat.type("\u{3}", until: "to quit").contains("press Ctrl-D or type /quit to quit"))
        #expect(chat.type("/hepl\r", until: "begins with a slash").contains("did you mean /help?"))
        #expect(chat.type("\u{1B}[A\u{1B}[A\r", until: "of 64").contains(OneSentenceModel.sentence))
        #expect(chat.leave() == 0)
    }

    @Test(arguments: [SIGTERM, SIGHUP, SIGQUIT])
    func `a signal ends the program and restores the terminal`(signal: Int32) throws {
        let hold = Mailbox<Void>()
        let server = ScriptedServer(serving: ScriptedBackend("abcdefgh") { if $0 == 4 { _ = hold.take(within: .seconds(20)) } })
        for isAnswering in [false, true] {
            let chat = try Running(["chat", "--backend", "openai:" + server.address], ["NO_COLOR": "1"])
            let before = chat.terminal.localModes
            _ = chat.terminal.read(until: "you    ")
            if isAnswering { _ = chat.type("Hi\r", until: "abcd") }
            #expect(before & (ECHO | ICANON) == ECHO | ICANON && chat.terminal.localModes & (ECHO | ICANON) == 0)
            chat.end(by: signal)
            #expect(chat.process.terminationReason == .uncaughtSignal && chat.process.terminationStatus == signal)
            #expect(
                chat.terminal.localModes == before
                    && chat.terminal.read(until: "\u{1B}[?2004l\r\n", seconds: 1).contains("\u{1B}[?2004l\r\n"))
        }
        hold.put(())
    }

    @Test func `Ctrl-C stops the answer and not the program`() throws {
        let hold = Mailbox<Void>()
        let server = ScriptedServer(serving: ScriptedBackend("abcdefgh") { if $0 == 4 { _ = hold.take(within: .seconds(20)) } })
        let chat = try Running(["chat", "--backend", "openai:" + server.address], ["NO_COLOR": "1"])
        _ = chat.terminal.read(until: "you    ")
        #expect(chat.type("Hi\r", until: "abcd").contains("model  a"))
        chat.process.interrupt()
        #expect(chat.terminal.read(until: "you    ").contains("stopped"))
        hold.put(())
        #expect(chat.type("/stats\r", until: "last answer").contains("2 messages, 1 answer"))
        #expect(chat.leave() == 0)
    }
}
