import Files

/// What a unigram tokenizer does to a text before it divides it into words.
struct UnigramNormalizer: Sendable {
    enum Step: Sendable {
        case map(PrecompiledCharacterMap)
        /// Two and more spaces become a text.
        case replaceSpaces(by: [UInt8])
        case replace([UInt8], by: [UInt8])
        case strip(left: Bool, right: Bool)
    }

    var steps: [Step] = []

    func normalized(_ text: [UInt8]) -> [UInt8] {
        steps.reduce(text) { text, step in
            switch step {
            case .map(let map): map.normalized(text)
            case .replaceSpaces(let content): Self.replacingSpaces(in: text, by: content)
            case .replace(let pattern, let content): Self.replacing(pattern, in: text, by: content)
            case .strip(let left, let right): Self.stripped(text, left: left, right: right)
            }
        }
    }

    private static func replacingSpaces(in text: [UInt8], by content: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [], i = 0
        while i < text.count {
            var end = i
            while end < text.count, text[end] == 0x20 { end += 1 }
            if end - i > 1 {
                result += content
            } else {
                result.append(text[i])
                end = i + 1
            }
            i = end
        }
        return result
    }

    private static func replacing(_ pattern: [UInt8], in text: [UInt8], by content: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [], i = 0
        while i < text.count {
            if text[i] == pattern[0], text[i...].starts(with: pattern) {
                result += content
                i += pattern.count
            } else {
                result.append(text[i])
                i += 1
            }
        }
        return result
    }

    private static func stripped(_ text: [UInt8], left: Bool, right: Bool) -> [UInt8] {
        var scalars = String(decoding: text, as: UTF8.self).unicodeScalars[...]
        if left { scalars = scalars.drop(while: \.properties.isWhitespace) }
        while right, let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        return Array(String(scalars).utf8)
    }
}

/// SentencePiece's table of replacements of characters, usually those of NFKC: a tree of the texts that are replaced, as a double array of
/// darts-clone, and their replacements, each ended by a zero.
struct PrecompiledCharacterMap: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]

    /// nil if the bytes are no such table.
    init?(_ bytes: [UInt8]) {
        func word(_ at: Int) -> UInt32 { UInt32(littleEndian: bytes.span.extracting(at..<at + 4)) }
        guard bytes.count >= 8 else { return nil }
        let size = Int(word(0))
        guard size >= 4, size % 4 == 0, size <= bytes.count - 4 else { return nil }
        units = stride(from: 4, to: 4 + size, by: 4).map(word)
        replacements = Array(bytes[(4 + size)...])
    }

    /// The replacement of the shortest text in the table that a text begins with.
    ///
    /// SentencePiece takes the longest one. This is what Hugging Face's library does, by which the models are used.
    private func replacement(of text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }
        var node = offset(units[0])
        for byte in text {
            if byte == 0 { return nil }
            node ^= Int(byte)
            guard node < units.count, units[node] & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
            let unit = units[node]
            node ^= offset(unit)
            guard unit >> 8 & 1 == 1 else { continue }
            guard node < units.count else { return nil }
            let start = Int(units[node] & (1 << 31 - 1))
            guard start < replacements.count else { return nil }
            let end = replacements[start...].firstIndex(of: 0) ?? replacements.count
            return replacements[start..<end]
        }
        return nil
    }

    /// Replaces characters: those that a reader sees as one together, if the table has them, else each alone.
    func normalized(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [], i = 0
        while i < text.count {
            if let end = simpleEnd(text, i) {
                appendCluster(text[i..<end], to: &result)
                i = end
                continue
            }
            // Up to and with the ASCII character that follows the others: it may belong to them, and the next one does not.
            var end = i + 1
            while end < text.count, simpleEnd(text, end) == nil { end += 1 }
            if end < text.count { end = simpleEnd(text, end) ?? text.count }
            for cluster in String(decoding: text[i..<end], as: UTF8.self) { appendCluster(Array(cluster.utf8)[...], to: &result) }
            i = end
        }
        return result
    }

    /// The end of an ASCII character that is followed by another one, or by nothing; nil for others. CR LF is one character.
    private func simpleEnd(_ text: [UInt8], _ i: Int) -> Int? {
        guard text[i] < 0x80 else { return nil }
        let end = text[i] == 13 && i + 1 < text.count && text[i + 1] == 10 ? i + 2 : i + 1
        return end == text.count || text[end] < 0x80 ? end : nil
    }

    private func appendCluster(_ cluster: ArraySlice<UInt8>, to result: inout [UInt8]) {
        if cluster.count < 6, let replacement = replacement(of: cluster) { return result += replacement }
        var start = cluster.startIndex
        while start < cluster.endIndex {
            var end = start + 1
            while end < cluster.endIndex, cluster[end] & 0xC0 == 0x80 { end += 1 }
            result += replacement(of: cluster[start..<end]) ?? cluster[start..<end]
            start = end
        }
    }
}
