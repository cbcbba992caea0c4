import Documents
import Testing
import TestSupport

/// How documents are divided.
@Suite struct PassageSplitterTests {
    private func passages(_ text: String, _ name: String, budget: Int = 40) throws -> [DocumentPassage] {
        let reader = DocumentReader(programs: "")
        return PassageSplitter(budget: budget).passages(of: try reader.document(Array(text.utf8), name: name, path: ""))
    }

    @Test func `a passage has the headings above it and its first line`() throws {
        let text = "# Pump\nIntro.\n## Reset\nHold the button.\n\nWait.\n### Late\nx\n## Empty\n# Other\ny\n# Last\n"
        let found = try passages(text, "a.md").map { "\($0.heading):\($0.line): \($0.text)" }
        #expect(found == [
            "Pump:2: Intro.", "Pump > Reset:4: Hold the button.\n\nWait.", "Pump > Reset > Late:8: x", "Pump > Empty:9: Empty",
            "Other:11: y", "Last:12: Last",
        ])
    }

    @Test func `blocks are together up to the budget`() throws {
        let paragraphs = (0..<10).map { "Paragraph number \($0) here." }, text = paragraphs.joined(separator: "\n\n")
        let found = try passages(text, "a.md", budget: 20)
        #expect(found.map(\.text).joined(separator: "\n\n") == text)
        #expect(found.count == 5 && found.allSatisfy { $0.tokens <= 20 }, "\(found.map(\.tokens))")
        #expect(found.map(\.line) == [1, 5, 9, 13, 17])
    }

    @Test func `a long paragraph is cut at sentences, which overlap`() throws {
        let sentences = (0..<30).map { i in (i % 3 == 2 ? "So \(i)." : "This is the long sentence with the number \(i) in this text.") }
        let found = try passages(sentences.joined(separator: " "), "a.txt", budget: 40)
        #expect(found.count > 5 && found.allSatisfy { $0.tokens <= 40 })
        for sentence in sentences { #expect(found.contains { $0.text.contains(sentence) }, "\(sentence)") }
        let overlaps = zip(found, found.dropFirst()).count { before, after in
            sentences.contains { before.text.hasSuffix($0) && after.text.hasPrefix($0) }
        }
        #expect(overlaps > 0)
        // Only short sentences are repeated.
        #expect(sentences.filter { $0.count > 20 }.allSatisfy { sentence in found.count { $0.text.contains(sentence) } == 1 })
    }

    @Test func `text without spaces and characters of many bytes are cut, and nothing is lost`() throws {
        for text in [String(repeating: "x", count: 5_000), String(repeating: "日本語", count: 800), String(repeating: "👩‍👩‍👧", count: 100)] {
            let found = try passages(text, "a.txt", budget: 16)
            #expect(found.map(\.text).joined() == text && found.count > 5 && found.allSatisfy { $0.tokens <= 16 })
        }
        // One character that exceeds the budget.
        let accents = "e" + String(repeating: "\u{301}", count: 500)
        let found = try passages(accents, "a.txt", budget: 16).map(\.text).joined()
        #expect(Array(found.utf8) == Array(accents.utf8))
    }

    @Test func `long code is cut at empty lines, and keeps its declaration`() throws {
        let groups = (0..<6).map { i in "    step\(i)()\n    next\(i)()" }
        let text = "func run() {\n" + groups.joined(separator: "\n\n") + "\n}\n\nfunc other() {}\n"
        let found = try passages(text, "a.swift", budget: 14)
        #expect(found.count > 3 && found.allSatisfy { $0.tokens <= 14 }, "\(found.map(\.text))")
        #expect(found.dropLast().allSatisfy { $0.heading == "func run()" } && found.last?.heading.hasSuffix("func other() {}") == true)
        #expect(groups.allSatisfy { group in found.contains { $0.text.contains(group) } }, "\(found.map(\.text))")
        #expect(found.map(\.line) == found.map(\.line).sorted() && found[1].line > 1)
    }

    @Test func `rows that begin a passage have the header of their table`() throws {
        let text = "| name | price |\n|---|---|\n" + (0..<12).map { "| part \($0) | \($0 * 10) |" }.joined(separator: "\n")
        let found = try passages(text, "a.md", budget: 30)
        #expect(found.count > 1 && found.allSatisfy { $0.text.hasPrefix("| name | price |\n| part ") }, "\(found.map(\.text))")
    }

    @Test func `pages are not mixed, and headings have a limit`() throws {
        let document = Document(blocks: [
            .init(.heading(level: 1), String(repeating: "long\n", count: 100), line: 1, page: 1), .init(.paragraph, "a", line: 2, page: 1),
            .init(.paragraph, "b", line: 1, page: 2),
        ])
        let found = PassageSplitter(budget: 100).passages(of: document)
        #expect(found.map(\.page) == [1, 2] && found.map(\.text) == ["a", "b"])
        #expect(found.allSatisfy { $0.heading.count == 201 && $0.heading.hasPrefix("long long") && $0.heading.hasSuffix("…") })
    }

    @Test func `tokens are those of the given count`() throws {
        let words = { (text: String) in text.split { $0 == " " || $0 == "\n" }.count }
        let text = (0..<50).map { "word\($0)" }.joined(separator: " ")
        let found = PassageSplitter(budget: 7, count: words).passages(of: Document(blocks: [.init(.paragraph, text, line: 1)]))
        #expect(found.allSatisfy { (1...7).contains($0.tokens) } && found.reduce(0) { $0 + $1.tokens } == 50)
    }
}
