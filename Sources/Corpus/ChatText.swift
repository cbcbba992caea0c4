import Files

/// The chats of a text that is in memory, such as an uploaded file.
///
///     let text = ChatText(bytes)
///     var parser = ConversationParser()
///     if text.format != .preferences { parser.parse(text.block) { entry in … } }
package struct ChatText: Sendable {
    /// nil if there are only empty lines.
    package let format: ChatFileFormat?
    /// All lines.
    package let block: CorpusBlock

    /// - Parameters:
    ///   - format: nil to detect it by the first lines.
    ///   - name: For messages about malformed lines.
    package init(_ bytes: [UInt8], format: ChatFileFormat? = nil, name: String = "-") {
        // Without a byte-order mark.
        let lines = LineBlock(bytes: bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes)
        let found = ChatFileFormat.format(of: lines)
        self.format = found == nil ? nil : format ?? found
        block = CorpusBlock(
            path: name, content: .lines(lines, self.format ?? .messages), split: nil, startsText: true, endsText: true)
    }
}
