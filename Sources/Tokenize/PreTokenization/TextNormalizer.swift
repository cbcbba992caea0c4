/// What a tokenizer does to a text before it looks for added tokens in normalized text: normalization form C, a space at the start, U+2581
/// as a space.
///
///     TextNormalizer(llama).normalized(Array("Hello▁there".utf8))          // " Hello there"
struct TextNormalizer: Sendable {
    private let appliesNFC, addsSpace: Bool
    /// Whether spaces count as U+2581 from here on: they are no white space around added tokens. Metaspace replaces them later.
    let marksSpaces: Bool

    init(_ vocabulary: Vocabulary) {
        appliesNFC = vocabulary.normalization == .nfc
        marksSpaces = vocabulary.marksSpaces && !vocabulary.usesMetaspace
        addsSpace = vocabulary.prefixSpace == .evenBeforeSpace
    }

    var isIdentity: Bool { !appliesNFC && !marksSpaces && !addsSpace }

    /// - Parameter addsSpace: false for a later part of a text.
    func normalized(_ text: [UInt8], addsSpace isStart: Bool = true) -> [UInt8] {
        if text.isEmpty { return text }
        var result: [UInt8] = []
        if addsSpace, isStart { result.append(0x20) }
        if appliesNFC, !NFC.isNormalized(text.span) { NFC.append(text.span, to: &result) } else { result += text }
        if marksSpaces { Self.replaceMarks(in: &result) }
        return result
    }

    /// Replaces U+2581 by spaces.
    static func replaceMarks(in text: inout [UInt8]) {
        guard var from = text.indices.first(where: { text.hasMark(at: $0) }) else { return }
        var to = from
        while from < text.count {
            if text.hasMark(at: from) {
                text[to] = 0x20
                from += 3
            } else {
                text[to] = text[from]
                from += 1
            }
            to += 1
        }
        text.removeLast(text.count - to)
    }
}

extension [UInt8] {
    /// Whether U+2581, which SentencePiece writes for a space, starts at an offset.
    fileprivate func hasMark(at i: Int) -> Bool { self[i] == 0xE2 && i + 2 < count && self[i + 1] == 0x96 && self[i + 2] == 0x81 }
}
