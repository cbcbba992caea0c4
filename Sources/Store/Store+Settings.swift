/// Values that servers share through the database, such as the secret that signs session tokens.
///
///     let secret = try store.setting("jwt_secret", orInsert: generated)    // all servers get the value inserted first
extension Store {
    package func setting(_ name: String) throws(StoreError) -> String? {
        try database.transaction(.read) { connection throws(StoreError) in
            try connection.firstRow("SELECT value FROM settings WHERE name = $1", [.text(name)])?.text(0)
        }
    }

    package func setting(_ name: String, orInsert value: String) throws(StoreError) -> String {
        try database.transaction(.write) { connection throws(StoreError) in
            try connection.execute(
                "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", [.text(name), .text(value)])
            return try connection.firstRow("SELECT value FROM settings WHERE name = $1", [.text(name)])?.text(0) ?? value
        }
    }

    package func set(_ name: String, to value: String) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try connection.execute(
                "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
                [.text(name), .text(value)])
        }
    }
}
