extension [UInt8] {
    /// The text without surrounding ASCII white space.
    package var trimmed: [UInt8] {
        let range = trimmed(indices)
        return range.count == count ? self : Array(self[range])
    }

    /// A range without the ASCII white space at its ends.
    package func trimmed(_ range: Range<Int>) -> Range<Int> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || 9...13 ~= byte }
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, isSpace(self[start]) { start += 1 }
        while start < end, isSpace(self[end - 1]) { end -= 1 }
        return start..<end
    }
}
