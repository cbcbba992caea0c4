import Chat
import Checkpoint
import Corpus
import Files
import Infer
import JSON
import Terminal
import Threads
import Tokenize

struct DistillOptions: GenerationOptions {
    var machine = MachineSettings()
    var generation = GenerationSettings()
    var data: [String] = []
    var out: String?
    var time: Duration?
    var maxChats: Int?
    var maxTurns: Int?
    var concurrency = 16
    var resumes = false
    var skipsBad = false
    var json = false
    var quiet = false

    init() {
        generation.sampling.maxTokens = 256
        // A student is trained on whole chats: the teacher must see them whole.
        generation.policy = .refuse
    }
}

extension Command {
    static var distill: Command {
        Command(
            "distill",
            "Let a model answer the questions of chats, to train a smaller model on its answers.",
            DistillOptions(),
            [
                OptionGroup("Main options", [
                    ModelOptions.checkpointOption(\.generation.model),
                    .list("data", \.data, value: "FILE", "Ask the questions of these chats, in their order.").short("d"),
                    .option("out", \.out, value: "FILE", "Append the chats with the answers to FILE, for slm train.").short("o"),
                    .option("time", \.time, "Stop after DURATION.", default: "when all chats are answered"),
                    .option("max-chats", \.maxChats, in: 1...1_000_000_000, "Stop when FILE has N chats."),
                    .option("max-turns", \.maxTurns, in: 1...1_000_000, "Ask the first N questions of a chat.", default: "all"),
                    .option("resume", \.resumes, "Keep the chats in FILE, and go on behind its last one."),
                    .option("system", \.generation.system, value: "TEXT",
                            "Put this system message before each chat, in place of its own; FILE does not get it."),
                    DistillOptions.temperatureOption,
                    .option("max-tokens", \.generation.sampling.maxTokens, "End a chat before an answer of more than N tokens."),
                    .option("at-once", \.concurrency, in: 1...1_024, "Answer N chats at the same time."),
                    .skipBad(\.skipsBad),
                    .quiet(\.quiet),
                    .json(\.json, "Print one JSON object."),
                ]),
            ] + DistillOptions.generationGroups,
            examples: [
                "slm distill smollm2.gguf --data chats.jsonl --out answers.jsonl --time 30m",
                "slm distill --backend openai:http://127.0.0.1:8080 --data chats.jsonl --out answers.jsonl",
            ]
        ) { options in
            try Distillation(options).run()
        }
    }
}

/// `slm distill`: asks a teacher the questions of chats, turn by turn, and appends the chats with its answers to a file.
private final class Distillation {
    /// Chats that are read before the first of them is answered: enough to keep all slots busy.
    private static let chatsAtOnce = 1_024

    private let options: DistillOptions
    private let out: String
    private let teacher: any ChatBackend
    /// Without the folder of its file.
    private let teacherName: String
    private let config: GenerationConfig
    private let marks: ThoughtMarks?
    /// Those that the file had before, and the number of the last one in the data.
    private let earlier: (chats: Int, number: Int)
    private let file: AppendOnlyFile
    private let bar: ProgressBar
    private let interrupts = Interrupts()
    private let begin = now()
    private var count = DistilledCount()
    private var isInterrupted = false
    private var isStopped = false
    /// Whether a chat was stopped before its end. Chats behind it are not written: they are asked again when the work is resumed, since
    /// the file has its chats in the order of the data.
    private var isCut = false

    init(_ options: DistillOptions) throws {
        guard !options.data.isEmpty, let out = options.out else {
            throw UsageError("slm distill: expected chats and a file to write: slm distill MODEL --data FILE --out FILE.")
        }
        self.options = options
        self.out = out
        earlier = try Self.lines(of: out, isResumed: options.resumes)
        teacher = try options.openBackend(for: "distill", chats: true, environment: SLM.environmentVariables())
        teacherName = options.generation.model.backend == nil ? RelativePath.fileName(of: teacher.name) : teacher.name
        config = try options.generation.sampling.config(teacher.samplingDefaults)
        marks = Self.thoughtMarks(of: teacher)
        file = try AppendOnlyFile(out)
        bar = ProgressBar("answering", isVisible: !options.quiet)
    }

    func run() throws {
        var reader = try ConversationReader(options.data, skipsBad: options.skipsBad), chats: [AskedChat] = [], number = 0
        do {
            try reader.forEach { conversation, _, _ in
                number += 1
                let chat = AskedChat(conversation, number: number, maxTurns: options.maxTurns ?? .max)
                if number <= earlier.number || chat.turns.isEmpty { return }
                chats.append(chat)
                if chats.count < Self.chatsAtOnce { return }
                try answer(chats)
                chats = []
                if isStopped { throw EnoughChats() }
            }
            try answer(chats)
        } catch is EnoughChats {}
        bar.clear()
        try printResult()
        if isInterrupted { throw Interrupted() }
    }

    private var isFull: Bool { options.maxChats.map { earlier.chats + count.chats >= $0 } ?? false }

    private func answer(_ chats: [AskedChat]) throws {
        try teacher.generateChains(chats.count, concurrency: options.concurrency, isStopped: shouldStop) { index, results in
            request(chats[index], results.map { DistilledAnswer($0, marks) })
        } body: { index, results, error in
            switch error {
            case nil, .tooLong?, .textTooLong?, .tooMuchMemory?, .emptyPrompt?: break
            // Another server refuses a chat that is too long for it; before the first answer, it refuses all.
            case .remote(.status(400, _, _))? where count.answers > 0: break
            case let error?: throw error
            }
            let chat = chats[index], answers = results.map { DistilledAnswer($0, marks) }
            let goesOn = error == nil && request(chat, answers) != nil
            isCut = isCut || goesOn || results.last?.end.reason == .canceled
            if isCut || isFull { return }
            let texts = answers.prefix { $0.isWhole }.map(\.text)
            count.add(results, whole: texts.count)
            guard let answered = chat.answered(texts) else { return }
            count.chats += 1
            try file.append(line: SavedChat.line(of: answered, number: chat.number, answeredBy: teacherName))
        }
    }

    private func shouldStop() -> Bool {
        isInterrupted = isInterrupted || interrupts.take() > 0
        let seconds = now() - begin, limit = options.time?.inSeconds
        isStopped = isStopped || isInterrupted || isFull || limit.map { seconds >= $0 } ?? false
        let share = limit.map { seconds / $0 } ?? options.maxChats.map { Double(earlier.chats + count.chats) / Double($0) }
        bar.show(fraction: share.map { min($0, 1) }, count.chats.counted("chat"))
        return isStopped
    }

    /// The request for the next answer; nil at the end of the chat, and after an answer that cannot be used.
    ///
    /// With a seed, each chat has a seed of its own: its answers do not depend on where an earlier run has stopped.
    private func request(_ chat: AskedChat, _ answers: [DistilledAnswer]) -> GenerationRequest? {
        guard answers.count < chat.turns.count, answers.last?.isWhole ?? true else { return nil }
        var messages = chat.messages(with: answers.map(\.text), turns: answers.count + 1)
        if let system = options.generation.system { messages = [.init(.system, system)] + messages.filter { $0.role != .system } }
        var request = GenerationRequest(
            .chat(messages), config.reseeded(attempt: UInt64(chat.number)), policy: options.generation.policy)
        request.templateArguments = options.generation.templateArguments
        request.forwardedFields = options.generation.forwardedFields
        return request
    }

    private static func lines(of out: String, isResumed: Bool) throws -> (chats: Int, number: Int) {
        let lines = try WholeLines(of: out)
        guard isResumed || lines.texts.isEmpty else {
            throw CommandError(description: "\(out): has \(lines.texts.count.counted("chat")) already. Go on behind the last one with "
                + "--resume, or give another file.")
        }
        try lines.removeCutLine()
        guard let text = lines.texts.last else { return (0, 0) }
        var parser = JSONParser()
        guard let number = (try? parser.parse(text))?["number"]?.integer, number > 0 else {
            throw CommandError(description: "\(out): expected the number of a chat (\"number\") in the last line, as slm distill writes "
                + "it, found none. Give another file.")
        }
        return (lines.texts.count, number)
    }

    private func printResult() throws {
        let seconds = now() - begin
        if options.json {
            return printLine(JSONLine([
                "chats": .whole(count.chats), "answers": .whole(count.answers), "unusable": .whole(count.unusable),
                "tokens": .whole(count.tokens), "seconds": .number(seconds),
            ]))
        }
        printLine("\(out): \(count.chats.counted("chat")) with \(count.answers.counted("answer")), "
            + "\(Int(Double(count.tokens) / max(seconds, 1e-9))) tokens/s."
            + (count.unusable > 0 ? " Left out, because cut or empty: \(count.unusable.counted("answer"))." : ""))
    }

    /// Thoughts do not belong to an answer.
    private static func thoughtMarks(of backend: any ChatBackend) -> ThoughtMarks? {
        switch backend {
        case let backend as LocalBackend: backend.model.renderer?.thoughtMarks
        case let backend as AdapterBackend: backend.model.renderer?.thoughtMarks
        default: .think
        }
    }
}

/// Ends the reading of the data.
private struct EnoughChats: Error {}

private struct DistilledCount {
    var chats = 0
    var answers = 0
    var unusable = 0
    var tokens = 0

    /// - Parameter whole: The answers that are used.
    mutating func add(_ results: [GenerationResult], whole: Int) {
        answers += whole
        tokens += results.reduce(0) { $0 + $1.end.answerTokens }
        if results.count > whole { unusable += 1 }
    }
}

/// An answer of the teacher, without its thought.
private struct DistilledAnswer {
    let text: String
    /// Whether it ended by itself.
    let isWhole: Bool

    init(_ result: GenerationResult, _ marks: ThoughtMarks?) {
        var text = result.text
        if let marks {
            var parser = ThoughtParser(marks, isOpen: result.start.isThinking)
            text = String(decoding: parser.add(Array(result.text.utf8)).content + parser.finish().content, as: UTF8.self)
        }
        self.text = text
        isWhole = result.end.reason == .stop && !text.isEmpty && result.toolCalls.isEmpty
    }
}

/// What a chat says before each answer.
private struct AskedChat {
    /// Its number in the data, from 1.
    let number: Int
    /// Messages of the system and the user that end with one of the user.
    private(set) var turns: [[Conversation.Message]] = []

    init(_ conversation: Conversation, number: Int, maxTurns: Int) {
        self.number = number
        var turn: [Conversation.Message] = []
        for message in conversation.messages where !message.concernsTools {
            if message.role != .assistant {
                turn.append(.init(message.role, message.text))
            } else if turn.last?.role == .user {
                turns.append(turn)
                turn = []
            }
        }
        if turn.last?.role == .user { turns.append(turn) }
        turns = Array(turns.prefix(maxTurns))
    }

    /// The first turns, each but the last with its answer.
    func messages(with answers: [String], turns count: Int) -> [Conversation.Message] {
        turns.prefix(count).indices.flatMap { turn in
            turns[turn] + (turn < answers.count ? [.init(.assistant, answers[turn])] : [])
        }
    }

    /// The chat up to the last answer; nil if there is none.
    func answered(_ answers: [String]) -> Conversation? {
        answers.isEmpty ? nil : Conversation(messages(with: answers, turns: answers.count))
    }
}
