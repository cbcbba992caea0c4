internal import CKernels

/// Cuts texts into words by GPT-2's or GPT-4's pattern, with the best instructions of this CPU.
///
///     var ends: [UInt32] = []
///     WordCutter(.gpt2).cut(Array("Hello there".utf8).span, isLast: true, into: &ends)      // [5, 11]
package struct WordCutter: Sendable {
    package enum Pattern: Int32, Sendable, CaseIterable {
        case gpt2, gpt4, llama3
    }

    private let pattern: Int32
    private let cut: @convention(c) (Int32, UnsafePointer<UInt8>?, Int, Bool, UnsafeMutablePointer<UInt32>?, Int) -> Int

    /// - Parameter path: "avx512", "avx2" or "plain"; nil takes the best that the CPU has.
    package init(_ pattern: Pattern, path: String? = nil) {
        guard let table = path.map({ slm_kernels_named($0) }) ?? slm_kernels_best() else { fatalError("WordCutter: no kernels named \(path ?? "")") }
        (self.pattern, cut) = (pattern.rawValue, table.pointee.cut_words)
    }

    /// Replaces `ends` by the ends of the words that a text begins with: `atMost` of them, and only those that no further text could change
    /// where this is not the last piece of a text. A text has less than 4 GiB.
    package func cut(_ text: Span<UInt8>, isLast: Bool, atMost: Int = 1_024, into ends: inout [UInt32]) {
        require(text.count < 1 << 32, "WordCutter: a piece of \(text.count) bytes is too long")
        ends.removeAll(keepingCapacity: true)
        text.withUnsafeBufferPointer { text in
            ends.append(addingCapacity: atMost) { ends in
                ends.withUnsafeMutableBufferPointer { room, count in
                    count = cut(pattern, text.baseAddress, text.count, isLast, room.baseAddress, room.count)
                }
            }
        }
    }
}

/// Words that were met before, with their ids: bounded, new ones take the places of old ones.
///
///     let table = WordTable(bits: 16)
///     table.remember(word, as: ids)
///     table.find(text, ends: ends, from: 0, at: 0, appendingTo: &found)
package struct WordTable: ~Copyable {
    /// Longer words, and words of more tokens, are not kept.
    package static let longest = Int(SLM_WORD_BYTES), mostIDs = Int(SLM_WORD_IDS)

    private let places: UnsafeMutableBufferPointer<slm_word>

    /// - Parameter bits: for 2^bits words, in 32 bytes each.
    package init(bits: Int) {
        places = UnsafeMutableRawBufferPointer.allocate(byteCount: MemoryLayout<slm_word>.stride << bits, alignment: 64).bindMemory(to: slm_word.self)
        places.initialize(repeating: slm_word())
    }

    deinit { UnsafeMutableRawPointer(places.baseAddress)?.deallocate() }

    /// Appends the ids of the words that end at `ends`, from word `first` on, which begins at `start`, until one is not known.
    /// Returns the first word that was not found and where it begins.
    package func find(_ text: Span<UInt8>, ends: [UInt32], from first: Int, at start: Int, appendingTo ids: inout [Int32]) -> (word: Int, start: Int) {
        var at = start, found = 0
        text.withUnsafeBufferPointer { text in
            ends.withUnsafeBufferPointer { ends in
                ids.append(addingCapacity: (ends.count - first) * Self.mostIDs) { ids in
                    ids.withUnsafeMutableBufferPointer { room, count in
                        guard let free = room.baseAddress, let ends = ends.baseAddress else { return }
                        var written = 0
                        found = slm_words_find(places.baseAddress, places.count, text.baseAddress, text.count, ends + first, room.count / Self.mostIDs,
                                               &at, free, &written)
                        count = written
                    }
                }
            }
        }
        return (first + found, at)
    }

    /// Remembers a word.
    package func remember(_ word: Span<UInt8>, as ids: Span<Int32>) {
        require(!word.isEmpty && word.count <= Self.longest && ids.count <= Self.mostIDs, "WordTable: a word of \(word.count) bytes as \(ids.count) ids")
        word.withUnsafeBufferPointer { word in
            ids.withUnsafeBufferPointer { slm_words_remember(places.baseAddress, places.count, word.baseAddress, word.count, $0.baseAddress, $0.count) }
        }
    }
}
