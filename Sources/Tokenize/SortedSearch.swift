extension RandomAccessCollection where Index == Int {
    /// How many elements come before the first that is not `within`, where those within are all at the beginning. It looks at as many as
    /// the count has bits.
    ///
    ///     [1, 3, 3, 7].prefixCount { $0 < 4 }                      // 3
    @inlinable
    package func prefixCount(_ within: (Element) throws -> Bool) rethrows -> Int {
        var low = startIndex, high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if try within(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low - startIndex
    }
}
