import Foundation
import Store
import TestSupport
import Testing

/// Filters of the list of chats, whichever way the database finds them.
@Suite struct TrainingListTests {
    private let owner = TrainingChatTests.owner

    private func imported(_ texts: [String]) -> ImportedChat {
        ImportedChat(texts.enumerated().map { CopiedMessage($0.offset % 2 == 0 ? .user : .assistant, $0.element) })
    }

    /// The chats that the statement of the full-text index finds, without those that are compared first.
    private func indexed(_ text: String, _ store: Store) throws -> [String] {
        var filter = TrainingFilter()
        filter.text = text
        let list = TrainingChatList(filter, sortedBy: .oldest, usesIndex: text.unicodeScalars.count >= 3, store.database.dialect)
        let (sql, values) = list.pageQuery(after: nil, limit: 1_000)
        let rows = try store.database.read(sql, values: values)
        return rows.compactMap { row in if case .text(let id) = row.values[0] { id } else { nil } }
    }

    @Test(arguments: Backend.allCases) func `the index finds what a comparison of all texts finds`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.showsTrainingNotice = true }, ada = try store.addTestUser("ada")
        let parts = ["rain", "Rain ", "snow", "\"quo", "te\"", "100%", "_x_", "a\\b", "Ü", "ber", "日本語", "ЖУК ", "'", " ", "OR", "*"]
        var random = TestRandom(7), chats: [(id: String, texts: [String])] = []
        func text() -> String { (0...random.below(4)).map { _ in parts[random.below(parts.count)] }.joined() }
        for i in 0..<40 {
            db.advanceClock(by: .milliseconds(1))
            // The number makes each chat another one.
            let texts = (0..<2 * (1 + random.below(2))).map { _ in text() + " \(i)" }
            if i % 3 == 0 {
                let title = text(), id = try store.createConversation(title, for: ada).id
                for (j, text) in texts.enumerated() {
                    try store.append(NewMessage(j % 2 == 0 ? .user : .assistant, text), to: id, of: ada)
                }
                chats.append((id.description, texts + [title]))
            } else {
                #expect(try store.importTrainingChats([imported(texts)], by: owner).added == 1)
                let chat = try #require(try store.trainingChats(limit: 1).chats.first)
                chats.append((chat.id.description, texts + [chat.title]))
            }
        }
        var hits = 0
        for round in 0..<90 {
            if round == 30 { try store.purge() }                 // all changes are in the index
            if round == 60 {
                let gone = chats.remove(at: random.below(chats.count))
                _ = try store.sql("DELETE FROM training_chats WHERE id = $1", gone.id)
            }
            let part = text()
            var filter = TrainingFilter()
            filter.text = part
            let expected = chats.filter { $0.texts.contains { $0.lowercased().contains(part.lowercased()) } }.map(\.id)
            #expect(try store.trainingChats(filter, sortedBy: .oldest, limit: 100).chats.map(\.id.description) == expected, "\(part)")
            #expect(try indexed(part, store) == expected, "\(part)")
            hits += expected.count
        }
        #expect(hits > 100)
    }

    @Test(arguments: Backend.allCases) func `the counts of a tag follow the states of its chats`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        try store.importTrainingChats((0..<60).map { imported(["question \($0 * 7_919)", "answer \($0 * 104_729)"]) }, by: owner)
        let chats = try store.trainingChats(limit: 60).chats.map(\.id)
        var random = TestRandom(3), filter = TrainingFilter()
        filter.tag = "red"
        for _ in 0..<40 {
            var review = Store.Review()
            if random.below(2) == 0 { review.state = TrainingChat.State.allCases[random.below(3)] }
            if random.below(2) == 0 { review.addedTags = [["red", "blue"][random.below(2)]] }
            if random.below(4) == 0 { review.removedTags = ["red"] }
            let listed = try store.trainingChats(limit: 100).chats.map(\.id)
            try store.review(.chats((0..<1 + random.below(9)).map { _ in listed[random.below(listed.count)] }), review, by: owner)
            if random.below(4) == 0 {
                _ = try store.sql("UPDATE training_chats SET usable = 1 - usable WHERE id = $1", chats[random.below(60)])
            }
            let all = try store.trainingChats(limit: 100).chats, tagged = all.filter { $0.tags.contains("red") }
            let page = try store.trainingChats(filter, limit: 100)
            #expect(page.chats == tagged && page.total == tagged.count)
            #expect(page.counts.included == tagged.count { $0.state == .included })
            #expect(page.counts.heldOut == tagged.count { $0.state == .included && $0.isHeldOut })
            let expected = ["blue", "red"].map { tag in all.count { $0.tags.contains(tag) } }.filter { $0 > 0 }
            #expect(try store.trainingTags().map(\.chats) == expected)
        }
    }

    @Test(arguments: Backend.allCases) func `a text of many chats has lower bounds, and all their pages`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        _ = try store.sql("""
            INSERT INTO training_chats (id, source, title, created_at, updated_at, turns, group_id, usable, digest, state)
            WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 11199)
            SELECT '000000000000000000000' || i, 'import',
                CASE WHEN i % 2 = 0 THEN 'common' WHEN i % 100 = 1 THEN 'unusual' ELSE 'other' END, i, i, 1,
                '000000000000000000000' || i, 1, '', CASE WHEN i < 10010 THEN 'included' ELSE 'new' END FROM n
            """)
        var filter = TrainingFilter()
        filter.text = "omm"
        var found: Set<TrainingChatID> = [], next: TrainingChatCursor?
        repeat {
            let page = try store.trainingChats(filter, after: next, limit: 200)
            #expect(!page.isExact && page.total == 500 && page.counts.new == 500)
            found.formUnion(page.chats.map(\.id))
            next = page.next
        } while next != nil
        #expect(found.count == 600)
        filter.state = .included
        let included = try store.trainingChats(filter)
        #expect(included.chats.count == 5 && included.total == 5 && !included.isExact)
        filter = TrainingFilter()
        filter.text = "unusual"
        let page = try store.trainingChats(filter, limit: 1)
        #expect(page.isExact && page.total == 12 && page.chats.count == 1 && page.next != nil)
    }
}
