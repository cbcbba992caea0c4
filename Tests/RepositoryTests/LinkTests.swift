import Foundation
import Testing

/// Links between pages lead somewhere.
struct LinkTests {
    static let pages = Repository.files(withSuffix: [".md"])

    /// The anchors that GitHub makes of a page's headings.
    static func anchors(of page: String) throws -> Set<String> {
        var anchors: Set<String> = [], isCode = false
        for (_, line) in try Repository.lines(of: page) {
            if line.hasPrefix("```") { isCode.toggle() }
            guard !isCode, line.hasPrefix("#") else { continue }
            let title = line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
            anchors.insert(
                String(title.filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }.map { $0 == " " ? "-" : $0 }))
        }
        return anchors
    }

    /// The lines of a page, those of code empty. A link can begin on one line and end on the next.
    private static func textWithoutCode(of page: String) throws -> String {
        var isCode = false
        return try Repository.lines(of: page).map { _, line in
            if line.hasPrefix("```") { isCode.toggle() }
            return isCode || line.hasPrefix("    ") ? "" : String(line)
        }.joined(separator: "\n")
    }

    @Test(arguments: pages)
    func `links lead to files and headings`(_ page: String) throws {
        let link = try Regex(#"\[[^\]]*\]\((?<target>[^)\s]+)[^)]*\)|<img src="(?<image>[^"]+)""#)
        let folder = page.contains("/") ? String(page[..<page.lastIndex(of: "/")!]) + "/" : ""
        let text = try Self.textWithoutCode(of: page)
        for match in text.matches(of: link) {
            guard let target = (match["target"]?.substring ?? match["image"]?.substring).map(String.init) else { continue }
            if target.contains("://") || target.hasPrefix("mailto:") { continue }
            let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let path = parts[0].isEmpty ? page : NSString(string: folder + parts[0]).standardizingPath
            let number = text[..<match.range.upperBound].count { $0 == "\n" } + 1
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: "\(Repository.root)/\(path)", isDirectory: &isFolder) else {
                Issue.record("\(page):\(number): \(target) does not exist")
                continue
            }
            if parts.count > 1, path.hasSuffix(".md"), try !Self.anchors(of: path).contains(parts[1]) {
                Issue.record("\(page):\(number): \(target): no such heading")
            }
        }
    }

    @Test func `the tests that the page on security names exist`() throws {
        let sources = try Repository.files(under: ["Tests/"], withSuffix: [".swift"]).map(Repository.text).joined()
        for (number, line) in try Repository.lines(of: "Documentation/Contributing/Security.md") where line.hasPrefix("| ") {
            let cells = line.components(separatedBy: " | ")
            for name in (cells.last ?? "").components(separatedBy: "`").enumerated().filter({ $0.offset % 2 == 1 }).map(\.element) {
                guard name.contains(" ") || name.hasSuffix("Tests") else { continue }
                // strstr, since String.contains takes ten seconds for these megabytes.
                let spellings = ["`\(name)`", "\"\(name)\"", "struct \(name)"]
                let isThere = sources.withCString { text in spellings.contains { strstr(text, $0) != nil } }
                #expect(isThere, "Security.md:\(number): no test is called '\(name)'")
            }
        }
    }

    @Test func `every page is reached by links from the table of contents`() throws {
        let link = try Regex(#"\]\((?<target>[^)\s#]+\.md)"#)
        var reached: Set = ["Documentation/README.md"]
        var open = Array(reached)
        while let page = open.popLast() {
            let folder = String(page[..<(page.lastIndex(of: "/") ?? page.startIndex)])
            for match in try Repository.text(of: page).matches(of: link) {
                guard let target = match["target"]?.substring, !target.contains("://") else { continue }
                let path = NSString(string: "\(folder)/\(target)").standardizingPath
                if Self.pages.contains(path), reached.insert(path).inserted { open.append(path) }
            }
        }
        let unreached = Self.pages.filter { $0.hasPrefix("Documentation/") && !reached.contains($0) }
        #expect(unreached == [])
    }
}
