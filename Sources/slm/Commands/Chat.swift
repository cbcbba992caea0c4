import Chat
import Infer
import Kernels

struct ChatOptions: AnsweringOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var answering = AnsweringChoice()
}

extension Command {
    static var chat: Command {
        Command("chat", "A conversation in the terminal.", ChatOptions(), ChatOptions.answeringRows,
                example: "slm chat --checkpoint checkpoints/first/best.h5 --temperature 0.5") { options in
            try options.run()
        }
    }
}

extension ChatOptions {
    func run() throws {
        let session = ChatSession(config: try answering.config, system: answering.system, policy: answering.policy),
            environment = SLM.environmentVariables()
        var chat = ChatLoop(try open(for: "chat", environment: environment), session, ChatScreen(environment: environment))
        chat.run()
    }
}
