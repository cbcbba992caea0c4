extension RandomAccessCollection where Index == Int {
    /// The number of leading elements that satisfy a predicate, by binary search: no element after the first that does not may satisfy it.
    ///
    ///     [1, 3, 3, 7].prefixCount { $0 < 4 }                      // 3
    @inlinable
    package func prefixCount(_ predicate: (Element) throws -> Bool) rethrows -> Int {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if try predicate(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low - startIndex
    }
}
