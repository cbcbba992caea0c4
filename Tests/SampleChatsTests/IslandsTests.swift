import Testing
import sample_chats

/// Facts that only a document tells.
@Suite struct IslandsTests {
    private let islands = Islands(count: 200, seed: 2)

    @Test func `the document has the answers that it is said to have`() {
        #expect(islands.questions.count { $0.isAnswered } == 800)
        let others = islands.questions.count { !$0.isAnswered }
        #expect(others > 60 && others < 140)
        for question in islands.questions {
            #expect(islands.document.contains("\n\(question.answer)\n") == question.isAnswered, "\(question)")
        }
    }

    @Test func `questions name their islands, and each answer is another`() {
        let names = Set(islands.document.split(separator: "\n").filter { $0.hasPrefix("## ") }.map { $0.dropFirst(3) })
        #expect(names.count == 200)
        let others = islands.questions.filter { question in !question.text.split { !$0.isLetter }.contains { names.contains($0) } }
        #expect(others.count > 15 && others.count < 60 && others.allSatisfy { !$0.isAnswered }, "islands that the document does not have")
        #expect(Set(islands.questions.map(\.answer)).count == islands.questions.count)
    }

    @Test func `a seed determines the islands`() {
        let same = Islands(count: 200, seed: 2), other = Islands(count: 200, seed: 3)
        #expect(same.document == islands.document && same.questions == islands.questions)
        #expect(Set(other.questions.map(\.answer)).isDisjoint(with: islands.questions.map(\.answer)))
    }
}
