extension String {
    /// The words of the text in lines of at most `columns` columns. A longer word has a line of its own.
    ///
    /// - Parameters:
    ///   - indent: spaces before the first line.
    ///   - hanging: spaces before the others.
    package func wrapped(to columns: Int, indent: Int = 0, hanging: Int = 0) -> [String] {
        var lines: [String] = []
        var line = String(repeating: " ", count: indent)
        var width = indent
        var isEmpty = true
        for word in split(separator: " ").map(String.init) {
            let wordWidth = word.columns
            if !isEmpty, width + 1 + wordWidth > columns {
                lines.append(line)
                line = String(repeating: " ", count: hanging)
                width = hanging
                isEmpty = true
            }
            line += (isEmpty ? "" : " ") + word
            width += (isEmpty ? 0 : 1) + wordWidth
            isEmpty = false
        }
        return lines + [line]
    }
}
