import AdminAPI
import JSON
import Serve
import Store

/// The settings of a run, as options.
struct AreaRunSettings {
    var name: String?
    var base: String?
    var method: TrainingRunSettings.Method?
    var objective: TrainingRunSettings.Objective?
    var passages = false
    /// By their names in requests.
    var numbers: [String: Double] = [:]
    var replay: [String] = []
    var noReplay = false
    /// The chats to train on, among those that are included.
    var filter = TrainingFilter()

    subscript(whole name: String) -> Int? {
        get { numbers[name].map { Int($0) } }
        set { numbers[name] = newValue.map { Double($0) } }
    }

    var isDefault: Bool { texts.isEmpty && !passages && numbers.isEmpty && replay.isEmpty && !noReplay && filter == TrainingFilter() }

    private var texts: [(String, String)] {
        let texts = [("name", name), ("base", base), ("method", method?.rawValue), ("objective", objective?.rawValue)]
        return texts.compactMap { key, value in value.map { (key, $0) } }
    }

    func write(to object: inout JSONWriter) {
        for (key, value) in texts { object[key] = value }
        if passages { object["passages"] = true }
        for number in RunNumber.all {
            if let value = numbers[number.name] { object.json(number.name, number.text(of: value)) }
        }
        if !replay.isEmpty || noReplay { object["replay"] = replay }
        if filter != TrainingFilter() { object.object("filter") { filter.write(to: &$0) } }
    }
}

extension TrainingRunSettings.Method: OptionValue {}
extension TrainingRunSettings.Objective: OptionValue {}

extension AdminOptions {
    /// The options of commands that describe a run.
    static var runOptions: [CommandOption<AdminOptions>] {
        [
            .option("base", \.run.base, value: "ID", "Fine-tune this model of the registry.", default: "the active one"),
            .option("method", \.run.method, "Train a LoRA adapter, or the full model.", default: "by the model's size"),
            .option("objective", \.run.objective, "Train on chats, or on preferences among answers.", default: "chats"),
            .option("passages", \.run.passages, "Train also on answers from documents, with the passages that they are from."),
            .list("replay", \.run.replay, value: "FILE", "Mix in these older chats of the server's machine, or generated ones.")
                .excluding("replay"),
            .option("no-replay", \.run.noReplay, "Mix in no older chats, not even those of the base model.").excluding("replay"),
        ] + RunNumber.all.map { number in
            let option: CommandOption<AdminOptions> = number.isWhole
                ? .option(number.optionName, \.run[whole: number.name], in: number.wholeRange, number.help, default: number.defaultText)
                : .option(number.optionName, \.run.numbers[number.name], in: number.range, number.help, default: number.defaultText)
            return number.isLength ? option.excluding("length") : option
        }
    }
}

extension Command {
    static var trainingStart: Command {
        ofServer(
            "training start",
            "Fine-tune a model of a server on its included chats, and show the run until it ends.",
            [.option("name", \.run.name, value: "NAME", "Name the run.", default: "run-YYYYMMDD-HHMMSS")] + AdminOptions.runOptions,
            and: [
                AdminOptions.includedChatOptions,
                OptionGroup("Output", [
                    .option("estimate", \.isEstimate,
                            "Print the memory, disk space and time that the run would need, and do not start it."),
                    .option("detach", \.isDetached, "Start the run, and do not wait for its end."),
                    .quiet(\.quiet),
                    .json(\.json),
                ]),
            ],
            examples: [
                "slm training start", "slm training start --estimate", "slm training start --objective preferences --minutes 30 --detach",
            ]
        ) { options in
            let client = try options.client()
            if options.isEstimate { return try options.printEstimate(client) }
            let run = try AreaRun(client.document("POST", "runs") { options.run.write(to: &$0) })
            if options.isDetached {
                return printLine(options.json ? run.text : "the run \(run.name) is \(run.state)")
            }
            try client.follow(run.id, isQuiet: options.quiet || options.json)
            if options.json { printLine(try client.run(run.id).text) }
        }
    }
}

extension AdminOptions {
    fileprivate func printEstimate(_ client: AdminClient) throws {
        let (text, estimate) = try client.document("POST", "estimate") { run.write(to: &$0) }
        if json { return printLine(text) }
        func gigabytes(_ key: String) -> String { "\(((estimate[key]?.number ?? 0) / 1e9).fixed(2)) GB" }
        func count(_ key: String) -> Int { estimate[key]?.integer ?? 0 }
        let settings = estimate["settings"]
        printLine("method   \(settings?["method"]?.string ?? "")" + (settings?["rank"]?.integer.map { " of rank \($0)" } ?? ""))
        printLine("data     \(count("chats")) chats, \(count("held_out")) held out, \(count("preferences")) preferences")
        printLine("memory   about \(gigabytes("memory_bytes")), \(gigabytes("available_bytes")) are free")
        printLine("disk     about \(gigabytes("disk_bytes")), \(gigabytes("free_disk_bytes")) are free")
        printLine("time     " + (estimate["seconds"]?.number.map { "about \(clockText($0))" } ?? "not known"))
        if let advice = estimate["advice"]?.string { printNote(advice) }
    }
}
