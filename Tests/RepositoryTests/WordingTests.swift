import Foundation
import Testing

/// The phrases of `wording.txt`, which readers of this field stumble over, stay out of code, help, messages and pages.
struct WordingTests {
    /// A line of the list: `regular expression | use instead | paths where it is right`.
    struct Rule {
        let expression: NSRegularExpression
        let replacement: String
        let allowed: [String]

        init(_ line: String) throws {
            let columns = line.components(separatedBy: " | ").map { $0.trimmingCharacters(in: .whitespaces) }
            expression = try NSRegularExpression(pattern: "\\b(?:\(columns[0]))\\b", options: .caseInsensitive)
            replacement = columns.count > 1 ? columns[1] : ""
            allowed = columns.count > 2 ? columns[2].split(separator: " ").map(String.init) : []
        }

        func matches(in text: String) -> [NSRange] {
            expression.matches(in: text, range: NSRange(location: 0, length: (text as NSString).length)).map(\.range)
        }

        func isAllowed(in path: String) -> Bool { allowed.contains { path.hasPrefix($0) } }
    }

    static let list = "Tests/RepositoryTests/wording.txt"

    static func rules() throws -> [Rule] {
        try Repository.lines(of: list).map(\.text).filter { !$0.isEmpty && !$0.hasPrefix("#") }.map { try Rule($0) }
    }

    /// Every file that people read, apart from the list, these tests and the sample chats.
    static let subjects = Repository.files(
        withSuffix: [".swift", ".c", ".h", ".cpp", ".js", ".html", ".css", ".md", ".yaml", ".py", ".sh", "Makefile"]
    ).filter { !$0.hasPrefix("Tests/RepositoryTests/") && !$0.hasPrefix("Tools/sample-chats/") && !$0.hasPrefix("data/") }

    @Test func `private words stay out`() throws {
        let rules = try Self.rules()
        #expect(rules.count >= 40)
        #expect(Self.subjects.count > 400)
        for path in Self.subjects {
            let text = try Repository.text(of: path)
            for rule in rules where !rule.isAllowed(in: path) {
                for range in rule.matches(in: text) {
                    let before = (text as NSString).substring(to: range.location)
                    let line = before.utf8.count { $0 == UInt8(ascii: "\n") } + 1
                    Issue.record("\(path):\(line): '\((text as NSString).substring(with: range))': use \(rule.replacement)")
                }
            }
        }
    }

    @Test func `a rule finds whole words, in upper and lower case, outside its allowed paths`() throws {
        let rule = try Rule("control tokens? | special token | Sources/Formats/GGUF Tests/FormatsTests")
        #expect(rule.matches(in: "A control token, and Control tokens").count == 2)
        #expect(rule.matches(in: "uncontrol tokens, control tokenize").isEmpty)
        #expect(rule.isAllowed(in: "Sources/Formats/GGUF/GGUFReader.swift"))
        #expect(!rule.isAllowed(in: "Sources/Serve/App.swift"))
    }
}
