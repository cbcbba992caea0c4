/// How often each word of some texts occurs: the input of BPE training.
///
///     var counts = try WordCounts(pattern: .gpt2)
///     try counts.add("the cat and the hat".utf8.span)
///
/// Memory grows with the number of distinct words, not with the length of the texts. One per thread; `add(_: WordCounts)` sums them.
package struct WordCounts: ~Copyable {
    private var preTokenizer: PreTokenizer
    private var short = ShortWordCounter()
    /// Words that are too long for `ShortWordCounter`.
    private var long: [[UInt8]: Int] = [:]
    private var ends: [UInt32] = []

    /// No counts.
    package init() { preTokenizer = PreTokenizer() }

    /// - Parameter pattern: how to split texts into words.
    package init(pattern: PreTokenizationPattern) throws(TokenizeError) { preTokenizer = try PreTokenizer(pattern) }

    /// Counts the words of a complete text.
    package mutating func add(_ text: Span<UInt8>) throws(TokenizeError) { _ = try add(text, isLast: true) }

    /// Counts the words of the next part of a text: all if `isLast`, otherwise only those that further text cannot change.
    ///
    /// - Returns: the number of bytes counted. The next call starts with the bytes after them.
    package mutating func add(_ text: Span<UInt8>, isLast: Bool) throws(TokenizeError) -> Int {
        var at = 0
        while at < text.count {
            let rest = text.extracting(at..<text.count)
            try preTokenizer.split(rest, isLast: isLast, into: &ends)
            guard let end = ends.last else { break }
            var word = 0, start = 0
            while word < ends.count {
                (word, start) = short.count(rest, ends: ends, from: word, at: start)
                if word == ends.count { break }
                long[Array(rest.extracting(start..<Int(ends[word]))), default: 0] += 1
                start = Int(ends[word])
                word += 1
            }
            at += Int(end)
        }
        return at
    }

    package mutating func add(_ other: borrowing WordCounts) {
        short.add(other.short)
        for (word, count) in other.long { long[word, default: 0] += count }
    }

    package func forEach(_ body: (_ word: Span<UInt8>, _ count: Int) -> Void) {
        short.forEach(body)
        for (word, count) in long { body(word.span, count) }
    }
}

extension Array<UInt8> {
    package init(_ span: Span<UInt8>) {
        self = span.withUnsafeBufferPointer { Array($0) }
    }
}
