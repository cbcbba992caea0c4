/// A text in which invalid UTF-8 is replaced by U+FFFD, with a mapping between offsets before and after the replacement.
///
///     let text = LossyUTF8Text([0x61, 0xFF, 0x62].span)
///     text.bytes                       // a, U+FFFD, b: 5 bytes
///     text.offset(ofOriginal: 2)       // 4: the new offset of "b"
struct LossyUTF8Text {
    private(set) var bytes: [UInt8] = []
    /// The end of each replaced sequence, as an offset in the original text and in `bytes`.
    private var replacements: [(original: Int, new: Int)] = []

    init(_ text: Span<UInt8>) {
        bytes.reserveCapacity(text.count + 64)
        var i = 0
        while i < text.count {
            if text[i] < 0x80 {
                bytes.append(text[i])
                i += 1
                continue
            }
            let sequence = text.utf8Sequence(at: i)
            if sequence.kind == .valid {
                for k in i..<i + sequence.length { bytes.append(text[k]) }
            } else {
                bytes.append(contentsOf: [0xEF, 0xBF, 0xBD])
                replacements.append((i + sequence.length, bytes.count))
            }
            i += sequence.length
        }
    }

    /// The offset in `bytes` of an offset in the original text.
    func offset(ofOriginal offset: Int) -> Int {
        let last = replacements[..<replacements.prefixCount { $0.original <= offset }].last ?? (0, 0)
        return last.new + offset - last.original
    }

    /// The offset in the original text of an offset in `bytes`.
    func originalOffset(of offset: Int) -> Int {
        let last = replacements[..<replacements.prefixCount { $0.new <= offset }].last ?? (0, 0)
        return last.original + offset - last.new
    }
}
