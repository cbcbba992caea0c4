import AdminAPI
import Dashboard
import Glibc
import JSON
import Serve
import Terminal

extension Command {
    static var trainingCompare: Command {
        ofServer(
            "training compare",
            "Compare a model with the active one, and show the verdict of the gate.",
            [
                .option("model", \.model, value: "MODEL", "Compare the model with this name or id.", default: "the newest candidate")
                    .positional(),
                .option("detach", \.isDetached, "Start the comparison, and do not wait for its end."),
                .json(\.json, "Print the comparison as JSON."),
            ],
            examples: ["slm training compare", "slm training compare run-20261122-030000 --json"]
        ) { options in
            try options.compare()
        }
    }

    static var trainingQuestions: Command {
        ofServer(
            "training questions",
            "List the questions that every comparison asks both models, add one or delete one.",
            [
                .option("add", \.question, value: "TEXT", "Add this question.").excluding("change"),
                .option("expect", \.expected, value: "TEXT", "A right answer to the added question contains these words."),
                .option("delete", \.deleted, value: "ID", "Delete this question.").excluding("change"),
                .json(\.json),
            ],
            examples: ["slm training questions", "slm training questions --add 'What color is snow?' --expect white"]
        ) { options in
            try options.changeQuestions()
        }
    }

    static var trainingGate: Command {
        ofServer(
            "training gate",
            "Show when a candidate of a server is good enough to be promoted, or change it.",
            GateThresholds.numbers.map { name, range, _, help in
                .option(name.replacing("_", with: "-"), \.numbers[name], in: range, help)
            } + [
                .option("require-better", \.requiresBetter, "Fail if it is no worse, but not better either."),
                .list("general", \.general, value: "FILE", "Take the general chats from these files of the server's machine."),
                .json(\.json),
            ],
            examples: ["slm training gate", "slm training gate --min-right-answers 0.8 --general data/general.jsonl"]
        ) { options in
            try options.changeGate()
        }
    }
}

extension AdminOptions {
    fileprivate func compare() throws {
        let client = try client(), all = try client.models()
        let newest = all.first { $0.state == "candidate" && $0.json["files_deleted_at"]?.string == nil }
        guard let model = try model.map({ try client.model(named: $0) }) ?? newest else {
            throw CommandError(description: "there is no candidate. Train one, or register a checkpoint: slm training start")
        }
        var answer = try client.document("POST", "models/\(model.id)/compare") { _ in }
        let id = answer.json["id"]?.string ?? ""
        if isDetached { return printLine(json ? answer.text : "comparing \(model.name.harmless)") }
        let progress = ProgressBar("comparing", isVisible: !json)
        while answer.json["state"]?.string == "running" {
            progress.show(fraction: nil, model.name.harmless)
            usleep(300_000)
            answer = try client.document("GET", "comparisons/\(id)")
        }
        progress.clear()
        if json { return printLine(answer.text) }
        if let message = answer.json["message"]?.string { throw CommandError(description: message) }
        for reason in answer.json.list("reasons") { printLine(reason.string?.harmless ?? "") }
        let isPassed = answer.json["passed"]?.boolean == true, name = model.name.harmless
        let result = switch answer.json["verdict"]?.string {
        case "better": "\(name) is better than the active model."
        case "no_worse": "\(name) is no worse than the active model."
        case "worse": "\(name) is worse than the active model."
        case "not_enough": "There is not enough to judge \(name). To promote it all the same: "
            + "slm training promote \(name) --force --reason TEXT"
        case let other: "\(name) is \(other?.harmless ?? "unknown")."
        }
        printLine(result + (isPassed ? " Promote it: slm training promote \(name)" : ""))
        if !isPassed { throw ReportedFailure() }
    }

    fileprivate func changeQuestions() throws {
        let client = try client()
        if let question {
            let added = try client.document("POST", "questions") {
                $0["text"] = question
                if let expected { $0["expected"] = expected }
            }
            return printLine(json ? added.text : added.json["id"]?.string ?? "")
        }
        if expected != nil { throw UsageError("slm training questions: --expect belongs to a question: --add TEXT --expect TEXT") }
        if let deleted { return _ = try client.document("DELETE", "questions/\(deleted)") }
        let found = try client.document("GET", "questions")
        if json { return printLine(found.text) }
        var table = TextTable(["QUESTION", "EXPECTED", "ID"])
        for question in found.json.list("items") {
            table.add([question["text"]?.string ?? "", question["expected"]?.string ?? "-", question["id"]?.string ?? ""])
        }
        printTable(table)
    }

    fileprivate func changeGate() throws {
        let client = try client()
        let now = try client.document("GET", "gate").json
        var shown = now
        if !numbers.isEmpty || requiresBetter != nil || !general.isEmpty {
            shown = try client.document("PUT", "gate") { object in
                for (name, _, defaultValue, _) in GateThresholds.numbers {
                    object[name] = numbers[name] ?? now[name]?.number ?? defaultValue
                }
                object["requires_better"] = requiresBetter ?? now["requires_better"]?.boolean ?? false
                object.key("general")
                if general.isEmpty, let stored = now["general"] {
                    object.element(stored)
                } else {
                    object.array { list in for path in general { list.string(path) } }
                }
            }.json
        }
        if json { return printLine(String(decoding: shown.json, as: UTF8.self)) }
        func share(_ name: String) -> String { "\((100 * (shown[name]?.number ?? 0)).fixed(2)) %" }
        printLine("most rise of the loss on general chats   \(share("max_replay_loss_rise"))")
        printLine("least gain on held-out chats             \((shown["min_held_out_gain"]?.number ?? 0).fixed(4)) bits per byte")
        printLine("least share of right answers             \(share("min_right_answers"))")
        printLine("significance                             \(share("significance"))")
        printLine("must be better                           \(shown["requires_better"]?.boolean == true ? "yes" : "no")")
        let files = shown["general"]?.elements.map { $0.compactMap { $0.string?.harmless } }
        printLine("general chats                            \(files?.joined(separator: ", ") ?? "those that the run mixed in")")
    }
}
