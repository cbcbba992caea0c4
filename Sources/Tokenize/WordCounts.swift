/// How often each word of some texts occurs: all that learning a vocabulary needs to know of them.
///
///     var counts = try WordCounts(pattern: .gpt2)
///     try counts.add("the cat and the hat".utf8.span)
///
/// Memory grows with the number of different words, not with the texts. One for each thread; `add(_: WordCounts)` brings them together.
package struct WordCounts: ~Copyable {
    private var cutter: PreTokenizer
    private var short = ShortWordCounter()
    /// Words that `ShortWordCounter` does not take.
    private var long: [[UInt8]: Int] = [:]
    private var ends: [UInt32] = []

    /// No counts, of words cut at nothing.
    package init() { cutter = PreTokenizer() }

    package init(cutting pattern: PreTokenizationPattern) throws(TokenizeError) { cutter = try PreTokenizer(pattern) }

    /// Counts the words of a whole text.
    package mutating func add(_ text: Span<UInt8>) throws(TokenizeError) { _ = try add(text, isLast: true) }

    /// Counts the words that a text begins with: all when this `isLast`, else those that no further text can change.
    /// Returns how many bytes they are; the next call begins with the bytes behind them.
    package mutating func add(_ text: Span<UInt8>, isLast: Bool) throws(TokenizeError) -> Int {
        var at = 0
        while at < text.count {
            let rest = text.extracting(at..<text.count)
            try cutter.cut(rest, isLast: isLast, into: &ends)
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
        self.init(capacity: span.count) { for i in span.indices { $0.append(span[i]) } }
    }
}
