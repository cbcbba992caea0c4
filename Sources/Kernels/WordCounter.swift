internal import CKernels

/// How often each word of at most 16 bytes was met: a hash table that grows with the number of different words.
///
///     var counter = WordCounter()
///     let stopped = counter.count(text, ends: ends, from: 0, at: 0)      // at a word that is longer, or behind the last
package struct WordCounter: ~Copyable {
    private var places: UnsafeMutableBufferPointer<slm_counted>
    /// How many more words may come in before the table is made larger: at most two thirds of it are taken.
    private var free: Int

    package init() {
        places = Self.table(of: 1 << 12)
        free = places.count / 3 * 2
    }

    deinit { places.deallocate() }

    private static func table(of count: Int) -> UnsafeMutableBufferPointer<slm_counted> {
        let table = UnsafeMutableBufferPointer<slm_counted>.allocate(capacity: count)
        table.initialize(repeating: slm_counted())
        return table
    }

    /// Counts the words that end at `ends`, from word `first` on, which begins at `start`. Returns the word where it stopped, which is longer than
    /// 16 bytes or does not exist, and where that begins.
    package mutating func count(_ text: Span<UInt8>, ends: [UInt32], from first: Int, at start: Int) -> (word: Int, start: Int) {
        var word = first, at = start
        while word < ends.count {
            word = text.withUnsafeBufferPointer { text in
                ends.withUnsafeBufferPointer {
                    slm_words_count(places.baseAddress, places.count, &free, text.baseAddress, text.count, $0.baseAddress, $0.count, word, &at)
                }
            }
            if free > 0 { break }
            grow(to: places.count * 2)
        }
        return (word, at)
    }

    /// Adds what another has counted.
    package mutating func add(_ other: borrowing WordCounter) {
        for word in other.places where word.length > 0 {
            if free == 0 { grow(to: places.count * 2) }
            free -= Int(slm_words_add(places.baseAddress, places.count, word))
        }
    }

    package func forEach(_ body: (_ word: Span<UInt8>, _ count: Int) -> Void) {
        for word in places where word.length > 0 {
            withUnsafeBytes(of: word.key) { body($0.bindMemory(to: UInt8.self).span.extracting(first: Int(word.length)), Int(word.count)) }
        }
    }

    private mutating func grow(to size: Int) {
        let old = places
        places = Self.table(of: size)
        free = size / 3 * 2
        for word in old where word.length > 0 {
            free -= Int(slm_words_add(places.baseAddress, places.count, word))
        }
        old.deallocate()
    }
}
