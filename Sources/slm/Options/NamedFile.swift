/// An option's value that is a file with a name: NAME=FILE, or FILE.
enum NamedFile {
    /// - Parameters:
    ///   - option: For the error.
    ///   - defaultName: The name of a file that is given without one.
    static func parse(
        _ text: String, of option: String, defaultName: (String) -> String
    ) throws(UsageError) -> (name: String, path: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let path = parts[parts.count - 1], name = parts.count == 2 ? parts[0] : defaultName(path)
        guard !path.isEmpty, isName(name) else {
            throw UsageError("\(option): expected NAME=FILE with a name of up to 64 letters, digits, '-', '_' and '.', found '\(text)'.")
        }
        return (name, path)
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64 && text.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) }
    }
}
