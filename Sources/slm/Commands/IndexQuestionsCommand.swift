import Chat
import Corpus
import Documents
import Files
import Tokenize

struct IndexQuestionsOptions: MachineOptions {
    var machine = MachineSettings()
    var index: String?
    var embeddingModel: String?
    var reranker: String?
    var passages = DocumentOptions().passages
    var context = 1_024
    var data: [String] = []
    var out: String?
    var otherwise: String?
    var json = false
    var quiet = false
}

extension Command {
    static var indexQuestions: Command {
        Command(
            "index questions",
            "Put passages before questions with known answers, to train a model that answers from documents.",
            IndexQuestionsOptions(),
            [
                OptionGroup("Main options", [
                    .option("index", \.index, value: "INDEX", "The index.").positional(),
                    .list("data", \.data, value: "FILE", "Read chats with questions about the documents, and their answers.").short("d"),
                    .option("out", \.out, value: "FILE", "Write the chats with passages to FILE, for slm train.").short("o"),
                    .option("otherwise", \.otherwise, value: "TEXT", "Answer TEXT where no passage has the words of an answer.",
                            default: "leave such answers out"),
                    .json(\.json, "Print one JSON object."),
                    .quiet(\.quiet),
                ]),
                OptionGroup("Passages", [
                    .option("passages", \.passages, in: 1...50, "Put at most N passages before a question."),
                    .option("context", \.context, in: 64...1_048_576, "Fill at most half of a context of N tokens with passages."),
                    .embeddingModel(
                        \.embeddingModel, "The embedding model of the index.", default: "where it was when the index was built"),
                    .reranker(\.reranker),
                ]),
                OptionGroup("Machine", IndexQuestionsOptions.machineOptions),
            ],
            examples: ["slm index questions notes.index --data questions.jsonl --out chats.jsonl"]
        ) { options in
            guard let path = options.index, !options.data.isEmpty, let out = options.out else {
                throw UsageError("slm index questions: expected an index, questions and a file to write: "
                    + "slm index questions INDEX --data FILE --out FILE.")
            }
            let index = try DocumentIndex(path), embedder = try TextEmbedder(of: index, options.embeddingModel, on: options)
            let reranker = try options.reranker.map { try TextReranker($0, on: options) }
            let budget = PassageFinder.budget(ofContext: options.context)
            let finder = PassageFinder(index, embedder, reranker, limit: options.passages, budget: budget)
            try options.write(QuestionGrounding(finder: finder, otherwise: options.otherwise), to: out)
        }
    }
}

extension IndexQuestionsOptions {
    fileprivate func write(_ grounding: QuestionGrounding, to out: String) throws {
        var grounding = grounding, chats = 0
        var reader = try ConversationReader(data), file = try AtomicFile(out)
        let bar = ProgressBar("searching", isVisible: !quiet)
        try reader.forEach { conversation, _, _ in
            if grounding.answers.isMultiple(of: 100) { bar.show(fraction: nil, "\(grounding.answers) answers") }
            guard let grounded = try grounding.chat(conversation) else { return }
            chats += 1
            try file.write(Array((SavedChat.line(of: grounded) + "\n").utf8))
        }
        bar.clear()
        if grounding.answers == 0 { throw CommandError(description: "\(data.joined(separator: ", ")): expected answers, found none.") }
        try file.commit()
        if json {
            return printLine(JSONLine([
                "chats": .whole(chats), "answers": .whole(grounding.answers), "supported": .whole(grounding.supported),
            ]))
        }
        let others = grounding.answers - grounding.supported, rest = otherwise.map { "is answered with \"\($0)\"" } ?? "is left out"
        printLine("\(out): \(chats.counted("chat")). A passage has \(grounding.supported) of \(grounding.answers.counted("answer"))"
            + (others == 0 ? "." : "; the rest (\(others)) \(rest)."))
    }
}

/// Puts passages before the questions of chats, and their numbers behind the answers.
private struct QuestionGrounding {
    let finder: PassageFinder
    /// The answer where no passage has the known one; nil: the chat ends there.
    let otherwise: String?
    private(set) var answers = 0
    private(set) var supported = 0

    init(finder: PassageFinder, otherwise: String?) {
        self.finder = finder
        self.otherwise = otherwise
    }

    /// The chat as the model will be asked; nil if nothing is left of it.
    mutating func chat(_ conversation: Conversation) throws -> Conversation? {
        var messages: [Conversation.Message] = [], prompt: PassagePrompt?, count = 0
        for message in conversation.messages where !message.concernsTools {
            let text = String(decoding: message.text, as: UTF8.self)
            if message.role == .user {
                prompt = try finder.prompt(for: text)
                messages.append(message.with(text: Array((prompt?.message ?? text).utf8)))
            } else if message.role == .assistant, let asked = prompt {
                answers += 1
                let cited = asked.cited(text)
                if cited != nil { supported += 1 }
                guard let answer = cited ?? otherwise else { break }
                messages.append(message.with(text: Array(answer.utf8)))
                count = messages.count
            } else {
                messages.append(message)
            }
        }
        return count == 0 ? nil : Conversation(Array(messages.prefix(count)))
    }
}
