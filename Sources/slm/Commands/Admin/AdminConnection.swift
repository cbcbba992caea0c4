import AdminAPI
import Files

/// How the commands of `slm admin` reach a server.
struct AdminConnection {
    var url = "http://127.0.0.1:8000"
    var key: String?
    var keyFile: String?
    var isInsecure = false
}

/// The options of a command that sends requests to the admin routes.
protocol AdminOptions {
    var connection: AdminConnection { get set }
}

/// The options of a command that only shows something.
struct AdminShowOptions: AdminOptions {
    var connection = AdminConnection()
    var json = false
}

extension AdminOptions {
    @_semantics("optimize.sil.specialize.generic.never")
    static var connectionOptions: OptionGroup<Self> {
        OptionGroup("Server", [
            .option("url", \.connection.url, value: "URL", "Send requests to the server at this address; also SLM_API_URL.")
                .variable("SLM_API_URL"),
            .option("key", \.connection.key, value: "KEY",
                    "Send this admin key. Other users of this machine see it in the list of processes: prefer SLM_ADMIN_KEY or --key-file.")
                .variable("SLM_ADMIN_KEY").excluding("admin key").secret(),
            .option("key-file", \.connection.keyFile, value: "FILE", "Read the admin key from FILE.").variable("SLM_ADMIN_KEY_FILE")
                .excluding("admin key"),
            .option("insecure", \.connection.isInsecure, "Send the key over plain HTTP to another machine, readable on the way."),
        ])
    }

    /// The client for the server of the options. Without a key among them, the key is that of a server with the same environment.
    @_semantics("optimize.sil.specialize.generic.never")
    func client(_ environment: [String: String] = SLM.environmentVariables()) throws -> AdminClient {
        var key = connection.key
        if key == nil, let file = connection.keyFile {
            let lines = String(decoding: try InputFile.contents(of: file), as: UTF8.self).split { $0.isNewline }
            guard lines.count == 1, let line = lines.first else {
                throw CommandError(description: "\(file): expected the admin key on one line, found \(lines.count) lines.")
            }
            key = String(line)
        }
        guard let key = key ?? environment["ADMIN_API_KEY"].flatMap({ $0.isEmpty ? nil : $0 }) else {
            throw CommandError(description: "expected the server's admin key: set SLM_ADMIN_KEY, or --key-file FILE.")
        }
        return AdminClient(try AdminAddress(connection.url, key: key, allowsPlainHTTP: connection.isInsecure))
    }
}

extension Command {
    /// A command that sends requests to a server. After its own options, help shows those of the connection.
    @_semantics("optimize.sil.specialize.generic.never")
    static func ofServer<Options: AdminOptions>(
        _ name: String,
        _ summary: String,
        _ defaults: Options,
        _ options: @autoclosure @escaping () -> [CommandOption<Options>],
        and groups: @autoclosure @escaping () -> [OptionGroup<Options>] = [],
        examples: [String],
        run: @escaping (Options) throws -> Void
    ) -> Command {
        Command(
            name, summary, defaults, [OptionGroup("Main options", options())] + groups() + [Options.connectionOptions],
            examples: examples, run: run)
    }
}
