import AdminAPI
import JSON

extension Command {
    static var trainingSchedule: Command {
        ofServer(
            "training schedule",
            "Show when a server fine-tunes by itself, or change it.",
            [
                .option("at", \.at, value: "HH:MM", "Start a run every night at this time of the server, if there are new chats.")
                    .excluding("off"),
                .option("new-chats", \.newChats, in: 1...1_000_000,
                        "Start a run after N new included chats; with --at, at that time if there are as many."),
                .option("off", \.isOff, "Start no runs.").excluding("off"),
                .json(\.json),
            ],
            and: [
                OptionGroup("Runs", AdminOptions.runOptions),
                AdminOptions.includedChatOptions,
            ],
            examples: ["slm training schedule", "slm training schedule --at 03:00 --new-chats 20", "slm training schedule --off"]
        ) { options in
            let client = try options.client()
            var schedule = try client.document("GET", "schedule")
            if options.isOff || options.at != nil || options.newChats != nil {
                let old = schedule.json["settings"]
                schedule = try client.document("PUT", "schedule") { object in
                    object["enabled"] = !options.isOff
                    if let at = options.at { object["at"] = at }
                    if let count = options.newChats { object["new_chats"] = count }
                    object.key("settings")
                    if options.run.isDefault, let old { object.element(old) } else { object.object { options.run.write(to: &$0) } }
                }
            } else if !options.run.isDefault {
                throw UsageError("slm training schedule: expected --at or --new-chats with the settings of the runs.")
            }
            printLine(options.json ? schedule.text : text(ofSchedule: schedule.json))
        }
    }

    private static func text(ofSchedule schedule: JSONElement) -> String {
        guard schedule["enabled"]?.boolean == true else { return "off: runs start only when an owner starts them" }
        let chats = schedule["new_chats"]?.integer
        guard let at = schedule["at"]?.string else { return "a run starts after \(chats ?? 1) new included chats" }
        let next = schedule["next_at"]?.string.map { "; next at \($0)" } ?? ""
        return "a run starts at \(at), if there are at least \(chats ?? 1) new included chats\(next)"
    }
}
