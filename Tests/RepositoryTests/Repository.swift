import Foundation

/// The files of this checkout.
enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// Paths relative to the root, sorted. Build products, virtual environments and training runs are left out.
    static let files: [String] = {
        let skipped: Set = [".build", ".venv", ".git"]
        guard let walk = FileManager.default.enumerator(at: URL(filePath: root), includingPropertiesForKeys: [.isRegularFileKey]) else {
            return []
        }
        var paths: [String] = []
        for case let url as URL in walk {
            if skipped.contains(url.lastPathComponent) { walk.skipDescendants(); continue }
            guard (try? url.resourceValues(forKeys: [.isRegularFileKey]))?.isRegularFile == true else { continue }
            paths.append(String(url.path.dropFirst(root.count + 1)))
        }
        return paths.filter { !$0.hasPrefix("checkpoints/") || $0 == "checkpoints/README.md" }.sorted()
    }()

    static func files(under folders: [String] = [""], withSuffix suffixes: [String]) -> [String] {
        files.filter { path in folders.contains { path.hasPrefix($0) } && suffixes.contains { path.hasSuffix($0) } }
    }

    static func text(of path: String) throws -> String { try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8) }

    /// Number and text of each line, from 1.
    static func lines(of path: String) throws -> [(number: Int, text: String)] {
        try text(of: path).split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { ($0.offset + 1, String($0.element)) }
    }
}
