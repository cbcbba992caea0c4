import AdminAPI

extension Command {
    static var adminDeleteUser: Command {
        AdminAccountCommand(name: "delete-user", summary: "Delete an account with all its conversations.", asksFirst: true) {
            .deleteUser(id: $0.id, name: $0.username)
        }.command
    }
}
