internal import CPreTokenize

/// Divides a text into words as BERT does: without control characters, in lower case and without accents if the vocabulary is, each
/// punctuation mark and each Chinese character alone.
///
///     var words = ByteStrings()
///     BERTNormalizer().append("Hello, Café!", to: &words)      // hello  ,  cafe  !
///
/// Equals Hugging Face's BertNormalizer and BertPreTokenizer, also for the characters of later Unicode versions that they do not know.
struct BERTNormalizer: Sendable, Equatable {
    /// Removes control characters.
    var cleansText = true
    /// Puts each Chinese character into a word of its own.
    var separatesIdeographs = true
    var stripsAccents = true
    var lowercases = true

    /// Appends the words of a text.
    func append(_ text: String, to words: inout ByteStrings) {
        var word: [UInt8] = [], run: [UInt32] = []
        func end() {
            if !run.isEmpty { appendRun(run, to: &word, &words) }
            run.removeAll(keepingCapacity: true)
            if !word.isEmpty { words.append(word) }
            word.removeAll(keepingCapacity: true)
        }
        for scalar in text.unicodeScalars {
            let value = scalar.value
            if isRemoved(value) { continue }
            if isWhiteSpace(value) {
                end()
            } else if separatesIdeographs, Self.isIdeograph(value) {
                end()
                run.append(value)
                end()
            } else {
                run.append(value)
            }
        }
        end()
    }

    /// Appends characters between spaces: they can be combined with each other only.
    private func appendRun(_ run: [UInt32], to word: inout [UInt8], _ words: inout ByteStrings) {
        let isASCII = run.allSatisfy { $0 < 0x80 }
        for value in stripsAccents && !isASCII ? NFC.decomposed(run) : run {
            if stripsAccents, slm_bert_class(value) == SLM_BERT_ACCENT { continue }
            guard let scalar = Unicode.Scalar(value) else { continue }
            if value < 0x80 {
                let byte = UInt8(value), isUpper = lowercases && 0x41...0x5A ~= byte
                append(isUpper ? byte | 0x20 : byte, isPunctuation: Self.isPunctuation(value), to: &word, &words)
                continue
            }
            for part in lowercases ? scalar.properties.lowercaseMapping.unicodeScalars : String(scalar).unicodeScalars {
                if Self.isPunctuation(part.value) {
                    if !word.isEmpty { words.append(word) }
                    words.append(part.utf8)
                    word.removeAll(keepingCapacity: true)
                } else { word += Array(part.utf8) }
            }
        }
    }

    private func append(_ byte: UInt8, isPunctuation: Bool, to word: inout [UInt8], _ words: inout ByteStrings) {
        guard isPunctuation else { return word.append(byte) }
        if !word.isEmpty { words.append(word) }
        words.append(CollectionOfOne(byte))
        word.removeAll(keepingCapacity: true)
    }

    private func isRemoved(_ value: UInt32) -> Bool {
        cleansText && (value < 0x80 ? value < 0x20 && ![9, 10, 13].contains(value) || value == 0x7F
            : slm_bert_class(value) == SLM_BERT_CONTROL)
    }

    private func isWhiteSpace(_ value: UInt32) -> Bool {
        switch value {
        case 0x9...0xD, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    private static func isPunctuation(_ value: UInt32) -> Bool { slm_bert_class(value) == SLM_BERT_PUNCTUATION }

    /// The blocks of Chinese characters that BERT's authors chose. The fourth extension ends and the fifth begins where the library does.
    private static func isIdeograph(_ value: UInt32) -> Bool {
        switch value {
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F, 0x2B920...0x2CEAF,
            0x2F800...0x2FA1F: true
        default: false
        }
    }
}
