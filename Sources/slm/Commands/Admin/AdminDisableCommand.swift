import AdminAPI

extension Command {
    static var adminDisable: Command {
        AdminAccountCommand(name: "disable", summary: "Disable an account: its user is signed out and cannot sign in.") {
            .setDisabled(true, id: $0.id, name: $0.username)
        }.command
    }
}
