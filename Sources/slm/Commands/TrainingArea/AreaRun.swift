import AdminAPI
import JSON

/// A fine-tuning run, as a server describes it.
struct AreaRun {
    let json: JSONElement

    /// The response as JSON.
    let text: String

    init(_ response: (text: String, json: JSONElement)) { (text, json) = response }

    init(_ json: JSONElement) {
        self.json = json
        text = String(decoding: json.json, as: UTF8.self)
    }

    var id: String { json["id"]?.string ?? "" }
    var name: String { json["name"]?.string ?? id }
    var state: String { json["state"]?.string ?? "unknown" }
    var message: String? { json["message"]?.string }
    var step: Int { json["step"]?.integer ?? 0 }
    var steps: Int? { json["steps"]?.integer }
    var secondsLeft: Double? { json["seconds_left"]?.number }
    var hasEnded: Bool { ["stopped", "finished", "failed"].contains(state) }

    /// The part that is done, from 0 to 1; nil if it is not known.
    var fraction: Double? {
        if let steps, steps > 0 { return min(1, Double(step) / Double(steps)) }
        guard let minutes = json["settings"]?["minutes"]?.number, minutes > 0, let secondsLeft else { return nil }
        return min(1, max(0, 1 - secondsLeft / (60 * minutes)))
    }

    /// step 120  training loss 1.234  validation loss 1.301 (best 1.298)  4500 tokens/s
    var details: String {
        var parts = ["step \(step)"]
        if let loss = json["loss"]?.number { parts.append("training loss \(loss.fixed(3))") }
        if let loss = json["val_loss"]?.number {
            let best = json["best_val_loss"]?.number.map { " (best \($0.fixed(3)))" } ?? ""
            parts.append("validation loss \(loss.fixed(3))\(best)")
        }
        if let speed = json["tokens_per_s"]?.number { parts.append("\(Int(speed)) tokens/s") }
        return parts.joined(separator: "  ")
    }
}

extension AdminClient {
    /// The run with an id or a name.
    func run(_ text: String) throws -> AreaRun {
        if Self.isID(text) {
            do { return try AreaRun(document("GET", "runs/\(text)")) } catch AdminError.rejected(status: 404, message: _) {}
        }
        var found: AreaRun?
        try forEachRun { if $0.name == text, found == nil { found = $0 } }
        guard let found else { throw CommandError(description: "there is no run '\(text)'. All runs: slm training runs") }
        return try AreaRun(document("GET", "runs/\(found.id)"))
    }

    /// All runs, the newest first.
    func forEachRun(limit: Int = 0, _ body: (AreaRun) throws -> Void) throws {
        var next: String?, count = 0
        repeat {
            let page = try document("GET", "runs", [("limit", "200")] + (next.map { [("after", $0)] } ?? [])).json
            for run in page.list("items") where limit == 0 || count < limit {
                try body(AreaRun(run))
                count += 1
            }
            next = page["next"]?.string
        } while next != nil && (limit == 0 || count < limit)
    }

    /// Shows a run until it ends. Ctrl-C leaves it alone.
    func follow(_ id: String, isQuiet: Bool) throws {
        let stop = StopSignal()
        var run = try AreaRun(document("GET", "runs/\(id)")), shown = ""
        let progress = ProgressBar("training \(run.name)", isVisible: !isQuiet)
        while !run.hasEnded {
            if run.state != shown, run.state != "running", !isQuiet { printNote("the run \(run.name) is \(run.state).") }
            shown = run.state
            if run.state == "running" { progress.show(fraction: run.fraction, run.details) }
            if !stop.wait(seconds: 1) {
                progress.clear()
                let name = run.name.shellWord
                printNote("the run continues on the server. Watch it: slm training run \(name), stop it: slm training stop \(name)")
                throw Interrupted()
            }
            run = try AreaRun(document("GET", "runs/\(id)"))
        }
        progress.clear()
        try run.printEnding()
    }
}

extension AreaRun {
    func printEnding() throws {
        switch state {
        case "failed": throw CommandError(description: "the run \(name) has failed: \(message ?? "")")
        case "stopped": printNote("the run \(name) was stopped at step \(step). Continue it: slm training resume \(name.shellWord)")
        case _ where json["model"]?.string == nil:
            throw CommandError(description: "the run \(name) has finished without a model. \(message ?? "")")
        default: printLine("the run \(name) has finished: \(details)")
        }
    }
}
