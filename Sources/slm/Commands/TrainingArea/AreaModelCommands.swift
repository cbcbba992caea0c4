import AdminAPI
import Dashboard
import JSON
import Terminal

extension Command {
    static var trainingStatus: Command {
        listCommand("training status", "Show which models a server serves, and what they take on the disk.") { options, text, registry in
            if options.json { return printLine(text) }
            let models = registry.list("items").map { AreaModel(json: $0) }
            for state in ["active", "previous"] {
                guard let model = models.first(where: { $0.state == state }) else {
                    printLine("\(state): none")
                    continue
                }
                let since = model.json["promoted_at"]?.string.map { ", since \($0)" } ?? ""
                let by = model.json["promoted_by"]?.string.map { " by \($0)" } ?? ""
                printLine("\(state): \(model.name.harmless)\(state == "active" ? since + by.harmless : "")")
                if state == "active", !model.isServed { printLine("  it is not served: \(model.error?.harmless ?? "it is loading")") }
            }
            if let canary = models.first(where: { $0.id == registry["canary"]?["model"]?.string }) {
                let share = registry["canary"]?["share"]?.number ?? 0
                printLine("canary: \(canary.name.harmless), \((share * 100).fixed(1)) % of the conversations")
            }
            let candidates = models.filter { $0.state == "candidate" }
            if !candidates.isEmpty { printLine("candidates: \(candidates.map(\.name.harmless).joined(separator: ", "))") }
            let used = registry["disk"]?["used_bytes"]?.number ?? 0, free = registry["disk"]?["free_bytes"]?.number
            printLine("disk: \((used / 1e6).fixed(0)) MB of models" + (free.map { ", \(($0 / 1e6).fixed(0)) MB free" } ?? ""))
        }
    }

    static var trainingModels: Command {
        listCommand("training models", "List the models that a server knows, newest first.") { options, text, registry in
            if options.json { return printLine(text) }
            let canary = registry["canary"]
            var table = TextTable(["NAME", "STATE", "VERDICT", "#MB", "#KEYS", "SERVED", "CREATED", "ID"])
            for model in registry.list("items").map({ AreaModel(json: $0) }) {
                let isCanary = canary?["model"]?.string == model.id
                let share = canary?["share"]?.number.map { " \(($0 * 100).fixed(0)) %" } ?? ""
                let isGone = model.json["files_deleted_at"]?.string != nil
                table.add([
                    model.name, model.state + (isCanary ? ", canary" + share : "") + (isGone ? ", no files" : ""), model.verdict,
                    ((model.json["size_bytes"]?.number ?? 0) / 1e6).fixed(1), "\(model.json["keys"]?.integer ?? 0)",
                    model.isServed ? "yes" : model.error ?? "-", model.json["created_at"]?.string ?? "-", model.id,
                ])
            }
            printTable(table)
        }
    }

    private static func listCommand(
        _ name: String, _ summary: String, _ print: @escaping (AdminOptions, String, JSONElement) throws -> Void
    ) -> Command {
        ofServer(name, summary, [.json(\.json)], examples: ["slm \(name)"]) { options in
            let (text, json) = try options.client().document("GET", "models")
            try print(options, text, json)
        }
    }

    static var trainingRegister: Command {
        ofServer(
            "training register",
            "Register a checkpoint, a LoRA adapter or another model on the server's machine as a candidate.",
            [
                .option("path", \.model, value: "FILE", "Register this file or Hugging Face folder of the server's machine.")
                    .positionalOnly(),
                .option("name", \.name, value: "NAME", "Set its name in the API.", default: "the name of its run"),
                .json(\.json),
            ],
            examples: ["slm training register checkpoints/second/best.h5", "slm training register model.gguf --name qwen"]
        ) { options in
            guard let path = options.model else {
                throw UsageError("slm training register: expected a file of the server's machine: slm training register FILE")
            }
            let name = options.name ?? ModelOptions.modelName(of: path)
            let response = try options.client().document("POST", "models") {
                $0["path"] = path
                $0["name"] = name
            }
            let model = AreaModel(json: response.json)
            printLine(options.json ? response.text : "\(model.name.harmless) is a \(model.state): \(model.id)")
        }
    }

    static var trainingPromote: Command {
        modelCommand(
            "training promote", "Make a model the one that answers on all servers of the database.",
            [
                .option("force", \.force, "Promote a model that was not found better or no worse than the active one."),
                .option("reason", \.reason, value: "TEXT", "Say why in the audit log. --force needs it."),
            ]
        ) { options, client, model in
            if options.force, options.reason == nil {
                throw UsageError("slm training promote: --force needs a reason for the audit log: --force --reason TEXT")
            }
            let response = try client.document("POST", "models/\(model.id)/promote") {
                $0["force"] = options.force
                if let reason = options.reason { $0["reason"] = reason }
            }
            // A large model is loaded after the response.
            let isServed = response.json["is_served"]?.boolean ?? true
            printChange(
                response, options, "is active\(isServed ? "" : ", and the server is loading it"). To go back: slm training rollback")
        }
    }

    static var trainingArchive: Command {
        modelCommand("training archive", "Archive a model that will not be promoted.", []) { options, client, model in
            try printChange(client.document("POST", "models/\(model.id)/archive") { _ in }, options, "is archived")
        }
    }

    static var trainingDeleteModel: Command {
        modelCommand(
            "training delete-model", "Delete a model from the registry, and its files if a run of the server has written them.", []
        ) { options, client, model in
            _ = try client.document("DELETE", "models/\(model.id)")
            printLine(options.json ? JSONLine(["deleted": .text(model.id)]) : "\(model.name.harmless) is deleted")
        }
    }

    private static func modelCommand(
        _ name: String, _ summary: String, _ options: [CommandOption<AdminOptions>],
        _ run: @escaping (AdminOptions, AdminClient, AreaModel) throws -> Void
    ) -> Command {
        ofServer(
            name, summary,
            [.option("model", \.model, value: "NAME", "The model with this name or id.").positionalOnly()] + options + [.json(\.json)],
            examples: ["slm \(name) colors-1"]
        ) { options in
            guard let wanted = options.model else { throw UsageError("slm \(name): expected a model: slm \(name) NAME") }
            let client = try options.client()
            try run(options, client, try client.model(named: wanted))
        }
    }

    private static func printChange(_ response: (text: String, json: JSONElement), _ options: AdminOptions, _ change: String) {
        printLine(options.json ? response.text : "\(AreaModel(json: response.json).name.harmless) \(change)")
    }

    static var trainingRollback: Command {
        ofServer(
            "training rollback", "Make the model that was active before answer again.", [.json(\.json)],
            examples: ["slm training rollback"]
        ) { options in
            try printChange(options.client().document("POST", "rollback") { _ in }, options, "is active again")
        }
    }
}
