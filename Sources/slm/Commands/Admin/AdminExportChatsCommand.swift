import AdminAPI
import Files

/// Which lines about chats a command writes, and where to.
struct ChatExport {
    enum Format: String, CaseIterable, OptionValue { case chats, messages, pairs, ratings }

    var format = Format.chats
    var passages = false
    var out: String?

    static var options: [CommandOption<ChatExport>] {
        [
            .option("format", \.format,
                    "Write answers to train on; whole chats as messages; chosen and corrected answers as pairs; or rated answers."),
            .option("passages", \.passages, "Also write answers from documents, with the passages that they are from."),
            .option("out", \.out, value: "FILE", "Write to this file, which only you can read.", default: "the terminal").short("o"),
        ]
    }

    var parameters: [(name: String, value: String)] { [("format", format.rawValue), ("passages", "\(passages)")] }

    /// Writes the pages that `forEachPage` reads from a server to a file that only its owner can read, or else to standard output.
    func write(_ forEachPage: (_ body: (_ lines: [UInt8]) throws -> Void) throws -> Void) throws {
        guard let out else {
            return try forEachPage { lines in
                if !lines.isEmpty { printLine(String(decoding: lines.dropLast(), as: UTF8.self)) }
            }
        }
        var file = try AtomicFile(out, isPrivate: true), count = 0
        try forEachPage { page in
            try file.write(page)
            count += page.count { $0 == UInt8(ascii: "\n") }
        }
        try file.commit()
        let lines = switch format {
        case .chats: "exchanges"
        case .messages: "chats"
        case .pairs, .ratings: format.rawValue
        }
        printNote("\(out): \(count) \(lines).")
    }
}

extension Command {
    static var adminExportChats: Command {
        ofServer(
            "admin export-chats",
            "Write chats that may be used for training, or what users have said of their answers, for slm finetune.",
            ChatExport.options.map { $0.inside(\.export) },
            examples: [
                "slm admin export-chats --out chats.jsonl",
                "slm admin export-chats --format pairs --out pairs.jsonl",
            ]
        ) { options in
            let client = try options.client()
            try options.export.write { try client.forEachPage("training-chats", options.export.parameters, $0) }
        }
    }
}
