/// Finding a user by what an operator types.
extension AdminClient {
    package enum NameError: Error, Equatable, CustomStringConvertible {
        case notFound(String)
        /// The name is the username of one account and the email address of another.
        case ambiguous(String, ids: [String])

        package var description: String {
            switch self {
            case .notFound(let name): "no user has the name, email address or id '\(name)'."
            case .ambiguous(let name, let ids): "'\(name)' names several users; use one of their ids: \(ids.joined(separator: ", "))."
            }
        }
    }

    /// Whether a text may be an id of the server's database.
    package static func isID(_ text: String) -> Bool {
        text.utf8.count == 26 && text.utf8.allSatisfy { 48...57 ~= $0 || 97...122 ~= $0 }
    }

    /// Finds a user by username or email address, ignoring case, or by id.
    package func user(named name: String) throws -> UserRecord {
        if Self.isID(name) {
            do throws(AdminError) {
                if case .user(let user) = try answer(to: .user(id: name)) { return user }
            } catch {
                guard case .rejected(404, _) = error else { throw error }
            }
        }
        var matches: [UserRecord] = []
        var offset = 0
        while true {
            let list = AdminList(sort: "username", isDescending: false, search: name, offset: offset, limit: 200)
            guard case .rows(let rows, let total) = try answer(to: .users(list)) else { break }
            for case .user(let user) in rows where [user.username, user.email].contains(where: { $0?.lowercased() == name.lowercased() }) {
                matches.append(user)
            }
            offset += rows.count
            if rows.isEmpty || offset >= total { break }
        }
        guard let first = matches.first else { throw NameError.notFound(name) }
        guard matches.count == 1 else { throw NameError.ambiguous(name, ids: matches.map(\.id)) }
        return first
    }
}
