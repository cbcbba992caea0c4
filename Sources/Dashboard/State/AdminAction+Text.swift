package import AdminAPI

/// What a change is called on the screen.
extension AdminAction {
    /// The user that it changes.
    var name: String {
        switch self {
        case .setDisabled(_, _, let name), .resetPassword(_, let name), .endSessions(_, let name), .revokeKeys(_, let name),
            .deleteUser(_, let name), .createUser(let name, _, _):
            name
        case .invite(let email, _): email ?? "a new user"
        case .deleteInvitation(let id): id
        }
    }

    /// The question before it is done.
    var question: String {
        switch self {
        case .setDisabled(true, _, let name): "Disable \(name)?"
        case .setDisabled(false, _, let name): "Enable \(name)?"
        case .resetPassword(_, let name): "Reset the password of \(name)?"
        case .endSessions(_, let name): "Sign \(name) out everywhere?"
        case .revokeKeys(_, let name): "Revoke all API keys of \(name)?"
        case .deleteUser(_, let name): "Delete \(name)?"
        case .createUser(let name, _, _): "Create \(name)?"
        case .invite: "Create an invitation?"
        case .deleteInvitation: "Delete the invitation?"
        }
    }

    /// What it leads to.
    var consequence: String {
        switch self {
        case .setDisabled(true, _, _):
            "They are signed out at once, their answers stop and their API keys are rejected, until you enable them."
        case .setDisabled(false, _, _): "They can sign in again. Their API keys work again."
        case .resetPassword: "You get a one-time code for them. Their password stays valid until they use it."
        case .endSessions: "Their running answers stop. They can sign in again."
        case .revokeKeys: "Programs that use them lose access. This cannot be undone."
        case .deleteUser: "All their conversations are deleted. This cannot be undone."
        case .createUser, .invite, .deleteInvitation: ""
        }
    }

    /// The question and what it leads to, on one line.
    package var explanation: String { "\(question) \(consequence)" }

    /// What was done.
    package var done: String {
        switch self {
        case .setDisabled(true, _, let name): "\(name) is disabled."
        case .setDisabled(false, _, let name): "\(name) is enabled."
        case .resetPassword(_, let name): "\(name) has a code for a new password."
        case .endSessions(_, let name): "\(name) is signed out everywhere."
        case .revokeKeys(_, let name): "The API keys of \(name) are revoked."
        case .deleteUser(_, let name): "\(name) is deleted."
        case .createUser(let name, _, _): "\(name) is created."
        case .invite: "The invitation is created."
        case .deleteInvitation: "The invitation is deleted."
        }
    }
}
