import AdminAPI
import Dashboard
import Files
import JSON
import Terminal

extension Command {
    static var trainingCanary: Command {
        ofServer(
            "training canary", "Let a model answer a share of the conversations, or end that.",
            [
                .option("model", \.model, value: "NAME", "The model with this name or id.").positionalOnly(),
                .option("share", \.share, "Let it answer this share of the conversations, from 0 to 1."),
                .option("end", \.ends, "End the canary: the active model answers all conversations."),
                .json(\.json),
            ],
            examples: ["slm training canary colors-1 --share 0.1", "slm training canary --end"]
        ) { options in
            let client = try options.client()
            if options.ends {
                _ = try client.document("DELETE", "canary")
                return printLine(options.json ? JSONLine(["canary": nil]) : "there is no canary")
            }
            guard let name = options.model else {
                throw UsageError("slm training canary: expected a model, or --end: slm training canary NAME --share 0.1")
            }
            let model = try client.model(named: name)
            let response = try client.document("PUT", "canary") {
                $0["model"] = model.id
                $0["share"] = options.share
            }
            let share = ((response.json["share"]?.number ?? 0) * 100).fixed(1)
            printLine(options.json ? response.text : "\(model.name.harmless) answers \(share) % of the conversations")
        }
    }

    static var trainingPin: Command {
        ofServer(
            "training pin", "List API keys and their models, or pin a key to a model, which answers its requests.",
            [
                .option("key", \.pinnedKey, value: "ID", "Pin the API key with this id, or the only one with this name.").positionalOnly(),
                .option("model", \.model, value: "NAME", "Pin it to the model with this name or id."),
                .option("unpin", \.ends, "Let the active model answer its requests again."),
                .json(\.json),
            ],
            examples: ["slm training pin", "slm training pin laptop --model colors-1", "slm training pin laptop --unpin"]
        ) { options in
            let client = try options.client()
            let keys = try client.keys()
            guard let wanted = options.pinnedKey else {
                return options.json ? printKeys(keys) : try printKeyTable(keys, client)
            }
            guard (options.model != nil) != options.ends else {
                throw UsageError("slm training pin: expected --model NAME or --unpin.")
            }
            let found = keys.filter { $0["id"]?.string == wanted || $0["name"]?.string == wanted }
            guard found.count == 1, let id = found[0]["id"]?.string else {
                let reason = found.isEmpty ? "no API key has" : "\(found.count) API keys have"
                throw CommandError(description: "\(reason) the name or id '\(wanted)'. All keys with their ids: slm training pin")
            }
            let model = try options.model.map { try client.model(named: $0) }
            let response = try client.document("PUT", "keys/\(id)") {
                $0["model"] = model?.id
            }
            let name = response.json["name"]?.string?.harmless ?? id
            printLine(options.json ? response.text : model.map { "\($0.name.harmless) answers the requests of \(name)" }
                ?? "the active model answers the requests of \(name)")
        }
    }

    private static func printKeys(_ keys: [JSONElement]) {
        for key in keys {
            printLine(JSONWriter.text { for name in ["id", "name", "user", "model", "last_used_at"] { $0[name] = key[name]?.string } })
        }
    }

    private static func printKeyTable(_ keys: [JSONElement], _ client: AdminClient) throws {
        let names = Dictionary(try client.models().map { ($0.id, $0.name) }) { first, _ in first }
        var table = TextTable(["NAME", "USER", "MODEL", "LAST USED", "ID"])
        for key in keys {
            let model = key["model"]?.string.map { names[$0] ?? $0 }
            table.add([
                key["name"]?.string ?? "", key["user"]?.string ?? "", model ?? "-", key["last_used_at"]?.string ?? "-",
                key["id"]?.string ?? "",
            ])
        }
        printTable(table)
    }

    static var trainingCleanUp: Command {
        ofServer(
            "training clean-up", "Delete the files of archived models and of old candidates that runs of the server have written.",
            [
                .option("keep", \.keep, in: 0...1_000, "Keep the N newest candidates, and the N newest archived models."),
                .json(\.json),
            ],
            examples: ["slm training clean-up --keep 3"]
        ) { options in
            let response = try options.client().document("POST", "models/clean-up") { $0["keep"] = options.keep }
            let count = response.json["deleted"]?.integer ?? 0, bytes = response.json["freed_bytes"]?.number ?? 0
            printLine(options.json ? response.text
                : "deleted the files of \(count.counted("model")), \((bytes / 1e6).fixed(1)) MB")
        }
    }
}

extension AdminClient {
    /// The API keys of all accounts, the newest first.
    fileprivate func keys() throws -> [JSONElement] {
        var keys: [JSONElement] = [], after: String?
        repeat {
            let page = try document("GET", "keys", [("limit", "200")] + (after.map { [("after", $0)] } ?? [])).json
            keys += page.list("items")
            after = page["next"]?.string
        } while after != nil
        return keys
    }
}
