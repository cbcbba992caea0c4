internal import CPreTokenize

/// Splits text before spaces, for SentencePiece vocabularies: they have no pre-tokenization pattern, or one that splits at each space.
///
///     SpacePreTokenizer(vocabulary)           // "  to be" is split into "  to" and " be"
///
/// Without a pattern, tokens may contain any characters. Nearly all have spaces only at their start, so merges never cross the start of a
/// run of spaces, and text may be split there: then words can be cached. Where a token does have a space after another character, the text
/// is not split after that character.
struct SpacePreTokenizer: Sendable {
    private let splitsAtEverySpace: Bool
    /// Whether some token contains the byte and then a space.
    private var joins = [Bool](repeating: false, count: 256)

    /// Every space starts a word.
    init() { splitsAtEverySpace = true }

    /// Splits only where the vocabulary's merges cannot cross.
    init(_ vocabulary: Vocabulary) {
        splitsAtEverySpace = false
        for id in Set(vocabulary.merges.lazy.map(\.result)) {
            let token = vocabulary.tokens[Int(id)]
            for (byte, next) in zip(token, token.dropFirst()) where next == 0x20 && byte != 0x20 { joins[Int(byte)] = true }
        }
    }

    /// As `BuiltInPreTokenizer.split`.
    func split(_ text: Span<UInt8>, isLast: Bool, maxCount: Int = 1_024, into ends: inout [UInt32]) {
        ends.removeAll(keepingCapacity: true)
        text.withUnsafeBufferPointer { text in
            joins.withUnsafeBufferPointer { joins in
                ends.append(addingCapacity: maxCount) { ends in
                    ends.withUnsafeMutableBufferPointer { buffer, count in
                        count = slm_split_at_spaces(
                            text.baseAddress, text.count, isLast, splitsAtEverySpace, joins.baseAddress, buffer.baseAddress, buffer.count)
                    }
                }
            }
        }
    }
}
