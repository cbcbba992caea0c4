internal import CPreTokenize

/// The token IDs of recently encoded words: a hash table of fixed size in which new words evict old ones.
///
///     let cache = WordCache(bits: 16)
///     cache.insert(word, ids: ids)
///     cache.find(text, ends: ends, from: 0, at: 0, appendingTo: &found)
package struct WordCache: ~Copyable {
    /// Limits of the words that can be cached.
    package static let maxWordBytes = Int(SLM_WORD_BYTES), maxIDs = Int(SLM_WORD_IDS)

    private let slots: UnsafeMutableBufferPointer<slm_cached_word>

    /// - Parameter bits: the base-2 logarithm of the number of slots, each of 32 bytes.
    package init(bits: Int) {
        // 64: the two slots of a bucket share a cache line.
        slots = UnsafeMutableRawBufferPointer
            .allocate(byteCount: MemoryLayout<slm_cached_word>.stride << bits, alignment: 64)
            .bindMemory(to: slm_cached_word.self)
        slots.initialize(repeating: slm_cached_word())
    }

    deinit { UnsafeMutableRawPointer(slots.baseAddress)?.deallocate() }

    /// Appends the IDs of the words that end at `ends`, from word `first` on, up to the first word that is not cached.
    ///
    /// - Parameter start: the offset at which word `first` starts.
    /// - Returns: the first word that was not found, and its start.
    package func find(
        _ text: Span<UInt8>, ends: [UInt32], from first: Int, at start: Int, appendingTo ids: inout [Int32]
    ) -> (word: Int, start: Int) {
        var at = start
        var found = 0
        text.withUnsafeBufferPointer { text in
            ends.withUnsafeBufferPointer { ends in
                ids.append(addingCapacity: (ends.count - first) * Self.maxIDs) { ids in
                    ids.withUnsafeMutableBufferPointer { buffer, count in
                        guard let free = buffer.baseAddress, let ends = ends.baseAddress else { return }
                        var written = 0
                        found = slm_word_cache_find(
                            slots.baseAddress, slots.count,
                            text.baseAddress, text.count,
                            ends + first, buffer.count / Self.maxIDs,
                            &at, free, &written
                        )
                        count = written
                    }
                }
            }
        }
        return (first + found, at)
    }

    package func insert(_ word: Span<UInt8>, ids: Span<Int32>) {
        precondition(!word.isEmpty && word.count <= Self.maxWordBytes && ids.count <= Self.maxIDs, "the word is too long for the cache")
        word.withUnsafeBufferPointer { word in
            ids.withUnsafeBufferPointer { ids in
                slm_word_cache_insert(slots.baseAddress, slots.count, word.baseAddress, word.count, ids.baseAddress, ids.count)
            }
        }
    }
}
