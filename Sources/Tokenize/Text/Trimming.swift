import Files

extension [UInt8] {
    /// The text without surrounding ASCII white space.
    package var trimmed: [UInt8] {
        let range = trimmed(indices)
        return range.count == count ? self : Array(self[range])
    }

    /// A range without the ASCII white space at its ends.
    package func trimmed(_ range: Range<Int>) -> Range<Int> {
        self[range].trimming { $0.isSpace }.indices
    }
}

extension Collection<UInt8> {
    /// Where the text behind `prefix` and white space begins, or the text itself if it begins otherwise. The two may differ in white space:
    /// tokens of SentencePiece are decoded with other spaces than a template wrote.
    func withoutPrefix(_ prefix: some Collection<UInt8>) -> Index {
        func word(_ index: Index) -> Index { self[index...].firstIndex { !$0.isSpace } ?? endIndex }
        let start = word(startIndex)
        var index = start, endsWord = false
        for byte in prefix {
            endsWord = byte.isSpace
            if endsWord { continue }
            index = word(index)
            guard index < endIndex, self[index] == byte else { return start }
            formIndex(after: &index)
        }
        return endsWord && index < endIndex && !self[index].isSpace ? start : word(index)
    }
}
