import Dashboard
import Files
import JSON
import Terminal

struct LoopImportOptions: AdminOptions {
    enum Format: String, CaseIterable, OptionValue { case detected, tinychat, collected, messages, preferences }

    var connection = AdminConnection()
    var files: [String] = []
    var format = Format.detected
    var json = false
}

struct LoopExportOptions: LoopChatOptions {
    var connection = AdminConnection()
    var filter = LoopChatFilter()
    var format = AdminExportChatsOptions.Format.chats
    var out: String?
}

extension Command {
    static var loopImport: Command {
        Command(
            "loop import", "Import files of chats into a server. They are new: nothing is trained on them before they are included.",
            LoopImportOptions(),
            [
                OptionGroup("Main options", [
                    .list("file", \.files, value: "FILE", "Import these files; - for standard input.").positional(),
                    .option("format", \.format, "Read the files in this format."),
                    .json(\.json),
                ]),
                LoopImportOptions.connectionOptions,
            ],
            examples: ["slm loop import chats.jsonl", "slm loop import --format preferences pairs.jsonl"]
        ) { options in
            if options.files.isEmpty { throw UsageError("slm loop import: expected a file: slm loop import chats.jsonl") }
            let client = try options.client()
            var result = LoopImportResult()
            for file in options.files { try result.add(file, options.format.rawValue, client) }
            if options.json { return printLine(result.json) }
            printLine("\(result.added.grouped) added, \(result.duplicates.grouped) known, \(result.skipped.grouped) skipped")
            for error in result.errors { printNote(error) }
        }
    }

    static var loopExport: Command {
        Command(
            "loop export", "Write the chats of a server, with corrections applied, for slm finetune.", LoopExportOptions(),
            [
                OptionGroup("Main options", [
                    .option("format", \.format, "Write chats to train on; chosen and corrected answers as pairs; or rated answers."),
                    .option("out", \.out, value: "FILE", "Write to this file, which only you can read.",
                            default: "the terminal").short("o"),
                ]),
                LoopExportOptions.filterOptions,
                LoopExportOptions.connectionOptions,
            ],
            examples: ["slm loop export --state included --out chats.jsonl", "slm loop export --tag colours --format pairs"]
        ) { options in
            let parameters = [("format", options.format.rawValue)] + options.filter.parameters
            let client = try options.client()
            guard let path = options.out else {
                try client.forEachExportedPage(parameters) { lines in
                    if !lines.isEmpty { printLine(String(decoding: lines.dropLast(), as: UTF8.self)) }
                }
                return
            }
            var file = try AtomicFile(path, isPrivate: true), count = 0
            try client.forEachExportedPage(parameters) { lines in
                try file.write(lines)
                count += lines.count { $0 == UInt8(ascii: "\n") }
            }
            try file.commit()
            printNote("\(path): \(count) \(options.format == .chats ? "exchanges" : options.format.rawValue).")
        }
    }
}

/// What a server has made of files.
private struct LoopImportResult {
    private(set) var added = 0, duplicates = 0, skipped = 0
    private(set) var errors: [String] = []

    /// A request has at most this many bytes, and whole lines.
    private static let partSize = 8 << 20

    mutating func add(_ path: String, _ format: String, _ client: AdminClient) throws {
        var blocks = try LineBlocks(path, size: Self.partSize)
        var isEmpty = true
        while let block = try blocks.next() {
            isEmpty = false
            var parser = JSONParser()
            let result = try parser.parse(client.trainingUpload("chats/import", [("format", format)], block.bytes))
            added += result["added"]?.integer ?? 0
            duplicates += result["duplicates"]?.integer ?? 0
            skipped += result["skipped"]?.integer ?? 0
            for error in result["errors"]?.elements.map({ Array($0) }) ?? [] where errors.count < 10 {
                let line = (error["line"]?.integer ?? 1) + block.firstLine - 1
                errors.append("\(path):\(line): \(error["message"]?.string?.printable ?? "malformed")")
            }
        }
        if isEmpty { throw CommandError(description: "\(path): the file is empty.") }
    }

    var json: String {
        var writer = JSONWriter(.oneLine)
        writer.object { object in
            object.key("added"); object.integer(added)
            object.key("duplicates"); object.integer(duplicates)
            object.key("skipped"); object.integer(skipped)
            object.key("errors"); object.array { for error in errors { $0.string(error) } }
        }
        return writer.text
    }
}
