/// What a server remembers for itself, such as the secret that it signs with.
///
///     let secret = try store.setting("jwt_secret", orStore: fresh)         // the same for all servers, whoever was first
extension Store {
    package func setting(_ name: String) throws(StoreError) -> String? {
        try database.transaction(.read) { connection throws(StoreError) in
            try connection.firstRow("SELECT value FROM settings WHERE name = $1", [.text(name)])?.text(0)
        }
    }

    package func setting(_ name: String, orStore value: String) throws(StoreError) -> String {
        try database.transaction(.write) { connection throws(StoreError) in
            try connection.rows("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", [.text(name), .text(value)])
            return try connection.firstRow("SELECT value FROM settings WHERE name = $1", [.text(name)])?.text(0) ?? value
        }
    }

    package func set(_ name: String, to value: String) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try connection.rows("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2", [.text(name), .text(value)])
        }
    }
}
