import Glibc
import HTTPClient
import JSON

struct HealthOptions {
    var url = "http://127.0.0.1:8000"
    var timeout = Duration.seconds(5)
    var wait: Duration?
    var json = false
}

extension Command {
    static var health: Command {
        Command(
            "health",
            "Ask a server whether it can chat.",
            HealthOptions(),
            [
                OptionGroup("Main options", [
                    .option("url", \.url, value: "URL", "Ask the server at this address.").positional(),
                    .option("timeout", \.timeout, "Wait up to DURATION for a response."),
                    .option("wait", \.wait, "Ask again until the server is ready, for up to DURATION.", default: "ask once"),
                    .json(\.json, "Print the server's JSON object."),
                ]),
            ],
            examples: ["slm health", "slm health https://chat.example.org --wait 60s"],
            readsConfiguration: false
        ) { options in
            try options.run()
        }
    }
}

/// The response to `GET /api/ready`.
private struct Readiness {
    let head: HTTPHead
    let body: String

    /// "loading (model: loading, engine: loading, database: ok)", or the error that another response contains.
    var description: String {
        guard let json = try? JSONElement(parsing: Array(body.utf8)) else { return "status \(head.status)" }
        guard let status = json["status"]?.string else { return json["error"]?["message"]?.string ?? "status \(head.status)" }
        let checks = ["model", "engine", "database"].compactMap { name in json["checks"]?[name]?.string.map { "\(name): \($0)" } }
        return checks.isEmpty ? status : "\(status) (\(checks.joined(separator: ", ")))"
    }
}

extension HealthOptions {
    fileprivate func run() throws {
        let end = ContinuousClock.now + (wait ?? .zero)
        while true {
            do {
                return try askOnce()
            } catch {
                guard ContinuousClock.now < end else { throw error }
                usleep(100_000)
            }
        }
    }

    /// Throws unless the server is ready.
    private func askOnce() throws {
        var request = HTTPRequest(url.trimmingSuffix("/") + "/api/ready")
        request.connectSeconds = max(1, Int(timeout.components.seconds))
        request.idleSeconds = request.connectSeconds
        var head = HTTPHead()
        var bytes: [UInt8] = []
        do throws(HTTPError) {
            try HTTPExchange().run(request) { newHead, part in
                head = newHead
                // Another server may send anything.
                if bytes.count < 1 << 16 { for index in part.indices { bytes.append(part[index]) } }
            }
        } catch {
            throw CommandError(description: "\(url): \(error.sentence)")
        }
        let readiness = Readiness(head: head, body: String(decoding: bytes, as: UTF8.self))
        guard head.status == 200 else { throw CommandError(description: "\(url) is not ready: \(readiness.description)") }
        printLine(json ? readiness.body : readiness.description)
    }
}

extension HTTPError {
    fileprivate var sentence: String {
        switch self {
        case .noLibrary(let library): "\(library)"
        case .invalidURL(let reason): "expected a URL such as http://127.0.0.1:8000: \(reason)"
        case .unreachable(let reason): "no server answers: \(reason)"
        case .timedOut: "the server did not answer in time"
        case .failed(let reason): reason
        case .canceled: "canceled"
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String { hasSuffix(suffix) ? String(dropLast(suffix.count)) : self }
}
