/// What accounts may do besides chatting.
package enum Role: String, ColumnValue, CaseIterable {
    case user
    /// May review chats, train and replace the served model.
    case owner

    /// - Parameter text: The column of the database. A later version may know more roles.
    init(stored text: String?) { self = text.flatMap(Role.init(rawValue:)) ?? .user }
}

extension Store {
    package func role(of user: UserID) throws(StoreError) -> Role { try roleAndName(of: user).role }

    /// The name of an account with the role "owner"; nil for other accounts.
    package func ownerName(_ user: UserID) throws(StoreError) -> String? {
        let (role, name) = try roleAndName(of: user)
        return role == .owner ? name : nil
    }

    private func roleAndName(of user: UserID) throws(StoreError) -> (role: Role, name: String) {
        let row = try database.find(.user, "SELECT role, username FROM users WHERE id = $1", user)
        return (Role(stored: try row["role"]), try row["username"])
    }
}

extension AdminQueries {
    package func setRole(of user: UserID, to role: Role, by request: AdminRequest) throws(StoreError) {
        try change(.setRole, by: request) { connection, entry throws(StoreError) in
            let stored = role == .user ? nil : role
            let row = try connection.find(.user, "UPDATE users SET role = $2 WHERE id = $1 RETURNING username", user, stored)
            try entry.write(user, try row["username"], on: connection)
        }
    }
}
