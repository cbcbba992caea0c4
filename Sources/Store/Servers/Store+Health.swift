extension Store {
    /// Throws unless the database answers.
    package func ping() throws(StoreError) {
        _ = try database.read("SELECT 1").first
    }
}
