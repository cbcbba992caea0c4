import AdminAPI
import Dashboard
import Files
import Glibc
import JSON
import Terminal

extension Command {
    static var adminDisable: Command {
        accountCommand("disable", "Disable an account: its user is signed out and cannot sign in.") {
            .setDisabled(true, id: $0.id, name: $0.username)
        }
    }

    static var adminEnable: Command {
        accountCommand("enable", "Enable a disabled account again.") { .setDisabled(false, id: $0.id, name: $0.username) }
    }

    static var adminResetPassword: Command {
        accountCommand("reset-password", "Print a one-time code with which a user sets a new password.", returnsCode: true) {
            .resetPassword(id: $0.id, name: $0.username)
        }
    }

    static var adminRevokeSessions: Command {
        accountCommand("revoke-sessions", "Sign a user out everywhere.") { .endSessions(id: $0.id, name: $0.username) }
    }

    static var adminRevokeKeys: Command {
        accountCommand("revoke-keys", "Revoke all API keys of a user.", asksFirst: true) { .revokeKeys(id: $0.id, name: $0.username) }
    }

    static var adminDeleteUser: Command {
        accountCommand("delete-user", "Delete an account with all its conversations.", asksFirst: true) {
            .deleteUser(id: $0.id, name: $0.username)
        }
    }

    /// A change of one account, as `slm admin disable NAME`.
    ///
    /// - Parameters:
    ///   - asksFirst: Whether a terminal is asked before.
    ///   - returnsCode: Whether the response has a code for the user.
    private static func accountCommand(
        _ name: String, _ summary: String, asksFirst: Bool = false, returnsCode: Bool = false,
        _ action: @escaping (UserRecord) -> AdminAction
    ) -> Command {
        let asking: [CommandOption<AdminOptions>] = asksFirst
            ? [.option("yes", \.isConfirmed, "Do not ask. Without a terminal there is no question.").short("y")] : []
        return ofServer(
            "admin \(name)",
            summary,
            [.option("user", \.user, value: "NAME", "Change the user with this name, email address or id.").positionalOnly()]
                + asking + (returnsCode ? [.json(\.json)] : []),
            examples: ["slm admin \(name) ada"]
        ) { options in
            guard let wanted = options.user else { throw UsageError("slm admin \(name): expected a user: slm admin \(name) NAME.") }
            let client = try options.client()
            let user = try client.user(named: wanted)
            let action = action(user)
            if asksFirst, !options.isConfirmed, TerminalMode.isTerminal(STDIN_FILENO) {
                printError("\(action.explanation.harmless) [y/N] ", terminator: "")
                guard ["y", "yes"].contains(readLine()?.lowercased()) else { throw CommandError(description: "nothing was changed.") }
            }
            let outcome = try client.perform(action)
            if let code = outcome.code {
                code.printForUser(json: options.json, id: user.id, name: user.username)
            } else {
                printLine(action.done.harmless)
            }
        }
    }
}

extension IssuedCode {
    /// Prints the code on standard output, and what it is for on standard error.
    func printForUser(json: Bool, id: String?, name: String?) {
        if json {
            return printLine(JSONWriter.text(.pretty) { object in
                if let id { object["id"] = id }
                if let name { object["username"] = name }
                object["code"] = code
                object["expires_at"] = expires
            })
        }
        printLine(code)
        let end = expires.flatMap(UTCTime.milliseconds).map { ", valid until \($0.dateAndTime)" } ?? ""
        let purpose = name.map { "a code with which \($0.harmless) sets a password" } ?? "an invitation: a code for registering"
        printNote("\(purpose)\(end). It is not shown again.")
    }
}
