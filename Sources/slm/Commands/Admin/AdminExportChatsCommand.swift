import AdminAPI
import Files

struct AdminExportChatsOptions: AdminOptions {
    enum Format: String, CaseIterable, OptionValue {
        case chats, messages, pairs, ratings

        static let help = "Write answers to train on; whole chats as messages; chosen and corrected answers as pairs; or rated answers."

        /// What a line of the format has.
        var lines: String {
            switch self {
            case .chats: "exchanges"
            case .messages: "chats"
            case .pairs, .ratings: rawValue
            }
        }

        /// Writes the pages that `forEachPage` reads from a server to a file that only its owner can read, or else to standard output.
        func write(to path: String?, _ forEachPage: (_ body: (_ lines: [UInt8]) throws -> Void) throws -> Void) throws {
            guard let path else {
                return try forEachPage { lines in
                    if !lines.isEmpty { printLine(String(decoding: lines.dropLast(), as: UTF8.self)) }
                }
            }
            var file = try AtomicFile(path, isPrivate: true), count = 0
            try forEachPage { page in
                try file.write(page)
                count += page.count { $0 == UInt8(ascii: "\n") }
            }
            try file.commit()
            printNote("\(path): \(count) \(lines).")
        }
    }

    var connection = AdminConnection()
    static let passagesHelp = "Also write answers from documents, with the passages that they are from."

    var format = Format.chats
    var passages = false
    var out: String?
}

extension Command {
    static var adminExportChats: Command {
        Command(
            "admin export-chats",
            "Write chats that may be used for training, or what users have said of their answers, for slm finetune.",
            AdminExportChatsOptions(),
            [
                OptionGroup("Main options", [
                    .option("format", \.format, AdminExportChatsOptions.Format.help),
                    .option("passages", \.passages, AdminExportChatsOptions.passagesHelp),
                    .option("out", \.out, value: "FILE", "Write to this file, which only you can read.",
                            default: "the terminal").short("o"),
                ]),
                AdminExportChatsOptions.connectionOptions,
            ],
            examples: [
                "slm admin export-chats --out chats.jsonl",
                "slm admin export-chats --format pairs --out pairs.jsonl",
            ]
        ) { options in
            let client = try options.client()
            let parameters = [("format", options.format.rawValue), ("passages", "\(options.passages)")]
            try options.format.write(to: options.out) { try client.forEachTrainingPage(parameters, $0) }
        }
    }
}
