import AdminAPI

extension Command {
    static var adminEnable: Command {
        AdminAccountCommand(name: "enable", summary: "Enable a disabled account again.") {
            .setDisabled(false, id: $0.id, name: $0.username)
        }.command
    }
}
