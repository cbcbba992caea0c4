import AdminAPI

extension Command {
    static var adminRevokeKeys: Command {
        AdminAccountCommand(name: "revoke-keys", summary: "Revoke all API keys of a user.", asksFirst: true) {
            .revokeKeys(id: $0.id, name: $0.username)
        }.command
    }
}
