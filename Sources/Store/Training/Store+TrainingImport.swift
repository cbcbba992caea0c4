import JSON
import Secrets

/// A chat of a file.
package struct ImportedChat: Sendable, Equatable {
    package let messages: [CopiedMessage]

    package init(_ messages: [CopiedMessage]) { self.messages = messages }

    /// The same for the same chat.
    fileprivate var digest: String {
        var writer = JSONWriter()
        writer.array { list in
            list.string("import")
            for message in messages {
                list.string(message.role.rawValue)
                list.string(message.content)
                list.boolean(message.isActive)
                list.boolean(message.isContext)
                list.boolean(message.isChosen)
                list.string(message.rating?.rawValue ?? "")
            }
        }
        return SHA256.hex(of: writer.bytes)
    }
}

extension Store {
    private static let importBatch = 64

    /// Adds chats that an owner has a file of. They are new, as all others. A chat that was imported before is not added again, so that an
    /// import that was interrupted can be repeated.
    ///
    /// - Parameters:
    ///   - id: Names the import, to delete it by. The parts of a large file have the same one.
    ///   - progress: Receives the number of chats that this call has added, after each transaction: an error does not take them back.
    /// - Returns: The number of chats that were added, and of those that were there.
    @discardableResult
    package func importTrainingChats(
        _ chats: [ImportedChat], as importID: TrainingImportID = TrainingImportID(), by request: AdminRequest,
        progress: (Int) -> Void = { _ in }
    ) throws(StoreError) -> (added: Int, duplicates: Int) {
        let entry = admin.entry(.importChats, request)
        var added = 0, start = 0
        while start < chats.count {
            let batch = chats[start..<min(chats.count, start + Self.importBatch)].map { (id: TrainingChatID(), chat: $0) }
            start += batch.count
            added += try database.transaction(.write) { connection throws(StoreError) in
                if database.dialect == .postgresql { try connection.execute("SELECT pg_advisory_xact_lock(7564398)") }
                // The line of the first batch stays.
                try entry.write(importID, "\(chats.count) \(chats.count == 1 ? "chat" : "chats")", on: connection)
                var count = 0
                for (id, chat) in batch where try add(chat, as: id, of: importID, at: entry.time, on: connection) { count += 1 }
                try Self.updateSearchIndex(on: connection, minimum: 50)
                return count
            }
            progress(added)
        }
        return (added, chats.count - added)
    }

    /// - Returns: false if the chat was imported before.
    private func add(
        _ chat: ImportedChat, as id: TrainingChatID, of importID: TrainingImportID, at time: Timestamp, on connection: any Connection
    ) throws(StoreError) -> Bool {
        let digest = chat.digest
        if let known: TrainingChatID = try connection.value("SELECT id FROM training_chats WHERE tail = $1 LIMIT 1", digest) {
            // A transaction whose connection broke during COMMIT runs again.
            return known == id
        }
        let title = chat.messages.first { $0.role == .user } ?? chat.messages.first
        var row = TrainingChatRow(
            id: id, source: .imported, title: Self.title(of: title?.content ?? ""), createdAt: time, updatedAt: time)
        row.tail = digest
        try Self.insertEmpty(row, on: connection)
        try connection.execute("UPDATE training_chats SET import_id = $2 WHERE id = $1", id, importID)
        try Self.insert(chat.messages, into: id, after: [], at: time, on: connection)
        let (messages, preferences) = try Self.copiedMessages(of: id, on: connection)
        try store(TrainingContent(systemPrompt: nil, messages, preferences), as: row, on: connection)
        return true
    }

    /// Lists imports that have chats, the newest first.
    package func trainingImports(limit: Int = 200) throws(StoreError) -> [TrainingImportRecord] {
        try database.read("""
            SELECT import_id, min(created_at) AS created_at, count(*) AS chats,
                sum(CASE state WHEN 'included' THEN 1 ELSE 0 END) AS included
            FROM training_chats WHERE import_id IS NOT NULL GROUP BY import_id ORDER BY 2 DESC, 1 LIMIT $1
            """, limit).map { row throws(StoreError) in
                try TrainingImportRecord(
                    id: row["import_id"], createdAt: row["created_at"], chats: row["chats"], included: row["included"])
            }
    }

    private static let deletedBatch = 500

    /// Deletes the chats of an import with their corrections and tags, whatever their state. A deletion that was interrupted can be
    /// repeated.
    ///
    /// - Returns: The number of chats.
    @discardableResult
    package func deleteTrainingImport(_ id: TrainingImportID, by request: AdminRequest) throws(StoreError) -> Int {
        let total = try admin.change(.deleteImport, by: request) { connection, entry throws(StoreError) in
            let count: Int = try connection.value("SELECT count(*) FROM training_chats WHERE import_id = $1", id) ?? 0
            if count == 0 { throw StoreError.notFound(.trainingImport) }
            try entry.write(id, "\(count) \(count == 1 ? "chat" : "chats")", on: connection)
            return count
        }
        var isMore = true
        while isMore {
            isMore = try database.transaction(.write) { connection throws(StoreError) in
                let deleted = try connection.execute("""
                    DELETE FROM training_chats WHERE id IN (SELECT id FROM training_chats WHERE import_id = $1 LIMIT $2) RETURNING id
                    """, id, Self.deletedBatch).count
                try Self.updateSearchIndex(on: connection)
                return deleted == Self.deletedBatch
            }
        }
        return total
    }
}

package typealias TrainingImportID = Identifier<TrainingImportRecord>

/// The chats of an imported file that were not deleted.
package struct TrainingImportRecord: Sendable, Equatable {
    package let id: TrainingImportID
    package let createdAt: Timestamp
    package let chats, included: Int
}
