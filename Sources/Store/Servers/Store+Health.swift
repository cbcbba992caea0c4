extension Store {
    /// Throws unless the database answers.
    package func ping() throws(StoreError) {
        _ = try database.transaction(.read) { connection throws(StoreError) in try connection.firstRow("SELECT 1", []) }
    }
}
