import Files
import Infer
import Kernels
import Terminal
import Tokenize

struct GenerateOptions: AnsweringOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var answering = AnsweringChoice()
    var prompt: String?
    var user: String?
    var prompts: String?
    var chat = false
    var echo = false
    var atOnce = 16
    var json = false
}

extension Command {
    static var generate: Command {
        Command(
            "generate", "Goes on with a text, or answers one.", GenerateOptions(),
            GenerateOptions.answeringRows + [
                .option("prompt", \.prompt, "The text that goes on. [standard input]"),
                .option("user", \.user, "What a user says: the model answers it as in a chat."),
                .option(
                    "prompts", \.prompts,
                    "A file with a prompt on each line, - for standard input; a line end inside a prompt is written \\n."),
                .option("chat", \.chat, "Take --prompts, or standard input, for what users say."),
                .option("at-once", \.atOnce, in: 1...1_024, "How many of --prompts are answered at the same time."),
                .option("echo", \.echo, "Show the prompt before what follows it."),
                .option(
                    "logprobs", \.answering.sampling.logprobs,
                    "With --json: the log-probability of each token, and of so many others in its place."),
                .option("json", \.json, "A JSON object for each answer, when it is over."),
            ],
            example: """
                slm generate --checkpoint checkpoints/first/best.h5 --prompt "Once upon a time" --max-tokens 50
                  slm generate --checkpoint checkpoints/first/best.h5 --user "What is a river?" --temperature 0 --json
                """
        ) { options in
            try GenerateCommand(options).run()
        }
    }
}

/// `slm generate`: asks, and tells.
private struct GenerateCommand {
    private let options: GenerateOptions
    private let config: GenerationConfig

    init(_ options: GenerateOptions) throws {
        if [options.prompt, options.user, options.prompts].count(where: { $0 != nil }) > 1 {
            throw UsageError("slm generate: give one of --prompt, --user and --prompts.")
        }
        if options.answering.system != nil, options.user == nil, !options.chat {
            throw UsageError("slm generate: --system is for chats: --user TEXT, or --chat.")
        }
        if options.answering.sampling.logprobs != nil, !options.json { throw UsageError("slm generate: --logprobs are told with --json.") }
        self.options = options
        config = try options.answering.config
    }

    func run() throws {
        let backend = try options.open(for: "generate", environment: SLM.environmentVariables())
        guard let path = options.prompts else { return try answer(prompt(), by: backend) }
        let prompts = try LineBlocks.texts(of: path).map { $0.replacing("\\n", with: "\n") }
        let interrupts = Interrupts(), requests = prompts.map { request($0) }
        var isStopped = false
        try backend.generate(requests, concurrency: options.atOnce, isStopped: {
            isStopped = isStopped || interrupts.take() > 0
            return isStopped
        }) { index, result in
            let answer = try result.get()
            say(options.json ? "\(AnswerRecord(answer))" : (options.echo ? prompts[index] : "") + shown(answer.text))
        }
        if isStopped { throw Interrupted() }
    }

    private func prompt() throws -> String {
        if let prompt = options.prompt ?? options.user { return prompt }
        if TerminalMode.isTerminal(0) {
            throw UsageError("slm generate: give a prompt: --prompt TEXT, --user TEXT, --prompts FILE, or on standard input.")
        }
        let text = try InputFile.contents(of: "-")
        // The line end behind the last line is the shell's.
        return String(decoding: text.last == 10 ? text.dropLast() : text[...], as: UTF8.self)
    }

    private func request(_ text: String) -> GenerationRequest {
        guard options.user != nil || options.chat else { return GenerationRequest(.text(text), config, policy: options.answering.policy) }
        return GenerationRequest(
            .chat((options.answering.system.map { [.init(.system, $0)] } ?? []) + [.init(.user, text)]), config,
            policy: options.answering.policy)
    }

    /// One answer, shown as it comes.
    private func answer(_ prompt: String, by backend: any ChatBackend) throws {
        let interrupts = Interrupts(), events = try backend.stream(request(prompt))
        var whole = GenerationResult(), output = StandardOutput(), isOver = false
        if options.echo, !options.json { try output.write(shown(prompt).utf8) }
        while !isOver {
            if interrupts.take() > 0 { events.cancel() }
            guard let event = events.next(within: .milliseconds(30)) else { continue }
            whole.add(event)
            switch event {
            case .began(let beginning):
                if beginning.wasTruncated { note("the prompt is longer than the context leaves room for: its beginning was left out.") }
            case .piece(let piece):
                if !options.json { try output.write(shown(piece.text).utf8) }
            case .ended: isOver = true
            }
            if !options.json { try output.flush() }
        }
        if options.json { say(AnswerRecord(whole)) } else { say("") }
        switch whole.end.reason {
        case .error(let error): throw error
        case .cancelled: throw Interrupted()
        case .stop, .length: break
        }
    }

    /// A terminal is shown text alone; a file gets all that there is.
    private func shown(_ text: String) -> String { TerminalMode.isTerminal(1) ? text.printable : text }
}
