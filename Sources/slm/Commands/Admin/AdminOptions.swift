import AdminAPI
import Files
import Store

/// How the commands of `slm admin` reach a server.
struct AdminConnection {
    var url = "http://127.0.0.1:8000"
    var key: String?
    var keyFile: String?
    var isInsecure = false
}

/// The options of the commands that send requests to the admin routes of a server. Each command declares those that it accepts.
struct AdminOptions {
    var connection = AdminConnection()
    var listing = AdminListing()
    var json = false
    var quiet = false
    var isConfirmed = false
    var isDetached = false

    // The dashboard.
    var interval = Duration.seconds(5)
    var noMouse = false

    // Accounts and conversations.
    var userOrder = AdminUserOrder.lastActive
    var conversationOrder = AdminConversationOrder.updated
    var user: String?
    var name: String?
    var email: String?
    var readsPassword = false
    var lifetime: Duration?
    /// The positions of `set-role`: a user and a role.
    var words: [String] = []
    /// The id of an invitation, an import or a question.
    var deleted: String?

    // Chats of the training area.
    var filter = TrainingFilter()
    var chatOrder = TrainingFilter.SortKey.newest
    var export = ChatExport()
    var files: [String] = []
    var format = ImportFormat.detected
    var ids: [String] = []
    var all = false
    var addedTags: [String] = []

    // Runs.
    var run = AreaRunSettings()
    var runName: String?
    var isEstimate = false
    var at: String?
    var newChats: Int?
    var isOff = false

    // Models.
    var model: String?
    var force = false
    var reason: String?
    var share = 0.1
    var pinnedKey: String?
    /// Whether a canary ends, or a key is unpinned.
    var ends = false
    var keep = 3

    // The gate.
    var question: String?
    var expected: String?
    /// The thresholds, by their names in requests.
    var numbers: [String: Double] = [:]
    var requiresBetter: Bool?
    var general: [String] = []
}

extension AdminOptions {
    static var connectionOptions: OptionGroup<AdminOptions> {
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
    static func ofServer(
        _ name: String,
        _ summary: String,
        _ options: @autoclosure @escaping () -> [CommandOption<AdminOptions>],
        and groups: @autoclosure @escaping () -> [OptionGroup<AdminOptions>] = [],
        examples: [String],
        run: @escaping (AdminOptions) throws -> Void
    ) -> Command {
        Command(
            name, summary, AdminOptions(), [OptionGroup("Main options", options())] + groups() + [AdminOptions.connectionOptions],
            examples: examples, run: run)
    }
}
