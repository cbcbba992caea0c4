import TestSupport

extension TestRandom {
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }

    /// Words, spaces, digits and punctuation of several scripts, with some invalid UTF-8 if `broken`.
    mutating func text(pieces: Int, broken: Bool) -> [UInt8] {
        let parts = [
            "a", "B", "é", "ſ", "日本", "🙂", "👩‍🚀", "e\u{301}", " ", "  ", "\t", "\n", "\r\n", "\u{A0}", "\u{180E}", "\u{2003}", "0", "12",
            "345", "²", "٣", "'", "'s", "'LL", "'ve", "-", "...", "!", "_", "{", "word", "Ünïcödé", "x",
        ]
        var text: [UInt8] = []
        for _ in 0..<pieces {
            if broken, below(6) == 0 {
                text += [[0xFF], [0xE2, 0x82], [0xC3], [0x80], [0xF0, 0x9F, 0x98], [0xED, 0xA0, 0x80]][below(6)]
            } else {
                text += Array(parts[below(parts.count)].utf8)
            }
        }
        return text
    }
}
