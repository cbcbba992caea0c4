extension RandomAccessCollection<UInt8> where Index == Int {
    /// The first place of a text, at `start` or later; nil if there is none, or the text is empty.
    ///
    ///     bytes.range(of: "-->".utf8, from: position)?.upperBound
    @inlinable
    package func range(of text: some Collection<UInt8>, from start: Int? = nil) -> Range<Int>? {
        let start = start ?? startIndex
        guard let first = text.first, start < endIndex else { return nil }
        return (start..<endIndex).first { self[$0] == first && self[$0...].starts(with: text) }.map { $0..<$0 + text.count }
    }
}
