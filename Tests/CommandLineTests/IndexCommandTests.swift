import Checkpoint
import Foundation
import Testing
import TestSupport

/// `slm index`, and answers from documents.
@Suite struct IndexCommandTests {
    private let folder = TemporaryFolder()
    private var index: String { folder("notes.index") }
    private var model: String { folder("parrot.h5") }

    init() throws {
        try FileManager.default.createDirectory(atPath: folder("notes"), withIntermediateDirectories: true)
        folder.write("# Pump\n## Reset\nHold the red button.\n", to: "notes/pump.md")
        folder.write("The valve turns left.\n", to: "notes/valve.txt")
    }

    private func build(_ options: String...) throws -> Outcome {
        try slm(["index", "build", "notes", "--out", index] + options, in: folder.path)
    }

    @Test func `an index is built, updated, searched and shown`() throws {
        folder.write([0, 1], to: "notes/a.png")
        let built = try build()
        #expect(built.status == 0 && built.output.hasPrefix("\(index): 2 files, 1 skipped, 2 passages of 0.0 MB, in "))
        #expect(built.errors == "slm: skipped notes/a.png: not a text\nslm: passages are found by their words. With --embedding-model "
            + "MODEL, also those that say the same in other words.\nSearch it: slm index search \(index) 'a question'\n")
        let found = try slm("index", "search", index, "how", "do", "I", "reset", "the", "pump?")
        #expect(found.output.hasPrefix("[1] notes/pump.md:3, Pump > Reset  (") && found.output.hasSuffix(")\n    Hold the red button.\n\n"))
        #expect(found.status == 0 && found.errors.isEmpty)
        let line = try slm("index", "search", index, "valve reset", "--json", "--limit", "1").output
        let record = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(Set(record.keys) == ["file", "title", "heading", "line", "position", "tokens", "score", "coverage", "text"])
        let next = try slm("index", "search", index, "And why?", "--after", "Turn the valve", "--after", "Reset the pump")
        #expect(next.status == 0 && next.output.hasPrefix("[1] notes/pump.md:3, Pump > Reset  ("), "\(next)")
        let none = try slm("index", "search", index, "zither")
        #expect(none.status == 1 && none.output.isEmpty)
        #expect(none.errors == "slm: not in the documents: zither\nslm: no passage has a word of the question.\n")
        folder.write("The gauge.\n", to: "notes/gauge.txt")
        let updated = try slm(["index", "update", index, "--quiet"], in: "/")
        #expect(updated.output.hasPrefix("\(index): 3 files (1 new, 2 unchanged), 1 skipped, 3 passages"), "\(updated)")
        #expect(try slm("index", "show", index, "notes/gauge.txt").output == "[1] notes/gauge.txt:1\n    The gauge.\n\n")
        #expect(try slm("index", "show", index, "--json").output.split(separator: "\n").count == 3)
        #expect(try slm("index", "show", index, "--files").output
            == "notes/a.png  skipped: not a text\nnotes/gauge.txt  1\nnotes/pump.md  1\nnotes/valve.txt  1\n")
        let wrong = try slm("index", "show", index, "notes/gage.txt")
        #expect(wrong.status == 1 && wrong.errors.contains("no file 'notes/gage.txt'; did you mean 'notes/gauge.txt'?"))
    }

    @Test func `a report is JSON`() throws {
        folder.write([0, 1], to: "notes/a.png")
        let output = try build("--json").output
        let report = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
        #expect(report["files"] as? Int == 2 && report["passages"] as? Int == 2)
        #expect((report["skipped"] as? [[String: String]]) == [["file": "notes/a.png", "reason": "not a text"]])
    }

    @Test func `an embedding model is trained on an index, or on pairs, and used`() throws {
        let subjects = ["pump", "valve", "gauge", "boiler", "filter", "motor", "sensor", "tank"]
        folder.write(subjects.map { name in
            "# The \(name)\n\nTo reset the \(name), hold the red button of the \(name) until the light goes out.\n"
        }.joined(separator: "\n"), to: "notes/all.md")
        _ = try build()
        let trained = try slm(
            "train", "--embedding", "--documents", index, "--out", folder("model"), "--vocab-size", "300", "--width", "32", "--batch", "4",
            "--epochs", "20", "--quiet")
        #expect(trained.status == 0 && trained.output.hasPrefix("\(folder("model")): "), "\(trained)")
        #expect(trained.output.contains("tokens with 32 numbers each, trained on "), "\(trained)")
        #expect(try slm("info", folder("model")).output.contains("static, "))
        let built = try build("--embedding-model", folder("model"))
        #expect(built.status == 0 && built.output.contains(" vectors computed"), "\(built)")
        let found = try slm("index", "search", index, "the boiler", "--by", "vectors", "--limit", "1")
        #expect(found.status == 0 && found.output.contains("the boiler"), "\(found)")

        let lines = subjects.map { #"{"query": "what is a \#($0)", "positive": "a \#($0) is a part"}"# }
        folder.write(lines.joined(separator: "\n"), to: "pairs.jsonl")
        let pairs = try slm(
            "train", "--embedding", "--data", folder("pairs.jsonl"), "--out", folder("pairs"), "--epochs", "2", "--json", "--quiet")
        let report = try #require(try JSONSerialization.jsonObject(with: Data(pairs.output.utf8)) as? [String: Any])
        #expect(report["examples"] as? Int == 8 && report["steps"] as? Int == 2 && report["hit_rate_1"] == nil, "\(pairs)")
    }

    @Test func `data that cannot train an embedding model is refused`() throws {
        func errors(_ arguments: String...) throws -> String {
            let outcome = try slm(["train", "--embedding"] + arguments)
            #expect(outcome.status != 0 && !FileManager.default.fileExists(atPath: folder("model")))
            return outcome.errors
        }
        #expect(try errors().hasPrefix("slm train --embedding: expected documents or data, and a folder to write"))
        let file = folder.write("{\"query\": \"a\"}\n", to: "pairs.jsonl")
        #expect(try errors("--data", file, "--out", folder("model"))
            == "slm: \(file):1: expected \"passage\" or \"document\" or \"positive\" or \"answer\", found neither.\n")
        folder.write("\n[1]\n", to: "pairs.jsonl")
        #expect(try errors("--data", file, "--out", folder("model")).contains("pairs.jsonl:2: expected one JSON object per line"))
        folder.write(#"{"query": "a", "answer": 3}"#, to: "pairs.jsonl")
        #expect(try errors("--data", file, "--out", folder("model")).contains(#""answer": expected a string, found "#))
        folder.write(#"{"query": "a", "answer": "b"}"#, to: "pairs.jsonl")
        #expect(try errors("--data", file, "--out", folder("model")).contains("expected at least two passages"))
    }

    @Test func `an index with vectors remembers its model, and is searched by words without it`() throws {
        let bert = SampleBERT { $0.prompts = #""query": "query: ""# }.write(to: folder, "bert")
        let built = try build("--embedding-model", bert)
        #expect(built.status == 0 && built.output.contains(", 2 passages of 0.0 MB, 2 vectors computed, in "), "\(built)")
        #expect(built.errors == "Search it: slm index search \(index) 'a question'\n")
        let found = try slm("index", "search", index, "reset the pump", "--by", "vectors")
        #expect(found.status == 0 && found.output.contains("Hold the red button."), "\(found)")
        #expect(try slm("index", "search", index, "reset the pump").output.hasPrefix("[1] notes/pump.md:3, Pump > Reset  (0.03"))
        folder.write("Another valve.\n", to: "notes/more.txt")
        let updated = try slm("index", "update", index)
        #expect(updated.output.contains("3 passages of 0.0 MB, 1 vector computed"), "\(updated)")
        try FileManager.default.moveItem(atPath: bert, toPath: folder("moved"))
        let words = try slm("index", "search", index, "reset")
        #expect(words.status == 0 && words.errors == "slm: searching by words only: the embedding model of \(index) is not at \(bert). "
            + "If it is elsewhere: --embedding-model MODEL\n", "\(words)")
        let needed = "slm: \(index) has vectors of the embedding model \(bert), which is not there. Give its folder with "
            + "--embedding-model, or build the index again.\n"
        #expect(try slm("index", "search", index, "reset", "--by", "vectors").errors == needed)
        #expect(try slm("index", "update", index).errors == needed)
        #expect(try slm("index", "search", index, "reset", "--by", "vectors", "--embedding-model", folder("moved")).status == 0)
        let other = SampleBERT { $0.layers = 1 }.write(to: folder, "other")
        let refused = try slm("index", "search", index, "reset", "--embedding-model", other)
        #expect(refused.status == 1 && refused.errors.contains("\(other) is another one."), "\(refused)")
        #expect(try build("--quiet").status == 0)
        #expect(try slm("index", "search", index, "reset", "--by", "vectors").errors.contains("was built without an embedding model"))
    }

    @Test func `vectors and tokens of texts are printed, and a model is described`() throws {
        let bert = SampleBERT().write(to: folder, "bert")
        #expect(try slm("embed", bert, "the pump", "--tokens").output == "{\"tokens\":[2,4,5,3]}\n")
        let lines = try slm(["embed", bert, "the pump", "--file", "-"], input: Data("red\nthe pump\n".utf8)).output.split(separator: "\n")
        #expect(lines.count == 3 && lines[0] == lines[2] && lines[0] != lines[1] && lines[0].hasPrefix("{\"embedding\":["))
        #expect(try slm("embed").status == 2 && slm("embed", bert).status == 2)
        #expect(try slm("info", bert).output.contains("2 layers, 3 heads, width 12, context 24, vocabulary 14\n"))
        let json = Data(try slm("info", bert, "--json").output.utf8)
        let record = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        #expect(record["kind"] as? String == "embedding" && record["width"] as? Int == 12 && record["normalized"] as? Bool == true)
        let ranking = SampleBERT { $0.isReranker = true }.write(to: folder, "reranker")
        let ranked = try slm(["rerank", ranking, "pump?", "the pump", "--file", "-"], input: Data("red car\nthe pump\n".utf8))
        let results = try ranked.output.split(separator: "\n").map { line in
            try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        let scores = results.compactMap { $0["score"] as? Double }
        #expect(scores.count == 3 && scores == scores.sorted(by: >) && scores.allSatisfy { $0 > 0 && $0 < 1 }, "\(ranked)")
        #expect(results.compactMap { $0["index"] as? Int }.filter { $0 != 1 } == [0, 2], "\(ranked)")
        #expect(try slm("rerank", ranking, "pump?").status == 2 && slm("rerank", bert, "pump?", "x").status == 1)
        #expect(try slm("info", ranking).output.contains("a reranker"))
        let chat = try slm("chat", bert)
        #expect(chat.status == 1 && chat.errors.contains("an embedding model or a reranker: --embedding-model MODEL"), "\(chat)")
    }

    @Test func `wrong arguments are reported`() throws {
        #expect(try slm("index", "build").status == 2 && slm("index", "build", folder("notes")).status == 2)
        #expect(try slm("index", "search").status == 2)
        #expect(try slm("index", "search", folder("none")).errors.contains("expected a question"))
        #expect(try slm("index", "update", folder("none")).status == 1)
        let missing = try slm("chat", folder("no.h5"), "--documents", folder("none.index"))
        let expected = "slm: \(folder("none.index")): cannot be read: No such file or directory.\n"
        #expect(missing.status == 1 && missing.errors == expected, "\(missing.errors)")
        #expect(try slm("generate", "--prompt", "x", "--documents", folder("none.index")).errors.contains("--documents needs a chat"))
        #expect(try slm("chat", "--show-passages").errors.contains("--show-passages needs --documents FILE"))
    }

    @Test func `questions get passages, and answers the numbers of those that have them`() throws {
        #expect(try build("--quiet").status == 0)
        let chats = folder.write("""
            [INST] How do I reset the pump? [/INST] Hold the red button. [INST] How does the valve turn? [/INST] It turns left.
            [INST] What color is the valve? [/INST] It is green.
            [INST] How does the valve turn? [/INST] It turns left. [INST] What color is the pump? [/INST] It is black.

            """, to: "chats.txt")
        let out = folder("grounded.jsonl"), arguments = ["index", "questions", index, "--data", chats, "--out", out]
        let done = try slm(arguments)
        #expect(done.status == 0 && done.output == "\(out): 2 chats. A passage has 3 of 5 answers; the rest (2) is left out.\n", "\(done)")
        func messages() throws -> [[[String: String]]] {
            try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n").map { line in
                let chat = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                return try #require(chat?["messages"] as? [[String: String]])
            }
        }
        let found = try messages()
        #expect(found.map(\.count) == [4, 2] && found[0].map { $0["role"] } == ["user", "assistant", "user", "assistant"])
        let prompt = try #require(found[0][0]["content"])
        #expect(prompt.hasPrefix("Read these passages from documents.") && prompt.hasSuffix("""


            [1] Hold the red button.
            (notes/pump.md, Pump > Reset)

            Question: How do I reset the pump?
            """))
        #expect(found.map { $0.last?["content"] } == ["It turns left. [1]", "It turns left. [1]"])
        let record = try slm(arguments + ["--otherwise", "The documents do not say that.", "--json"]).output
        #expect(record == "{\"chats\":3,\"answers\":5,\"supported\":3}\n")
        #expect(try messages().map(\.count) == [4, 2, 4] && messages()[2].last?["content"] == "The documents do not say that.")
        let asked = folder.write("{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}", to: "asked.jsonl")
        let missing = try slm("index", "questions", index, "--data", asked, "--out", folder("none"))
        #expect(missing.status == 1 && missing.errors.contains("expected answers, found none"), "\(missing)")
        #expect(!FileManager.default.fileExists(atPath: folder("none")) && FileManager.default.fileExists(atPath: out))
    }

    @Test func `questions of a task are asked with their passages`() throws {
        try OneSentenceModel.checkpoint(context: 600).write(to: model)
        #expect(try build("--quiet").status == 0)
        let question = "{\"question\": \"How do I reset the pump?\", \"answer\": \"\(OneSentenceModel.sentence)\"}\n"
        let task = folder.write(question, to: "task.jsonl")
        let plain = folder("plain.jsonl"), found = folder("found.jsonl")
        #expect(try slm("eval", model, "--task", task, "--samples", plain).status == 0)
        let arguments = ["eval", model, "--task", task, "--documents", index]
        #expect(try slm(arguments + ["--samples", found]).status == 0)
        let other = try slm(arguments + ["--samples", plain, "--resume"])
        #expect(other.status == 1 && other.errors.contains("it was asked with other options."), "\(other)")
        #expect(try String(contentsOfFile: found, encoding: .utf8).contains("--documents \(index) --max-passages 4"))
        // Passages and the request to read them have more bytes, and so tokens, than this context.
        let note = "longer than the context"
        #expect(try slm(arguments + ["--context", "200"]).errors.contains(note))
        #expect(try !slm("eval", model, "--task", task, "--context", "200").errors.contains(note))
        let wrong = try slm("eval", model, "--data", task, "--documents", index)
        #expect(wrong.status == 2 && wrong.errors.contains("--documents: expected questions to find passages for"), "\(wrong)")
    }

    @Test func `a chat prints passages, sources, and says when none fits`() throws {
        try OneSentenceModel.checkpoint(context: 600).write(to: model)
        #expect(try build("--quiet").status == 0)
        let input = Data("How do I reset the pump?\nzither\n/retry\n/save \(folder("saved.jsonl"))\n".utf8)
        let chat = try slm(["chat", model, "--temperature", "0", "--documents", index, "--show-passages"], input: input)
        let sentence = OneSentenceModel.sentence
        #expect(chat.status == 0 && chat.output.hasPrefix("Read these passages"))
        #expect(chat.output.contains("\n\n[1] Hold the red button.\n(notes/pump.md, Pump > Reset)\n\nQuestion: How do I reset the pump?\n"))
        let answers = "\n\(sentence)\n\nSources:\n  [1] notes/pump.md:3, Pump > Reset\n\(sentence)\n\(sentence)\n"
        #expect(chat.output.hasSuffix(answers), "\(chat.output)")
        let note = "slm: no passage fits the question: this answer is not from the documents.\n"
        #expect(chat.errors.components(separatedBy: note).count == 3, "\(chat.errors)")
        // The history has the questions only.
        let saved = try String(contentsOfFile: folder("saved.jsonl"), encoding: .utf8)
        #expect(saved.contains(#""content":"How do I reset the pump?""#) && !saved.contains("red button"))
    }

    @Test func `prompts of a file have their passages and notes`() throws {
        try OneSentenceModel.checkpoint(context: 600).write(to: model)
        #expect(try build("--quiet").status == 0)
        folder.write("Reset the pump\nzither\n", to: "prompts.txt")
        let arguments = ["generate", model, "--temperature", "0", "--documents", index, "--prompts", folder("prompts.txt"), "--chat"]
        let sentence = OneSentenceModel.sentence, shown = try slm(arguments + ["--show-passages"])
        #expect(shown.output.hasPrefix("Read these passages") && shown.output.hasSuffix(
            "Question: Reset the pump\n\n\(sentence)\n\n[1] notes/pump.md:3, Pump > Reset\nzither\n\n\(sentence)\n"), "\(shown)")
        let note = "no passage fits the question: this answer is not from the documents.\n"
        #expect(shown.errors == "slm: \(note)")
        #expect(try slm(arguments + ["--json"]).errors == "slm: zither: \(note)")
    }

    @Test func `an answer has its sources`() throws {
        try OneSentenceModel.checkpoint(context: 600).write(to: model)
        #expect(try build("--quiet").status == 0)
        let arguments = ["generate", model, "--temperature", "0", "--documents", index, "--user", "Reset the pump"]
        #expect(try slm(arguments).output == OneSentenceModel.sentence + "\n\n[1] notes/pump.md:3, Pump > Reset\n")
        let record = try JSONSerialization.jsonObject(with: Data(slm(arguments + ["--json"]).output.utf8)) as? [String: Any]
        let sources = try #require(record?["sources"] as? [[String: Any]])
        #expect(sources.map { $0["file"] as? String } == ["notes/pump.md"])
        // The passages do not fit into half of this context.
        try OneSentenceModel.checkpoint(context: 64).write(to: model)
        let short = try slm(arguments)
        #expect(short.output == OneSentenceModel.sentence + "\n")
        #expect(short.errors.contains("the passages are too long for this model's context"))
    }
}

/// A program that is killed leaves the old index or the new one.
@Suite struct IndexKillTests {
    private let folder = TemporaryFolder()
    private var index: String { folder("notes.index") }

    /// Texts of which each has the word of its version.
    private func writeFiles(_ version: String) {
        for i in 0..<60 {
            let text = (0..<80).map { "Line \($0) of file \(i) is about \(version) and about number \($0 * i).\n\n" }.joined()
            folder.write("# File \(i)\n\n\(text)", to: "notes/\(i).md")
        }
    }

    /// Starts slm, and kills it after a time. Returns whether it was killed before its end.
    private func kill(_ arguments: [String], after time: Double) throws -> Bool {
        let (process, _, _) = try startProgram(builtProgram("slm"), arguments)
        Thread.sleep(forTimeInterval: time)
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        return process.terminationReason == .uncaughtSignal
    }

    /// The version whose words the index has in all files.
    private func version() throws -> String? {
        let versions = try ["alpha", "beta"].filter { version in
            let lines = try slm("index", "search", index, version, "--limit", "1000", "--json").output.split(separator: "\n")
            let files = Set(try lines.map { line in
                (try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["file"] as? String ?? ""
            })
            if !files.isEmpty { #expect(files.count == 60, "\(version)") }
            return !files.isEmpty
        }
        #expect(versions.count == 1, "\(versions)")
        return versions.first
    }

    @Test(arguments: ["build", "update"])
    func `a killed program leaves the old index or the new one`(command: String) throws {
        try FileManager.default.createDirectory(atPath: folder("notes"), withIntermediateDirectories: true)
        writeFiles("alpha")
        let build = ["index", "build", folder("notes"), "--out", index, "--quiet"]
        let start = Date()
        #expect(try slm(build).status == 0)
        let duration = Date().timeIntervalSince(start)
        var random = TestRandom(3), killed = 0, current = "alpha"
        for _ in 0..<14 {
            let next = current == "alpha" ? "beta" : "alpha"
            writeFiles(next)
            let arguments = command == "build" ? build : ["index", "update", index, "--quiet"]
            let wasKilled = try kill(arguments, after: duration * 1.2 * Double(random.below(1_000)) / 1_000)
            killed += wasKilled ? 1 : 0
            let found = try #require(try version())
            if !wasKilled { #expect(found == next) }
            current = found
        }
        #expect(killed > 2)
        // The files of killed programs do not disturb the next one.
        writeFiles("beta")
        #expect(try slm("index", "update", index, "--quiet").status == 0)
        #expect(try version() == "beta")
        #expect(folder.names.filter { $0 != "notes" && $0 != "notes.index.part" } == ["notes.index"])
    }

    @Test(arguments: [SIGINT, SIGTERM]) func `a program that is interrupted removes the unfinished index`(number: Int32) throws {
        let line = "A long text about the pump, the valve and the gauge.\n\n"
        folder.write(String(repeating: line, count: 800_000), to: "long.txt")
        let (process, _, _) = try startProgram(
            builtProgram("slm"), ["index", "build", folder("long.txt"), "--out", index, "--quiet"])
        while process.isRunning, !folder.names.contains("notes.index.part") { Thread.sleep(forTimeInterval: 0.01) }
        Foundation.kill(process.processIdentifier, number)
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == number)
        #expect(folder.names == ["long.txt"])
    }

    @Test func `an update without space leaves the old index`() throws {
        try FileManager.default.createDirectory(atPath: folder("notes"), withIntermediateDirectories: true)
        writeFiles("alpha")
        #expect(try slm("index", "build", folder("notes"), "--out", index, "--quiet").status == 0)
        let before = try Data(contentsOf: URL(fileURLWithPath: index))
        writeFiles("beta")
        let launcher = ["/usr/bin/prlimit", "--fsize=\(before.count / 2)"]
        let update = try slm(["index", "update", index], launcher: launcher)
        #expect(update.status == 1 && update.errors.contains("no space left for \(index)"), "\(update.errors)")
        let build = try slm(["index", "build", folder("notes"), "--out", index], launcher: launcher)
        #expect(build.status == 1 && build.errors.contains("no space left for \(index)"), "\(build.errors)")
        #expect(try version() == "alpha")
        #expect(folder.names == ["notes", "notes.index"])
    }
}
