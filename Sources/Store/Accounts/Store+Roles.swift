/// What accounts may do besides chatting.
package enum Role: String, Sendable, CaseIterable {
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
        try database.transaction(.read) { connection throws(StoreError) in
            let row = try connection.firstRow("SELECT role, username FROM users WHERE id = $1", [.text(user)])
            guard let row else { throw .notFound(.user) }
            return (Role(stored: try row.optionalText("role")), try row.text("username"))
        }
    }
}

extension AdminQueries {
    package func setRole(of user: UserID, to role: Role, by request: AdminRequest) throws(StoreError) {
        let entry = self.entry(.setRole, request)
        try database.transaction(.write) { connection throws(StoreError) in
            let value: SQLValue = role == .user ? .null : .text(role.rawValue)
            let row = try connection.firstRow("UPDATE users SET role = $2 WHERE id = $1 RETURNING username", [.text(user), value])
            guard let row else { throw .notFound(.user) }
            try Self.write(entry, user, try row.text(0), on: connection)
        }
    }
}
