import Chat
import Corpus
import Documents
import Files
import Kernels
import Tokenize

struct IndexQuestionsOptions: MachineOptions {
    var machine = MachineSettings()
    var index: String?
    var embeddingModel: String?
    var reranker: String?
    var maxPassages = DocumentOptions().maxPassages
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
                    .option("index", \.index, value: "INDEX", "Use this index.").positional(),
                    .list("data", \.data, value: "FILE", "Read chats with questions about the documents, and their answers.").short("d"),
                    .option("out", \.out, value: "FILE", "Write the chats with passages to FILE, for slm train.").short("o"),
                    .option("otherwise", \.otherwise, value: "TEXT", "Answer TEXT where no passage has the words of an answer.",
                            default: "leave such answers out"),
                    .json(\.json, "Print one JSON object."),
                    .quiet(\.quiet),
                ]),
                OptionGroup("Passages", [
                    .option("max-passages", \.maxPassages, in: 1...50, "Put at most N passages before a question."),
                    .option("context", \.context, in: 64...1_048_576, "Fill at most half of a context of N tokens with passages."),
                    .embeddingModel(
                        \.embeddingModel, "Take the embedding model of the index from this file.",
                        default: "where it was when the index was built"),
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
            try options.write(try options.groundings(path), to: out)
        }
    }
}

extension IndexQuestionsOptions {
    /// One for each thread, since a connection to an index belongs to one. Models have threads of their own.
    fileprivate func groundings(_ path: String) throws -> [QuestionGrounding] {
        let budget = PassageFinder.budget(ofContext: context)
        func grounding(_ embedder: TextEmbedder?, _ reranker: TextReranker?, _ index: DocumentIndex) -> QuestionGrounding {
            let finder = PassageFinder(index, embedder, reranker, limit: maxPassages, budget: budget)
            return QuestionGrounding(finder: finder, otherwise: otherwise)
        }
        let index = try DocumentIndex(path), embedder = try TextEmbedder(of: index, embeddingModel, on: self)
        let first = grounding(embedder, try reranker.map { try TextReranker($0, on: self) }, index)
        if embedder != nil || reranker != nil { return [first] }
        return try [first] + (1..<threadCount).map { _ in grounding(nil, nil, try DocumentIndex(path)) }
    }

    fileprivate func write(_ groundings: [QuestionGrounding], to out: String) throws {
        var reader = try ConversationReader(data), file = try AtomicFile(out), count = GroundingCount(), waiting: [Conversation] = []
        let bar = ProgressBar("searching", isVisible: !quiet), pool = try WorkerPool(threads: groundings.count)
        try reader.forEach { conversation, _, _ in
            waiting.append(conversation)
            if waiting.count < 256 { return }
            try count.write(pool.chats(waiting, with: groundings), to: &file)
            waiting = []
            bar.show(fraction: nil, "\(count.answers) answers")
        }
        try count.write(pool.chats(waiting, with: groundings), to: &file)
        bar.clear()
        if count.answers == 0 { throw CommandError(description: "\(data.joined(separator: ", ")): expected answers, found none.") }
        try file.commit()
        if json {
            return printLine(JSONLine([
                "chats": .whole(count.chats), "answers": .whole(count.answers), "supported": .whole(count.supported),
            ]))
        }
        let others = count.answers - count.supported, rest = otherwise.map { "is answered with \"\($0)\"" } ?? "is left out"
        printLine("\(out): \(count.chats.counted("chat")). A passage has \(count.supported) of \(count.answers.counted("answer"))"
            + (others == 0 ? "." : "; the rest (\(others)) \(rest)."))
    }
}

private struct GroundingCount {
    var chats = 0
    var answers = 0
    /// The answers that a passage has.
    var supported = 0

    mutating func write(_ grounded: [GroundedChat], to file: inout AtomicFile) throws {
        for one in grounded {
            answers += one.answers
            supported += one.supported
            guard let chat = one.chat else { continue }
            chats += 1
            try file.write(Array((SavedChat.line(of: chat) + "\n").utf8))
        }
    }
}

extension WorkerPool {
    /// - Parameter groundings: One for each thread.
    fileprivate func chats(_ conversations: [Conversation], with groundings: [QuestionGrounding]) throws -> [GroundedChat] {
        var results: [Result<GroundedChat, any Error>] = Array(repeating: .success(GroundedChat()), count: conversations.count)
        results.withUnsafeMutableBufferPointer { results in
            forEach(conversations.count) { i, thread in results[i] = Result { try groundings[thread].chat(conversations[i]) } }
        }
        return try results.map { try $0.get() }
    }
}

/// A chat with its passages; nil if nothing is left of it.
private struct GroundedChat {
    var chat: Conversation?
    var answers = 0
    /// Those that a passage has.
    var supported = 0
}

/// Puts passages before the questions of chats, and their numbers behind the answers.
private struct QuestionGrounding {
    let finder: PassageFinder
    /// The answer where no passage has the known one; nil: the chat ends there.
    let otherwise: String?

    /// The chat as the model will be asked.
    func chat(_ conversation: Conversation) throws -> GroundedChat {
        var messages: [Conversation.Message] = [], prompt: PassagePrompt?, count = 0, result = GroundedChat(), asked: [String] = []
        for message in conversation.messages where !message.concernsTools {
            let text = String(decoding: message.text, as: UTF8.self)
            if message.role == .user {
                prompt = try finder.prompt(for: text, after: asked)
                asked.append(text)
                messages.append(message.with(text: Array((prompt?.message ?? text).utf8)))
            } else if message.role == .assistant, let prompt {
                result.answers += 1
                let cited = prompt.cited(text)
                if cited != nil { result.supported += 1 }
                guard let answer = cited ?? otherwise else { break }
                messages.append(message.with(text: Array(answer.utf8)))
                count = messages.count
            } else {
                messages.append(message)
            }
        }
        if count > 0 { result.chat = Conversation(Array(messages.prefix(count))) }
        return result
    }
}
