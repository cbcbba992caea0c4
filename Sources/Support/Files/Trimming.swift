extension BidirectionalCollection {
    /// The part without the elements at both ends that satisfy a predicate. (`trimmingPrefix(while:)` is in the standard library.)
    ///
    ///     " a b ".trimming(while: \.isWhitespace)                  // "a b"
    @inlinable
    package func trimming(while predicate: (Element) -> Bool) -> SubSequence {
        drop(while: predicate).trimmingSuffix(while: predicate)
    }

    @inlinable
    package func trimmingSuffix(while predicate: (Element) -> Bool) -> SubSequence {
        self[..<(lastIndex { !predicate($0) }.map { index(after: $0) } ?? startIndex)]
    }
}
