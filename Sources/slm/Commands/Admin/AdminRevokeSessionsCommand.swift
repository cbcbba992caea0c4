import AdminAPI

extension Command {
    static var adminRevokeSessions: Command {
        AdminAccountCommand(name: "revoke-sessions", summary: "Sign a user out everywhere.") {
            .endSessions(id: $0.id, name: $0.username)
        }.command
    }
}
