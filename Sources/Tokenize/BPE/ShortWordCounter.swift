internal import CPreTokenize

/// Counts words of at most 16 bytes, in a hash table that grows with the number of distinct words.
///
///     var counter = ShortWordCounter()
///     let stop = counter.count(text, ends: ends, from: 0, at: 0)      // the first longer word, or the end
package struct ShortWordCounter: ~Copyable {
    private var slots: UnsafeMutableBufferPointer<slm_counted_word>
    /// New words that fit before the table grows: at most two thirds of it are used.
    private var free: Int

    package init() {
        slots = Self.table(of: 1 << 12)
        free = slots.count / 3 * 2
    }

    deinit { slots.deallocate() }

    private static func table(of count: Int) -> UnsafeMutableBufferPointer<slm_counted_word> {
        let table = UnsafeMutableBufferPointer<slm_counted_word>.allocate(capacity: count)
        table.initialize(repeating: slm_counted_word())
        return table
    }

    /// Counts the words that end at `ends`, from word `first` on, up to the first word longer than 16 bytes.
    ///
    /// - Parameter start: the offset at which word `first` starts.
    /// - Returns: the word at which counting stopped, or `ends.count`, and its start.
    package mutating func count(_ text: Span<UInt8>, ends: [UInt32], from first: Int, at start: Int) -> (word: Int, start: Int) {
        var word = first
        var at = start
        while word < ends.count {
            word = text.withUnsafeBufferPointer { text in
                ends.withUnsafeBufferPointer { ends in
                    slm_word_counter_count(
                        slots.baseAddress, slots.count, &free,
                        text.baseAddress, text.count,
                        ends.baseAddress, ends.count,
                        word, &at
                    )
                }
            }
            if free > 0 { break }
            grow(to: slots.count * 2)
        }
        return (word, at)
    }

    /// Adds the counts of another counter.
    package mutating func add(_ other: borrowing ShortWordCounter) {
        for word in other.slots where word.length > 0 {
            if free == 0 { grow(to: slots.count * 2) }
            free -= Int(slm_word_counter_add(slots.baseAddress, slots.count, word))
        }
    }

    package func forEach(_ body: (_ word: Span<UInt8>, _ count: Int) -> Void) {
        for word in slots where word.length > 0 {
            withUnsafeBytes(of: word.key) { key in
                body(key.bindMemory(to: UInt8.self).span.extracting(first: Int(word.length)), Int(word.count))
            }
        }
    }

    private mutating func grow(to size: Int) {
        let old = slots
        slots = Self.table(of: size)
        free = size / 3 * 2
        for word in old where word.length > 0 {
            free -= Int(slm_word_counter_add(slots.baseAddress, slots.count, word))
        }
        old.deallocate()
    }
}
