import AdminAPI
import JSON
import Store

/// The settings of a run, as options.
struct LoopRunSettings {
    var name: String?
    var base: String?
    var method: LoopMethod?
    var rank: Int?
    var objective: LoopObjective?
    var minutes: Double?
    var epochs: Double?
    var steps: Int?
    var replay: [String] = []
    var noReplay = false
    var replayShare: Double?
    var learningRate: Double?
    var filter = TrainingFilter()

    var isDefault: Bool {
        name == nil && base == nil && method == nil && rank == nil && objective == nil && minutes == nil && epochs == nil && steps == nil
            && replay.isEmpty && !noReplay && replayShare == nil && learningRate == nil && filter == TrainingFilter()
    }

    func write(to object: inout JSONWriter) {
        func text(_ key: String, _ value: String?, _ object: inout JSONWriter) {
            if let value { object[key] = value }
        }
        func number(_ key: String, _ value: Double?, _ object: inout JSONWriter) {
            if let value { object[key] = value }
        }
        func integer(_ key: String, _ value: Int?, _ object: inout JSONWriter) {
            if let value { object[key] = value }
        }
        text("name", name, &object)
        text("base", base, &object)
        text("method", method?.rawValue, &object)
        integer("rank", rank, &object)
        text("objective", objective?.rawValue, &object)
        number("minutes", minutes, &object)
        number("epochs", epochs, &object)
        integer("steps", steps, &object)
        if !replay.isEmpty || noReplay { object.key("replay"); object.array { list in for path in replay { list.string(path) } } }
        number("replay_share", replayShare, &object)
        number("learning_rate", learningRate, &object)
        if filter != TrainingFilter() { object.key("filter"); object.object { filter.write(to: &$0) } }
    }
}

enum LoopMethod: String, CaseIterable, OptionValue { case lora, full }
enum LoopObjective: String, CaseIterable, OptionValue { case chats, preferences }

/// The options of commands that describe a run.
protocol LoopRunOptions: LoopChatOptions {
    var run: LoopRunSettings { get set }
}

extension LoopRunOptions {
    /// The chats to train on, among those that are included.
    var filter: TrainingFilter {
        get { run.filter }
        set { run.filter = newValue }
    }

    static var runOptions: [CommandOption<Self>] {
        [
            .option("base", \.run.base, value: "ID", "Fine-tune this model of the registry.", default: "the active one"),
            .option("method", \.run.method, "Train a LoRA adapter, or the full model.", default: "by the model's size"),
            .option("rank", \.run.rank, in: 1...4_096, "Train a LoRA adapter of this rank.", default: "16"),
            .option("objective", \.run.objective, "Train on chats, or on preferences among answers.", default: "chats"),
            .option("minutes", \.run.minutes, in: 0.01...100_000, "Train for X minutes.", default: "10").excluding("length"),
            .option("epochs", \.run.epochs, in: 0.01...100_000, "Train for X passes over the data.").excluding("length"),
            .option("max-steps", \.run.steps, in: 1...1_000_000_000, "Train for N steps.").excluding("length"),
            .option("lr", \.run.learningRate, value: "RATE", in: 1e-8...1, "Set the peak learning rate.", default: "as slm finetune"),
            .list("replay", \.run.replay, value: "FILE", "Mix in these older chats of the server's machine, or generated ones.")
                .excluding("replay"),
            .option("no-replay", \.run.noReplay, "Mix in no older chats, not even those of the base model.").excluding("replay"),
            .option("replay-share", \.run.replayShare, in: 0.01...0.9, "Take this share of each batch from older chats.",
                    default: "0.8; 0.5 of generated ones"),
        ]
    }
}

struct LoopTrainOptions: LoopRunOptions {
    var connection = AdminConnection()
    var run = LoopRunSettings()
    var isEstimate = false
    var isDetached = false
    var json = false
    var quiet = false
}

extension Command {
    static var loopTrain: Command {
        Command(
            "loop train",
            "Fine-tune a model of a server on its included chats, and show the run until it ends.",
            LoopTrainOptions(),
            [
                OptionGroup("Main options", [
                    .option("name", \.run.name, value: "NAME", "Name the run.", default: "run-YYYYMMDD-HHMMSS"),
                ] + LoopTrainOptions.runOptions),
                OptionGroup("Chats", LoopTrainOptions.filterOptionsOfIncludedChats),
                OptionGroup("Output", [
                    .option("estimate", \.isEstimate,
                            "Print the memory, disk space and time that the run would need, and do not start it."),
                    .option("detach", \.isDetached, "Start the run, and do not wait for its end."),
                    .quiet(\.quiet),
                    .json(\.json),
                ]),
                LoopTrainOptions.connectionOptions,
            ],
            examples: ["slm loop train", "slm loop train --estimate", "slm loop train --objective preferences --minutes 30 --detach"]
        ) { options in
            let client = try options.client()
            if options.isEstimate { return try options.printEstimate(client) }
            let run = try LoopRun(client.training("POST", "runs") { options.run.write(to: &$0) })
            if options.isDetached {
                return printLine(options.json ? run.text : "the run \(run.name) is \(run.state)")
            }
            try client.follow(run.id, isQuiet: options.quiet || options.json)
            if options.json { printLine(try client.run(run.id).text) }
        }
    }
}

extension LoopTrainOptions {
    fileprivate func printEstimate(_ client: AdminClient) throws {
        let estimate = try LoopRun(client.training("POST", "estimate") { run.write(to: &$0) })
        if json { return printLine(estimate.text) }
        func gigabytes(_ key: String) -> String { "\(((estimate.json[key]?.number ?? 0) / 1e9).fixed(2)) GB" }
        func count(_ key: String) -> Int { estimate.json[key]?.integer ?? 0 }
        let settings = estimate.json["settings"]
        printLine("method   \(settings?["method"]?.string ?? "")" + (settings?["rank"]?.integer.map { " of rank \($0)" } ?? ""))
        printLine("data     \(count("chats")) chats, \(count("held_out")) held out, \(count("preferences")) preferences")
        printLine("memory   about \(gigabytes("memory_bytes")), \(gigabytes("available_bytes")) are free")
        printLine("disk     about \(gigabytes("disk_bytes")), \(gigabytes("free_disk_bytes")) are free")
        printLine("time     " + (estimate.json["seconds"]?.number.map { "about \(clockText($0))" } ?? "not known"))
        if let advice = estimate.json["advice"]?.string { printNote(advice) }
    }
}
