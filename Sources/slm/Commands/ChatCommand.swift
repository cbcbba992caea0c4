import Chat
import Infer

struct ChatOptions: GenerationOptions {
    var machine = MachineSettings()
    var generation = GenerationSettings()
    var documents = DocumentOptions()
    var quiet = false
}

extension Command {
    static var chat: Command {
        Command(
            "chat",
            "Chat with a model in the terminal.",
            ChatOptions(),
            [
                OptionGroup("Main options", ChatOptions.mainGenerationOptions + [
                    DocumentOptions.index.inside(\.documents),
                    .quiet(\.quiet),
                ]),
                OptionGroup("Documents", DocumentOptions.options.map { $0.inside(\.documents) }),
            ] + ChatOptions.generationGroups,
            examples: [
                "slm chat",
                "slm chat checkpoints/first/best.h5 --temperature 0.5",
                "slm chat model.gguf --documents notes.index",
            ]
        ) { options in
            try options.run()
        }
    }
}

extension ChatOptions {
    fileprivate func run() throws {
        let environment = SLM.environmentVariables()
        let index = try documents.open(for: "chat")
        let backend = try openBackend(for: "chat", chats: true, environment: environment)
        let config = try generation.sampling.config(backend.samplingDefaults)
        var session = ChatSession(config: config, system: generation.system, policy: generation.policy)
        session.templateArguments = generation.templateArguments
        session.forwardedFields = generation.forwardedFields
        var chat = ChatLoop(
            backend, session, ChatScreen(environment: environment), documents: try documents.finder(in: index, for: backend, on: self),
            showsPassages: documents.showsPassages)
        chat.run()
    }
}
