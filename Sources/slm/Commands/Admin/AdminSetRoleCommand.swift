import AdminAPI
import Dashboard

extension Command {
    static var adminSetRole: Command {
        ofServer(
            "admin set-role",
            "Make an account an owner, who may review chats, train and promote models; or take that back.",
            [
                .list("words", \.words, value: "NAME ROLE", "Give the user with this name, email address or id the role owner or user.",
                      separator: " ").positionalOnly(),
            ],
            examples: ["slm admin set-role ada owner"]
        ) { options in
            guard options.words.count == 2, ["owner", "user"].contains(options.words[1]) else {
                throw UsageError("slm admin set-role: expected a name and a role: slm admin set-role NAME owner, or NAME user.")
            }
            let client = try options.client()
            let user = try client.user(named: options.words[0]), role = options.words[1]
            try client.setRole(role, of: user)
            printLine("\(user.username.harmless) is \(role == "owner" ? "an owner" : "not an owner").")
        }
    }
}
