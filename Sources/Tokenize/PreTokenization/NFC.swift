internal import CPreTokenize

/// Unicode normalization form C: characters with accents as one character where there is one, marks in a defined order.
///
///     var text: [UInt8] = []
///     NFC.append(Array("e\u{301}".utf8).span, to: &text)        // the bytes of "é"
///
/// Equals Hugging Face's normalizer NFC, which has the tables of Unicode 9: later characters stay as they are. Bytes that are not UTF-8
/// stay as well. Text that is normalized already, nearly all, costs one pass in C.
package enum NFC {
    package static func isNormalized(_ text: Span<UInt8>) -> Bool { stablePrefix(of: text) == text.count }

    /// Appends the normalized text.
    package static func append(_ text: Span<UInt8>, to result: inout [UInt8]) {
        var at = 0
        var characters: [Character] = []
        while at < text.count {
            let rest = text.extracting(at..<text.count)
            let stable = stablePrefix(of: rest)
            result.append(rest.extracting(..<stable))
            at += stable
            guard at < text.count else { break }
            characters.removeAll(keepingCapacity: true)
            // A starter, and all that may combine with it: up to the next stable starter.
            while at < text.count {
                let sequence = text.utf8Sequence(at: at)
                guard sequence.kind == .valid else { break }
                let scalar = text.scalarValue(at: at, length: sequence.length)
                if !characters.isEmpty, slm_nfc_kind(scalar) == 0 { break }
                appendDecomposition(of: scalar, to: &characters)
                at += sequence.length
            }
            if characters.isEmpty {                             // not UTF-8
                result.append(text[at])
                at += 1
                continue
            }
            sortMarks(&characters)
            compose(&characters)
            for character in characters { if let scalar = Unicode.Scalar(character.scalar) { result += Array(scalar.utf8) } }
        }
    }

    /// Normalization form D of code points: all characters with accents divided, marks in a defined order.
    static func decomposed(_ scalars: [UInt32]) -> [UInt32] {
        var characters: [Character] = []
        for scalar in scalars { appendDecomposition(of: scalar, to: &characters) }
        sortMarks(&characters)
        return characters.map(\.scalar)
    }

    private struct Character {
        var scalar: UInt32
        /// The place of its combining class in order; 0 for a starter.
        var order: UInt8
    }

    private static func stablePrefix(of text: Span<UInt8>) -> Int {
        text.withUnsafeBufferPointer { slm_nfc_stable_prefix($0.baseAddress, $0.count) }
    }

    private static func appendDecomposition(of scalar: UInt32, to characters: inout [Character]) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4) { parts in
            parts.initialize(repeating: 0)
            let count = slm_nfc_decompose(scalar, parts.baseAddress)
            if count == 0 { return characters.append(Character(scalar: scalar, order: slm_nfc_kind(scalar) & 127)) }
            for part in parts[..<count] { characters.append(Character(scalar: part, order: slm_nfc_kind(part) & 127)) }
        }
    }

    /// Sorts each run of marks by combining class; marks of one class keep their order.
    private static func sortMarks(_ characters: inout [Character]) {
        var start = 0
        while start < characters.count {
            var end = start
            while end < characters.count, characters[end].order > 0 { end += 1 }
            if end - start > 1 {
                let sorted = (start..<end).sorted {
                    characters[$0].order != characters[$1].order ? characters[$0].order < characters[$1].order : $0 < $1
                }
                characters.replaceSubrange(start..<end, with: sorted.map { characters[$0] })
            }
            start = end + 1
        }
    }

    /// Composes each mark with the last starter, unless a mark between them has the same or a higher class.
    private static func compose(_ characters: inout [Character]) {
        var starter: Int?
        var lastOrder: UInt8 = 0
        var count = 0
        for character in characters {
            if let starter, count == starter + 1 || lastOrder < character.order && lastOrder > 0 {
                let composed = slm_nfc_compose(characters[starter].scalar, character.scalar)
                if composed != 0 {
                    characters[starter].scalar = composed
                    continue
                }
            }
            characters[count] = character
            if character.order == 0 { starter = count }
            lastOrder = character.order
            count += 1
        }
        characters.removeLast(characters.count - count)
    }
}

extension Span where Element == UInt8 {
    /// The code point of a valid UTF-8 sequence.
    func scalarValue(at start: Int, length: Int) -> UInt32 {
        if length == 1 { return UInt32(self[start]) }
        var value = UInt32(self[start]) & (0x7F >> UInt32(length))
        for i in start + 1..<start + length { value = value << 6 | UInt32(self[i] & 0x3F) }
        return value
    }
}

extension [UInt8] {
    mutating func append(_ bytes: Span<UInt8>) { bytes.withUnsafeBufferPointer { append(contentsOf: $0) } }
}
