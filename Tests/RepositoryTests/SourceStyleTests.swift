import Foundation
import Testing

/// Rules of shape that a compiler does not check.
struct SourceStyleTests {
    static let code = Repository.files(
        under: ["Sources/", "Tests/", "Tools/", "Package.swift"], withSuffix: [".swift", ".c", ".h", ".cpp", ".js"]
    )

    @Test func `no line is longer than 140 characters`() throws {
        for path in Self.code {
            for (number, line) in try Repository.lines(of: path) where line.count > 140 {
                Issue.record("\(path):\(number): \(line.count) characters")
            }
        }
    }

    @Test func `prose of pages breaks at 120 characters`() throws {
        let span = try Regex("`+[^`]*`+")
        for path in Repository.files(under: [""], withSuffix: [".md"]) where !path.hasSuffix("Reference/Commands.md") {
            var isCode = false
            for (number, line) in try Repository.lines(of: path) {
                let text = line.drop { $0 == " " }
                if text.hasPrefix("```") { isCode.toggle() }
                let isTableOrPicture = ["|", "!", "<"].contains { text.hasPrefix($0) } && !text.hasPrefix("<http")
                if line.count <= 120 || isCode || line.hasPrefix("    ") || isTableOrPicture { continue }
                // A span of code is one word, and an item's marker belongs to its first word.
                let words = line.replacing(span) { String(repeating: "x", count: line[$0.range].count) }
                if words.prefix(120).dropFirst(4).contains(" ") { Issue.record("\(path):\(number): \(line.count) characters") }
            }
        }
    }

    @Test func `tuples are not assigned to save lines`() throws {
        // A value that reads a target, as in a swap, needs the tuple; everything else is written as one assignment a line.
        let assignment = try Regex(#"^\s*\((?<left>[^()]*,[^()]*)\) = \((?<right>.*)\)\s*(?:\}.*)?$"#)
        for path in Self.code where path.hasSuffix(".swift") {
            for (number, line) in try Repository.lines(of: path) {
                guard let match = try assignment.firstMatch(in: line), let left = match["left"]?.substring,
                    let right = match["right"]?.substring
                else { continue }
                let names = Set(left.components(separatedBy: ", "))
                let read = Set(right.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.map(String.init))
                if names.isDisjoint(with: read) { Issue.record("\(path):\(number): \(line.trimmingCharacters(in: .whitespaces))") }
            }
        }
    }

    @Test func `doc comments are sentences, not the rest of one that a name begins`() throws {
        let fragment = try Regex(#"^\s*///(?:.*:)? Of "#)
        for path in Self.code where path.hasSuffix(".swift") {
            for (number, line) in try Repository.lines(of: path) where try fragment.firstMatch(in: line) != nil {
                Issue.record("\(path):\(number): \(line.trimmingCharacters(in: .whitespaces))")
            }
        }
    }

    @Test func `the program does not load Foundation`() throws {
        // It doubles the time that every command needs to start.
        for path in Self.code where path.hasPrefix("Sources/") {
            for (number, line) in try Repository.lines(of: path) where line.hasSuffix("import Foundation") {
                Issue.record("\(path):\(number): \(line)")
            }
        }
    }

    @Test func `no two types share a name`() throws {
        let modifiers = "(?:public|package|internal|fileprivate|private|final|indirect)"
        let declaration = try Regex("^(?:@\\w+ )*(?:\(modifiers) )*(?:struct|class|enum|actor|protocol) (?<name>[A-Z]\\w*)")
        var homes: [String: Set<String>] = [:]
        for path in Repository.files(under: ["Sources/"], withSuffix: [".swift"]) {
            for (_, line) in try Repository.lines(of: path) {
                if let name = try declaration.firstMatch(in: line)?["name"]?.substring { homes[String(name), default: []].insert(path) }
            }
        }
        for (name, paths) in homes where paths.count > 1 { Issue.record("\(name): \(paths.sorted().joined(separator: ", "))") }
    }

    @Test func `files can be read in one sitting`() throws {
        for path in Self.code where path.hasPrefix("Sources/") {
            let count = try Repository.lines(of: path).count
            if count > 500 { Issue.record("\(path): \(count) lines") }
        }
    }
}
