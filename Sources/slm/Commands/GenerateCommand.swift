import Documents
import Files
import Infer
import JSON
import Terminal
import Tokenize

struct GenerateOptions: GenerationOptions {
    var machine = MachineSettings()
    var generation = GenerationSettings()
    var prompt: String?
    var user: String?
    var prompts: String?
    var chat = false
    var echo = false
    var concurrency = 16
    var jsonSchema: String?
    var grammar: String?
    var regex: String?
    var choice: String?
    var documents = DocumentOptions()
    var json = false
    var quiet = false
}

extension Command {
    static var generate: Command {
        Command(
            "generate",
            "Complete a text, or answer a message.",
            GenerateOptions(),
            [
                OptionGroup("Main options", [
                    ModelOptions.checkpointOption(\.generation.model),
                    .option("prompt", \.prompt, value: "TEXT", "Complete TEXT.", default: "standard input").short("p"),
                    .option("user", \.user, value: "TEXT", "Answer TEXT as a message of a chat."),
                ] + GenerateOptions.mainGenerationOptions.dropFirst() + [
                    .option("prompts", \.prompts, value: "FILE",
                            "Complete each line of FILE, or of standard input (-); \\n means a line break."),
                    .option("chat", \.chat, "Answer --prompts or standard input as messages of a chat."),
                    .quiet(\.quiet),
                    .json(\.json, "Print one JSON object per answer."),
                ]),
                OptionGroup("Documents", ([DocumentOptions.index] + DocumentOptions.options).map { $0.inside(\.documents) }),
                OptionGroup("Output", [
                    .option("json-schema", \.jsonSchema, value: "FILE", "Answer with JSON that is valid with the JSON schema in FILE."),
                    .option("grammar", \.grammar, value: "FILE", "Answer with a text of the GBNF grammar in FILE."),
                    .option("regex", \.regex, value: "REGEX", "Answer with a text that matches REGEX as a whole."),
                    .option("choice", \.choice, value: "TEXT,…", "Answer with one of the texts."),
                    .option("echo", \.echo, "Print the prompt before its completion."),
                    .option("logprobs", \.generation.sampling.logprobs,
                            "With --json: print log-probabilities, with N alternatives per token."),
                    .option("at-once", \.concurrency, in: 1...1_024, "Generate for N of the --prompts at the same time."),
                ]),
            ] + GenerateOptions.generationGroups,
            examples: [
                "slm generate checkpoints/first/best.h5 --prompt \"Once upon a time\" --max-tokens 50",
                "slm generate checkpoints/first/best.h5 --user \"What is a river?\" --temperature 0 --json",
            ]
        ) { options in
            try GenerateCommand(options).run()
        }
    }
}

/// `slm generate`: sends the prompts and prints the answers.
private struct GenerateCommand {
    private let options: GenerateOptions
    private let format: AnswerFormat?

    init(_ options: GenerateOptions) throws {
        if [options.prompt, options.user, options.prompts].count(where: { $0 != nil }) > 1 {
            throw UsageError("slm generate: expected one of --prompt, --user and --prompts, found several.")
        }
        if options.generation.system != nil, options.user == nil, !options.chat {
            throw UsageError("slm generate: --system needs a chat: --user TEXT or --chat.")
        }
        if options.generation.templateArguments != nil, options.user == nil, !options.chat {
            throw UsageError("slm generate: --chat-template-kwargs needs a chat: --user TEXT or --chat.")
        }
        if options.documents.path != nil, options.user == nil, !options.chat {
            throw UsageError("slm generate: --documents needs a chat: --user TEXT or --chat.")
        }
        if options.generation.sampling.logprobs != nil, !options.json { throw UsageError("slm generate: --logprobs needs --json.") }
        self.options = options
        format = try AnswerFormat.reading(options)
    }

    func run() throws {
        let index = try options.documents.open(for: "generate")
        let backend = try options.openBackend(
            for: "generate", chats: options.user != nil || options.chat, environment: SLM.environmentVariables())
        let config = try options.generation.sampling.config(backend.samplingDefaults)
        let finder = try options.documents.finder(in: index, for: backend, on: options)
        guard let path = options.prompts else { return try stream(prompt(), config, finder, from: backend) }
        let prompts = try LineBlocks.nonEmptyLines(of: path).map { $0.replacing("\\n", with: "\n") }
        let found = try prompts.map { try finder?.prompt(for: $0) }
        let interrupts = Interrupts()
        var isStopped = false
        // With one seed for all, token i of each answer would be sampled with the same random number.
        let requests = zip(prompts, found).enumerated().map { index, prompt in
            request(prompt.1?.message ?? prompt.0, config.reseeded(attempt: UInt64(index)))
        }
        try backend.generate(requests, concurrency: options.concurrency, isStopped: {
            isStopped = isStopped || interrupts.take() > 0
            return isStopped
        }) { index, result in
            let answer = try result.get()
            if options.json {
                if let note = found[index]?.note { printNote("\(prompts[index].printable): \(note)") }
                return printLine(GenerationRecord(answer, sources: found[index]?.sources))
            }
            var wrap = makeWrap()
            if let found = found[index] { printPassages(found) }
            printLine(printable((options.echo ? prompts[index] : "") + answer.text, &wrap))
            if let prompt = found[index] { printSources(prompt) }
        }
        if isStopped { throw Interrupted() }
    }

    private func prompt() throws -> String {
        if let prompt = options.prompt ?? options.user { return prompt }
        if TerminalMode.isTerminal(0) {
            throw UsageError("slm generate: expected a prompt: --prompt TEXT, --user TEXT, --prompts FILE, or text on standard input.")
        }
        let text = try InputFile.contents(of: "-")
        if text.allSatisfy({ $0 == 10 || $0 == 13 || $0 == 32 }) {
            throw UsageError("slm generate: expected a prompt on standard input, found an empty text. For an answer without a prompt: "
                + "--prompt ''")
        }
        // The last line end comes from the shell.
        return String(decoding: text.last == 10 ? text.dropLast() : text[...], as: UTF8.self)
    }

    private func request(_ text: String, _ config: GenerationConfig) -> GenerationRequest {
        let generation = options.generation
        let system = generation.system.map { [Conversation.Message(.system, $0)] } ?? []
        let prompt: Prompt = options.user != nil || options.chat ? .chat(system + [.init(.user, text)]) : .text(text)
        var request = GenerationRequest(prompt, config, policy: generation.policy)
        request.templateArguments = generation.templateArguments
        request.forwardedFields = generation.forwardedFields
        if let format {
            request.grammar = format.grammar
            request.forwardedFields.append(format.field)
        }
        return request
    }

    /// Prints one answer while it is generated.
    private func stream(
        _ prompt: String, _ config: GenerationConfig, _ finder: PassageFinder?, from backend: any ChatBackend
    ) throws {
        let interrupts = Interrupts()
        let found = try finder?.prompt(for: prompt)
        if let found { printPassages(found) }
        let events = try backend.stream(request(found?.message ?? prompt, config))
        var result = GenerationResult()
        var output = StandardOutput()
        var isFinished = false
        var wrap = makeWrap()
        if options.echo, !options.json { try output.write(printable(prompt, &wrap).utf8) }
        while !isFinished {
            if interrupts.take() > 0 { events.cancel() }
            guard let event = events.next(within: .milliseconds(30)) else { continue }
            result.add(event)
            switch event {
            case .began(let start):
                if start.wasTruncated { printNote("the prompt is too long for the context: its beginning was dropped.") }
            case .piece(let piece): if !options.json { try output.write(printable(piece.text, &wrap).utf8) }
            case .ended: isFinished = true
            }
            if !options.json { try output.flush() }
        }
        if options.json { printLine(GenerationRecord(result, sources: found?.sources)) } else { printLine("") }
        if let found, !options.json { printSources(found) }
        switch result.end.reason {
        case .error(let error): throw error
        case .canceled: throw Interrupted()
        case .stop where result.text.isEmpty && options.user == nil && !options.chat && !options.quiet:
            printNote("the model ended the text at once. To ask it a question in its chat template: --user TEXT.")
        case .stop, .length: break
        }
    }

    /// Prints what was found, before the answer.
    private func printPassages(_ prompt: PassagePrompt) {
        if let note = prompt.note { printNote(note) }
        if options.documents.showsPassages, !options.json { printLine(prompt.message.printable + "\n") }
    }

    private func printSources(_ prompt: PassagePrompt) {
        for (i, source) in prompt.sourceList.enumerated() { printLine((i == 0 ? "\n" : "") + source.printable) }
    }

    /// nil if standard output is not a terminal.
    private func makeWrap() -> WordWrap? {
        TerminalMode.isTerminal(1) ? WordWrap(columns: TerminalMode.size(of: 1).columns) : nil
    }

    /// Without control characters and wrapped at words in a terminal; unchanged in a file.
    private func printable(_ text: String, _ wrap: inout WordWrap?) -> String { wrap?.add(text.printable) ?? text }
}

/// JSON of a schema, or text of a grammar: for a model on this machine, and for one on another server.
private struct AnswerFormat {
    let grammar: Grammar
    let field: ForwardedField

    /// nil for any text.
    static func reading(_ options: GenerateOptions) throws -> AnswerFormat? {
        let given = [options.jsonSchema, options.grammar, options.regex, options.choice].count { $0 != nil }
        if given > 1 { throw UsageError("slm generate: expected one of --json-schema, --grammar, --regex and --choice, found several.") }
        var option = "--choice", writer = JSONWriter(.oneLine)
        do {
            if let path = options.jsonSchema {
                return try reading(jsonSchemaIn: path)
            } else if let path = options.grammar {
                option = path
                let text = String(decoding: try InputFile.contents(of: path), as: UTF8.self)
                writer.string(text)
                return try AnswerFormat(grammar: Grammar(gbnf: text), field: ForwardedField("grammar", writer.bytes))
            } else if let regex = options.regex {
                option = "--regex"
                writer.string(regex)
                return try AnswerFormat(grammar: Grammar(regex: regex), field: ForwardedField("guided_regex", writer.bytes))
            } else if let choice = options.choice {
                let texts = choice.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
                writer.array { list in for text in texts { list.string(text) } }
                return try AnswerFormat(grammar: Grammar(choices: texts), field: ForwardedField("guided_choice", writer.bytes))
            }
            return nil
        } catch let error as GrammarTextError {
            throw CommandError(description: "\(option): \(error.reason)")
        }
    }

    private static func reading(jsonSchemaIn path: String) throws -> AnswerFormat {
        let text = try InputFile.contents(of: path)
        do {
            let schema = try JSONElement(parsing: text)
            let grammar = try Grammar(jsonSchema: schema, isStrict: true).afterOptionalSpace
            var writer = JSONWriter(.oneLine)
            writer.object {
                $0["type"] = "json_schema"
                $0.object("json_schema") {
                    $0["name"] = "answer"
                    $0["strict"] = true
                    $0.element("schema", schema)
                }
            }
            return AnswerFormat(grammar: grammar, field: ForwardedField(ForwardedField.responseFormat, writer.bytes))
        } catch let error as JSONSchemaError {
            throw CommandError(description: "\(path), at \(error.path.isEmpty ? "the whole schema" : error.path): \(error.reason)")
        } catch let error as JSONError {
            throw CommandError(description: "\(path): expected a JSON schema, found text that is not JSON: \(error.description).")
        }
    }
}
