import HTTPServer
import Infer
import Kernels
import Serve
import Store
import Threads

/// Most options are properties of the server's settings or the store's options. What follows is made of several of them.
struct ServeOptions: MachineOptions {
    var machine = MachineSettings()
    var model = ModelOptions()
    var settings = ServeSettings()
    var store = StoreOptions()
    var embeddingModel: String?
    var reranker: String?
    var documents: [String] = []
    var documentsDirectory: String?
    var noUploads = false
    var libraries = LibrarySettings()
    var name: String?
    var database = "sqlite:slm_chat.db"
    var collect: String?
    var starters: [String] = []
    var noStarters = false
    var collectsInDatabase = false
    var reloads = false
    var kvMemory: ByteCount?
    var secretFile: String?
    var proxies: [String] = []
    var accessLog: AccessLog.Format?
    var logFormat = Log.Format.plain
    var logFile: String?
    var sharedPrompt: String?
    var drain = Duration.seconds(30)

    var port: Int {
        get { Int(settings.http.port) }
        set { settings.http.port = UInt16(newValue) }
    }

    var sessionLifetime: Duration {
        get { .seconds(settings.tokenLifetime) }
        set { settings.tokenLifetime = max(60, Int(newValue.components.seconds)) }
    }
}

extension Int {
    fileprivate var byteCount: ByteCount {
        get { ByteCount(self) }
        set { self = newValue.bytes }
    }
}

extension Duration {
    fileprivate var days: Int {
        get { Int(components.seconds / 86_400) }
        set { self = .seconds(newValue * 86_400) }
    }
}

extension Duration? {
    /// 0 for nil.
    fileprivate var days: Int {
        get { self?.days ?? 0 }
        set { self = newValue == 0 ? nil : .seconds(newValue * 86_400) }
    }
}

extension Bool {
    /// For an option that turns something off.
    fileprivate var isOff: Bool {
        get { !self }
        set { self = !newValue }
    }
}

extension AccessLog.Format: OptionValue {}
extension Log.Format: OptionValue {}

extension ServeOptions {
    static var groups: [OptionGroup<ServeOptions>] {
        [
            OptionGroup("Main options", [
                ModelOptions.checkpointOption(\.model),
                .option("port", \.port, in: 0...65_535, "Listen on port N; 0 for a free one.").short("p"),
                .option("host", \.settings.http.host, value: "ADDRESS",
                        "Listen on ADDRESS: 127.0.0.1 for this machine only, 0.0.0.0 for the network."),
                .option("database", \.database, value: "URL",
                        "Store accounts and conversations in sqlite:FILE or postgresql://user:password@host/database."),
                .option("name", \.name, value: "NAME", "Set the model's name in the API.", default: "the name of its run"),
                .option("collect", \.collect, value: "FILE", "Collect finished chats in the database and in FILE, for slm finetune."),
                .option("collect-in-database", \.collectsInDatabase, "Collect finished chats in the database only."),
                .option("use-chats", \.store.showsTrainingNotice,
                        "Let chats be used for training, and say so on the chat page. --collect does so, too."),
                .option("training-dir", \.settings.trainingDirectory, value: "DIR",
                        "Create the fine-tuning runs of the training area in DIR."),
                .option("reload", \.reloads,
                        "Load the model again when a run has finished a newer checkpoint. Without it, only SIGHUP does so."),
            ]),
            OptionGroup("Model", ModelOptions.options(
                \.model, adapterHelp: "Serve this LoRA adapter of the checkpoint, too, as the model MODEL:NAME, with the same weights.") + [
                .embeddingModel(\.embeddingModel, "Answer /v1/embeddings with this embedding model: a folder or a GGUF file."),
                .option("reranker", \.reranker, value: "MODEL",
                        "Answer /v1/rerank with this reranker, and let it put the 30 best passages of documents in order."),
            ]),
            OptionGroup("Documents", [
                .list("documents", \.documents, value: "NAME=FILE",
                      "Let chats answer from the documents of FILE, an index of slm index build. Without NAME, it is that of the file."),
                .option("max-passages", \.settings.documents.passageLimit, in: 1...ServedDocuments.mostPassages,
                        "Give the model at most N passages, in half of its context."),
                .option("upload-space", \.store.maxUploadedBytes.byteCount, "Let each account upload files of SIZE together.")
                    .excluding("uploads"),
                .option("no-uploads", \.noUploads, "Let accounts upload no files.").excluding("uploads"),
                .option("reading-memory", \.libraries.readingMemory.byteCount,
                        "Let the program that reads uploaded files have SIZE of memory."),
                .option("documents-dir", \.documentsDirectory, value: "DIR",
                        "Keep the files that accounts upload, and their indexes, in DIR.",
                        default: "the database's file with .documents at the end, or slm_chat.documents"),
            ]),
            OptionGroup("Chat page", [
                .list("starter", \.starters, value: "TEXT", "Offer these questions for a new chat, instead of some of the validation data.",
                      separator: "|")
                    .excluding("starters"),
                .option("no-starters", \.noStarters, "Offer no questions for a new chat.").excluding("starters"),
            ]),
            OptionGroup("Access", [
                .option("ollama-port", \.settings.ollamaPort, in: 0...65_535, "Serve Ollama's API on port N, too; Ollama's own is 11434.",
                        default: "under /ollama of the main port only"),
                .option("require-key", \.settings.requiresAPIKey, "Require an API key under /v1 and for Ollama's API."),
                .option("no-guests", \.settings.allowsGuests.isOff, "Require an account to chat."),
                .option("no-registration", \.settings.allowsRegistration.isOff, "Disable self-registration."),
                .option("secret-file", \.secretFile, value: "FILE", "Keep the key that signs session tokens in FILE.",
                        default: "the database's file with .secret at the end, or slm_chat.secret"),
                .option("stay-signed-in", \.sessionLifetime, "Keep users signed in for DURATION."),
                .list("allow-host", \.settings.hosts, value: "NAME", "Accept requests for this host name too.", separator: ","),
                .list("allow-origin", \.settings.origins, value: "URL", "Accept requests from pages of this site (CORS).", separator: ","),
                .option("behind-proxy", \.settings.trustsProxy, "Trust X-Forwarded-For and X-Request-Id from a proxy on this machine."),
                .list("trusted-proxy", \.proxies, value: "NETWORK",
                      "Trust them from this network, too, such as 172.16.0.0/12. Implies --behind-proxy.", separator: ","),
            ]),
            OptionGroup("Log and caches", [
                .option("server-name", \.settings.serverName, value: "NAME",
                        "Name this server in the list of servers, and label its metrics with the name.",
                        default: "the machine's name and the port"),
                .option("access-log", \.accessLog, value: "FORMAT", "Log each request to standard error, without paths and texts.",
                        default: "no log"),
                .option("log-format", \.logFormat, value: "FORMAT",
                        "Log starts, stops, errors and reloads as sentences, as lines with time and level, or as JSON."),
                .option("log-file", \.logFile, value: "FILE", "Append the logs to FILE, which may be rotated.", default: "standard error"),
                .option("shared-prompt", \.sharedPrompt, value: "FILE",
                        "Share the cached keys and values of this system prompt across users.", default: "shared within a user only"),
                .option("share-answers", \.settings.sharesCachedAnswers, "Send cached answers of one user to others (temperature 0)."),
            ]),
            OptionGroup("Limits", [
                .option("slots", \.settings.slots, in: 1...4_096, "Generate N answers at the same time."),
                .option("kv-memory", \.kvMemory,
                        "Use at most SIZE of memory for the cached keys and values of a model; answers that need more wait.",
                        default: "half of what the weights leave"),
                .option("waiting", \.settings.maxWaiting, in: 0...1_000_000, "Queue at most N requests for a slot."),
                .option("per-user", \.settings.answersPerClient, in: 1...4_096,
                        "Allow each account or address N requests at the same time."),
                .option("chats-per-minute", \.settings.chatsPerMinute, in: 0...1_000_000,
                        "Allow each account or address N messages per minute; 0 for any number."),
                .option("sign-ins-per-minute", \.settings.signInsPerMinute, in: 0...1_000_000,
                        "Allow each address N attempts to sign in or register per minute; 0 for any number."),
                .option("changes-per-minute", \.settings.changesPerMinute, in: 0...1_000_000,
                        "Allow each account N other changes per minute, such as renaming a conversation; 0 for any number."),
                .option("searches-per-minute", \.settings.searchesPerMinute, in: 0...1_000_000,
                        "Allow each account N searches per minute; 0 for any number."),
                .option("search-timeout", \.store.searchTimeout, "Cancel a search after DURATION."),
                .option("max-conversations", \.store.maxConversations, in: 0...1_000_000_000,
                        "Allow each account N conversations; 0 for any number."),
                .option("max-characters", \.store.maxStoredCharacters, in: 0...1_000_000_000_000,
                        "Allow each account N characters in all its conversations together; 0 for any number."),
                .option("max-keys", \.store.maxAPIKeys, in: 0...1_000_000, "Allow each account N API keys; 0 for any number."),
                .option("keep-usage", \.store.generationRetention.days, in: 0...36_500,
                        "Keep the token counts of answers for N days; 0 for ever."),
                .option("keep-conversations", \.store.conversationRetention.days, in: 0...36_500,
                        "Delete conversations N days after their last message; 0 to keep them."),
                .option("keep-audit", \.store.auditRetention.days, in: 0...36_500,
                        "Keep the audit log of administrators for N days; 0 for ever."),
                .option("keep-keys", \.store.revokedKeyRetention.days, in: 0...36_500, "Keep revoked API keys for N days; 0 for ever."),
                .option("keep-accounts", \.store.unusedAccountRetention.days, in: 0...36_500,
                        "Keep an account for N days after its last use, then delete it; 0 for ever."),
                .option("account-warning", \.store.unusedAccountWarning.days, in: 0...36_500,
                        "Announce the deletion of an unused account in the audit log at least N days before."),
                .option("keep-deleted", \.store.deletedRetention, "Keep deleted conversations and replaced messages for DURATION."),
                .option("drain", \.drain, "On shutdown, wait up to DURATION for running answers."),
                .option("handover", \.settings.handover,
                        "On shutdown, first serve for DURATION while /api/ready says 503, for a load balancer.",
                        default: "0s; 3s with sockets of systemd"),
            ]),
            OptionGroup("Machine", machineOptions),
        ]
    }
}
