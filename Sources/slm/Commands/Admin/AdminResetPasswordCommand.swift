import AdminAPI

extension Command {
    static var adminResetPassword: Command {
        AdminAccountCommand(
            name: "reset-password", summary: "Print a one-time code with which a user sets a new password.", returnsCode: true
        ) {
            .resetPassword(id: $0.id, name: $0.username)
        }.command
    }
}
