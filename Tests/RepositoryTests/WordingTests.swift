import Foundation
import Testing

/// The words of `wording.txt`, which readers of this field stumble over, stay out of code, help, messages and pages.
struct WordingTests {
    /// A line of the list: `pattern | use instead | folders or files where the word is right`.
    struct Rule: CustomTestStringConvertible {
        let pattern: String
        let replacement: String
        let allowed: [String]

        var testDescription: String { pattern }
    }

    static let list = "Tests/RepositoryTests/wording.txt"

    static let rules: [Rule] = {
        let lines = (try? Repository.lines(of: list)) ?? []
        return lines.map(\.text).filter { !$0.isEmpty && !$0.hasPrefix("#") }.map { line in
            let columns = line.components(separatedBy: " | ").map { $0.trimmingCharacters(in: .whitespaces) }
            let allowed = columns.count > 2 ? columns[2].split(separator: " ").map(String.init) : []
            return Rule(pattern: columns[0], replacement: columns.count > 1 ? columns[1] : "", allowed: allowed)
        }
    }()

    /// Every file that people read, apart from the list itself, sample data, golden data and the history of decisions' raw logs.
    static let subjects = Repository.files(withSuffix: [
        ".swift", ".c", ".h", ".cpp", ".js", ".html", ".css", ".md", ".yaml", ".py", ".sh", "Makefile",
    ])
    .filter { $0 != list && !$0.hasPrefix("Tools/sample-chats/Topics/") && !$0.hasPrefix("data/") }

    @Test func `the list is there and covers the glossary`() throws {
        #expect(Self.rules.count >= 30)
        #expect(Self.subjects.count > 300)
    }

    @Test(arguments: rules)
    func `a private word stays out`(_ rule: Rule) throws {
        let expression = try Regex("\\b(?:\(rule.pattern))\\b")
        for path in Self.subjects where !rule.allowed.contains(where: { path.hasPrefix($0) }) {
            for (number, line) in try Repository.lines(of: path) where line.contains(expression) {
                Issue.record("\(path):\(number): use \(rule.replacement): \(line.trimmingCharacters(in: .whitespaces).prefix(140))")
            }
        }
    }

    @Test func `a rule finds its word and passes over the places where it is right`() throws {
        let rule = Rule(pattern: "whoever", replacement: "a noun", allowed: ["Tests/"])
        let expression = try Regex("\\b(?:\(rule.pattern))\\b")
        #expect("// whoever asks".contains(expression))
        #expect(!"// whoeverness".contains(expression))
        #expect(rule.allowed.contains { "Tests/X.swift".hasPrefix($0) })
    }
}
