/// Values that servers share through the database. They lie there in clear, so none may be a secret.
///
///     try store.set("jwt_secret_digest", to: digest)
extension Store {
    package func setting(_ name: String) throws(StoreError) -> String? {
        try database.transaction(.read) { connection throws(StoreError) in try Self.setting(name, on: connection) }
    }

    static func setting(_ name: String, on connection: any Connection) throws(StoreError) -> String? {
        try connection.value("SELECT value FROM settings WHERE name = $1", name)
    }

    package func set(_ name: String, to value: String) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in try Self.set(name, to: value, on: connection) }
    }

    static func set(_ name: String, to value: String, on connection: any Connection) throws(StoreError) {
        try connection.execute(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
    }
}
