/// A response of the API that was stored, so that the next request of its account can continue it.
package struct StoredResponse: Sendable, Equatable {
    package let id: ResponseID
    /// The response that this one continues. It may have been deleted since.
    package let previous: ResponseID?
    /// The items of the request without those of earlier responses: a JSON array.
    package let input: String
    /// The JSON object that was sent.
    package let response: String
    /// nil before it is stored.
    package fileprivate(set) var createdAt: Timestamp?

    package init(_ id: ResponseID, after previous: ResponseID?, input: String, response: String) {
        self.id = id
        self.previous = previous
        self.input = input.storable
        self.response = response.storable
    }
}

extension Store {
    /// The most responses that one can continue.
    package static let maxPreviousResponses = 1_000

    /// Stores a response. If the account has too many characters then, its oldest responses are deleted.
    package func add(_ response: StoredResponse, of owner: UserID) throws(StoreError) {
        let characters = response.input.unicodeScalars.count + response.response.unicodeScalars.count, now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in
            try connection.find(.user, "SELECT id FROM users WHERE id = $1 \(database.dialect.rowLock)", owner)
            try connection.execute("""
                INSERT INTO responses (id, owner_id, previous_id, input, response, characters, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING
                """, response.id, owner, response.previous, response.input, response.response, characters, now)
            try deleteOldestResponses(of: owner, on: connection)
        }
    }

    /// Deletes responses that come before the newest `maxStoredCharacters` characters.
    private func deleteOldestResponses(of owner: UserID, on connection: any Connection) throws(StoreError) {
        guard options.maxStoredCharacters > 0 else { return }
        let total: Int? = try connection.value(
            "SELECT CAST(COALESCE(SUM(characters), 0) AS BIGINT) FROM responses WHERE owner_id = $1", owner)
        guard total ?? 0 > options.maxStoredCharacters else { return }
        try connection.execute("""
            DELETE FROM responses WHERE id IN (
                SELECT id FROM (
                    SELECT id, SUM(characters) OVER (ORDER BY created_at DESC, id DESC) AS total FROM responses WHERE owner_id = $1
                ) AS sums WHERE total > $2)
            """, owner, options.maxStoredCharacters)
    }

    package func response(_ id: ResponseID, of owner: UserID) throws(StoreError) -> StoredResponse {
        try database.transaction(.read) { connection throws(StoreError) in try Self.response(id, of: owner, on: connection) }
    }

    /// A response and all that it continues, the oldest first. Throws `notFound` if one of them was deleted.
    ///
    /// - Parameter stopsAtDeleted: Returns what follows the last one that was deleted, instead of throwing.
    package func responses(
        through id: ResponseID, of owner: UserID, stopsAtDeleted: Bool = false
    ) throws(StoreError) -> [StoredResponse] {
        try database.transaction(.read) { connection throws(StoreError) in
            var found: [StoredResponse] = [], next: ResponseID? = id
            while let id = next, found.count < Self.maxPreviousResponses {
                do throws(StoreError) { found.append(try Self.response(id, of: owner, on: connection)) } catch {
                    if stopsAtDeleted, !found.isEmpty, error == .notFound(.response) { break }
                    throw error
                }
                next = found.last?.previous
            }
            return found.reversed()
        }
    }

    private static func response(_ id: ResponseID, of owner: UserID, on connection: any Connection) throws(StoreError) -> StoredResponse {
        try StoredResponse(connection.find(
            .response, "SELECT \(responseColumns) FROM responses WHERE id = $1 AND owner_id = $2", id, owner))
    }

    /// A page of the responses of an account, the oldest first.
    ///
    /// - Parameter last: The last response of the page before.
    package func responses(of owner: UserID, after last: StoredResponse? = nil, limit: Int) throws(StoreError) -> [StoredResponse] {
        let after = last == nil ? "" : "AND (created_at, id) > ($3, $4)"
        let values = last.map { [($0.createdAt ?? options.now()).sql, $0.id.sql] } ?? []
        return try database.read("""
            SELECT \(Self.responseColumns) FROM responses WHERE owner_id = $1 \(after) ORDER BY created_at, id LIMIT $2
            """, values: [owner.sql, limit.sql] + values).map(StoredResponse.init)
    }

    package func deleteResponse(_ id: ResponseID, of owner: UserID) throws(StoreError) {
        let deleted = try database.write("DELETE FROM responses WHERE id = $1 AND owner_id = $2 RETURNING id", id, owner)
        if deleted.isEmpty { throw .notFound(.response) }
    }

    private static let responseColumns = "id, previous_id, input, response, created_at"
}

extension StoredResponse {
    fileprivate init(_ row: Row) throws(StoreError) {
        id = try row["id"]
        previous = try row["previous_id"]
        input = try row["input"]
        response = try row["response"]
        createdAt = try row["created_at"]
    }
}
