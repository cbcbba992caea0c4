/// A text in which what is not UTF-8 has become U+FFFD, and which knows where everything stood.
///
///     let text = LossyUTF8Text([0x61, 0xFF, 0x62].span)
///     text.bytes                       // a, U+FFFD, b: 5 bytes
///     text.place(of: 2)                // 4: where "b" stands now
struct LossyUTF8Text {
    private(set) var bytes: [UInt8] = []
    /// Behind each replaced piece: a place in the text, and the same place in `bytes`.
    private var marks: [(before: Int, after: Int)] = []

    init(_ text: Span<UInt8>) {
        bytes.reserveCapacity(text.count + 64)
        var i = 0
        while i < text.count {
            if text[i] < 0x80 { bytes.append(text[i]); i += 1; continue }
            let piece = text.piece(at: i)
            if piece.kind == .character {
                for k in i..<i + piece.length { bytes.append(text[k]) }
            } else {
                bytes.append(contentsOf: [0xEF, 0xBF, 0xBD])
                marks.append((i + piece.length, bytes.count))
            }
            i += piece.length
        }
    }

    /// Where a place of the text is in `bytes`.
    func place(of place: Int) -> Int {
        let mark = marks[..<marks.prefixCount { $0.before <= place }].last ?? (0, 0)
        return mark.after + place - mark.before
    }

    /// Where a place in `bytes` was in the text.
    func origin(of place: Int) -> Int {
        let mark = marks[..<marks.prefixCount { $0.after <= place }].last ?? (0, 0)
        return mark.before + place - mark.after
    }
}
