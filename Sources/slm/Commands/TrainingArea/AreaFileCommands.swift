import AdminAPI
import Dashboard
import Files
import JSON
import Store
import Terminal

enum ImportFormat: String, CaseIterable, OptionValue { case detected, tinychat, collected, messages, preferences }

extension Command {
    static var trainingImport: Command {
        ofServer(
            "training import", "Import files of chats into a server. They are new: nothing is trained on them before they are included.",
            [
                .list("file", \.files, value: "FILE", "Import these files; - for standard input.").positional(),
                .option("format", \.format, "Read the files in this format."),
                .json(\.json),
            ],
            examples: ["slm training import chats.jsonl", "slm training import --format preferences pairs.jsonl"]
        ) { options in
            if options.files.isEmpty { throw UsageError("slm training import: expected a file: slm training import chats.jsonl") }
            let client = try options.client()
            var result = AreaImportResult()
            for file in options.files { try result.add(file, options.format.rawValue, client) }
            if options.json { return printLine(result.json) }
            printLine("\(result.added.grouped) added, \(result.duplicates.grouped) known, \(result.skipped.grouped) skipped")
            for error in result.errors { printNote(error) }
            if result.added > 0, let id = result.id { printNote("to take it back: slm training imports --delete \(id)") }
        }
    }

    static var trainingImports: Command {
        ofServer(
            "training imports", "List the imports of a server that have chats, newest first, or delete the chats of one.",
            [
                .option("delete", \.deleted, value: "IMPORT", "Delete the chats of this import, also included ones."),
                .json(\.json),
            ],
            examples: ["slm training imports", "slm training imports --delete 5h1vkz0w7c4m8q2r9t3e6y0bna"]
        ) { options in
            let client = try options.client()
            if let id = options.deleted {
                let (text, json) = try client.document("DELETE", "imports/\(id)")
                if options.json { return printLine(text) }
                let count = json["deleted"]?.integer ?? 0
                return printLine("deleted \(count.grouped) \(count == 1 ? "chat" : "chats")")
            }
            let (text, json) = try client.document("GET", "imports")
            if options.json { return printLine(text) }
            var table = TextTable(["ID", "#CHATS", "#INCLUDED", "IMPORTED"])
            for item in json.list("items") {
                table.add([
                    item["id"]?.string ?? "", (item["chats"]?.integer ?? 0).grouped, (item["included"]?.integer ?? 0).grouped,
                    item["created_at"]?.string ?? "-",
                ])
            }
            printTable(table)
        }
    }

    static var trainingExport: Command {
        ofServer(
            "training export", "Write the chats of a server, with corrections applied, for slm finetune.",
            ChatExport.options.map { $0.inside(\.export) },
            and: [AdminOptions.filterOptions],
            examples: ["slm training export --state included --out chats.jsonl", "slm training export --tag colors --format pairs"]
        ) { options in
            let client = try options.client(), parameters = options.export.parameters + options.filter.parameters + [("limit", "500")]
            try options.export.write { try client.forEachPage("chats/export", parameters, area: "training", $0) }
        }
    }
}

/// What a server has made of files.
private struct AreaImportResult {
    private(set) var added = 0, duplicates = 0, skipped = 0
    private(set) var errors: [String] = []
    /// The import that all parts belong to.
    private(set) var id: String?

    /// A request has at most this many bytes, and whole lines.
    private static let partSize = 8 << 20

    mutating func add(_ path: String, _ format: String, _ client: AdminClient) throws {
        var blocks = try LineBlocks(path, size: Self.partSize)
        var isEmpty = true
        while let block = try blocks.next() {
            isEmpty = false
            let query = [("format", format)] + (id.map { [("import", $0)] } ?? [])
            let result = try JSONElement(parsing: client.trainingUpload("chats/import", query, block.bytes))
            id = result["import"]?.string ?? id
            added += result["added"]?.integer ?? 0
            duplicates += result["duplicates"]?.integer ?? 0
            skipped += result["skipped"]?.integer ?? 0
            for error in result.list("errors") where errors.count < 10 {
                let line = (error["line"]?.integer ?? 1) + block.firstLine - 1
                errors.append("\(path):\(line): \(error["message"]?.string?.printable ?? "malformed")")
            }
        }
        if isEmpty { throw CommandError(description: "\(path): the file is empty.") }
    }

    var json: String {
        JSONWriter.text { object in
            if let id { object["import"] = id }
            object["added"] = added
            object["duplicates"] = duplicates
            object["skipped"] = skipped
            object["errors"] = errors
        }
    }
}
